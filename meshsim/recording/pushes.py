"""What Pilot sent, what was answered and when it took effect, joined to one row a response."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator

from meshsim.trace import ProxyEffective, Push, PushAnswer, PushSent

Row = tuple[object, ...]
_Key = tuple[int, str, str, str]


class PushLog:
    """Collects the four record types of a push and gives rows in the order the responses were sent."""

    def __init__(self) -> None:
        self._pushes: dict[int, Push] = {}
        self._sent: list[PushSent] = []
        self._answers: dict[_Key, deque[PushAnswer]] = defaultdict(deque)
        self._effective: dict[_Key, deque[ProxyEffective]] = defaultdict(deque)

    def add(self, record: Push | PushSent | PushAnswer | ProxyEffective) -> None:
        """Take one record."""
        if isinstance(record, Push):
            self._pushes[record.push] = record
        elif isinstance(record, PushSent):
            self._sent.append(record)
        elif isinstance(record, PushAnswer):
            self._answers[_key(record)].append(record)
        else:
            self._effective[_key(record)].append(record)

    def rows(self, seed: int) -> Iterator[Row]:
        """The rows of the table of pushes: what was sent, then what is known of responses nobody saw sent."""
        reached: set[int] = set()
        for sent in self._sent:
            reached.add(sent.push)
            yield self._row(sent, self._next_answer(_key(sent)), self._next_effective(_key(sent)), seed)
        for key in list(self._answers):
            while answer := self._next_answer(key):
                reached.add(answer.push)
                yield self._row(_unseen(key), answer, self._next_effective(key), seed)
        for key in list(self._effective):
            while effective := self._next_effective(key):
                reached.add(effective.push)
                yield self._row(_unseen(key), None, effective, seed)
        for number, push in self._pushes.items():
            if number not in reached:
                yield self._row(_unseen((number, "", "", push.version)), None, None, seed)

    def _next_answer(self, key: _Key) -> PushAnswer | None:
        waiting = self._answers.get(key)
        return waiting.popleft() if waiting else None

    def _next_effective(self, key: _Key) -> ProxyEffective | None:
        waiting = self._effective.get(key)
        return waiting.popleft() if waiting else None

    def _row(self, sent: PushSent, answer: PushAnswer | None, effective: ProxyEffective | None, seed: int) -> Row:
        push = self._pushes.get(sent.push)
        return (
            sent.push,
            sent.proxy,
            sent.type_url,
            sent.version,
            list(push.changes) if push else [],
            push.first_change if push else -1,
            push.debounced if push else -1,
            push.started if push else -1,
            sent.queued,
            sent.generated,
            sent.time,
            answer.time if answer else -1,
            answer.accepted if answer else None,
            answer.reason if answer else "",
            effective.time if effective else -1,
            sent.resources,
            sent.removed,
            sent.size,
            seed,
        )


def _key(record: PushSent | PushAnswer | ProxyEffective) -> _Key:
    return record.push, record.proxy, record.type_url, record.version


def _unseen(key: _Key) -> PushSent:
    return PushSent(-1, *key, queued=-1, generated=-1, resources=0, removed=0, size=0)
