"""A judged expectation: what was seen, what was asked for, on how much it rests, and why it failed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path

from meshsim.checks.intervals import Interval
from meshsim.errors import Position
from meshsim.recording import VERDICTS


class Outcome(Enum):
    """How an expectation was judged."""

    MET = "met"
    NOT_MET = "not met"
    NOT_JUDGED = "not judged"
    """The run ended before there was anything to judge (`--until`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One expectation's outcome."""

    name: str
    kind: str
    """`success_rate`, `share`, `latency`, `requests`, `propagation`, `nacks`."""
    outcome: Outcome
    observed: str
    """What was seen, for people."""
    limit: str
    """What was asked for, for people."""
    value: float | None
    """What was seen as a number: a share of 1, nanoseconds, or a count; of several statistics the decisive one. `None`
    where there was nothing to see, or it never happened."""
    samples: int
    """Requests, proxies or updates it rests on."""
    interval: Interval | None = None
    """95 % interval of `value`."""
    warnings: tuple[str, ...] = ()
    """What to know before the verdict is trusted."""
    causes: tuple[str, ...] = ()
    """Where and why, for an expectation that was not met."""
    position: Position | None = None
    """Where it was asked for."""

    @property
    def met(self) -> bool:
        return self.outcome is Outcome.MET


def save_verdicts(folder: Path, verdicts: Sequence[Verdict]) -> None:
    """Write `verdicts.json` into a recording."""
    rows = []
    for verdict in verdicts:
        row = asdict(verdict)
        row["outcome"] = verdict.outcome.value
        row["interval"] = list(verdict.interval) if verdict.interval else None
        row["position"] = list(verdict.position) if verdict.position else None
        rows.append(row)
    text = json.dumps(rows, indent=2, ensure_ascii=False, allow_nan=False)
    (folder / VERDICTS).write_text(text + "\n", encoding="utf-8")


def load_verdicts(rows: Sequence[dict[str, object]]) -> tuple[Verdict, ...]:
    """Verdicts of the rows of a `verdicts.json`."""
    return tuple(_verdict(row) for row in rows)


def _verdict(row: dict[str, object]) -> Verdict:
    known = {name: value for name, value in row.items() if name in Verdict.__dataclass_fields__}
    interval, position = known.get("interval"), known.get("position")
    warnings, causes = known.get("warnings"), known.get("causes")
    return Verdict(
        name=str(row["name"]),
        kind=str(row["kind"]),
        outcome=Outcome(row["outcome"]),
        observed=str(row["observed"]),
        limit=str(row["limit"]),
        value=float(str(row["value"])) if row.get("value") is not None else None,
        samples=int(str(row["samples"])),
        interval=Interval(*interval) if isinstance(interval, list) else None,
        warnings=tuple(warnings) if isinstance(warnings, list) else (),
        causes=tuple(causes) if isinstance(causes, list) else (),
        position=Position(*position) if isinstance(position, list) else None,
    )
