"""Clients that a header or cookie of their requests tells apart, and what consistent hashing makes of that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from meshsim.dataplane.decide.hash_policies import request_hash
from meshsim.dataplane.decide.headers import HeaderMap
from meshsim.dataplane.decide.routes import HashPolicy

MOST_KEYS: Final = 65_536
"""Sessions beyond so many have the hashes of others."""


class SessionValues(NamedTuple):
    """The sessions of a traffic: number n sends the value `name`-n in its header and cookie."""

    name: str
    size: int
    header: str = ""
    cookie: str = ""

    def value(self, number: int) -> str:
        """What a session calls itself."""
        return f"{self.name}-{number}"

    def mark(self, headers: Sequence[tuple[str, str]], number: int) -> tuple[tuple[str, str], ...]:
        """The headers of a request of one session, in the place of those of another."""
        marked = [(key, value) for key, value in headers if key.lower() != self.header.lower()]
        if self.header:
            marked.append((self.header.lower(), self.value(number)))
        if self.cookie:
            kept = [value for key, value in marked if key.lower() == "cookie"]
            parts = [part.strip() for value in kept for part in value.split(";")]
            others = [part for part in parts if part and part.partition("=")[0] != self.cookie]
            marked = [(key, value) for key, value in marked if key.lower() != "cookie"]
            marked.append(("cookie", "; ".join([*others, f"{self.cookie}={self.value(number)}"])))
        return tuple(marked)

    def template(self, headers: Mapping[str, str]) -> dict[str, str]:
        """The headers that routes match: those of the first session.

        DEVIATION: a route that matches on the value of a session's header or cookie sees that of the first session.
        """
        return dict(self.mark(tuple(headers.items()), 0))

    def hashes(
        self, policies: Sequence[HashPolicy], headers: tuple[tuple[str, str], ...], client: str | None
    ) -> tuple[int, ...]:
        """The hash of each session's requests; 0 where there is nothing to hash."""
        return _hashes(self, tuple(policies), headers, client)


@lru_cache(maxsize=256)
def _hashes(
    sessions: SessionValues, policies: tuple[HashPolicy, ...], headers: tuple[tuple[str, str], ...], client: str | None
) -> tuple[int, ...]:
    return tuple(
        request_hash(policies, HeaderMap(sessions.mark(headers, number)), client).value or 0
        for number in range(min(sessions.size, MOST_KEYS))
    )
