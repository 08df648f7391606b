"""Findings about objects, collected: each at the very field, said once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Final

from meshsim.api import ApiObject
from meshsim.errors import Finding, Severity

_NAMED: Final = 4
"""So many things are named in a sentence."""


class Report:
    """Collects what there is to say about the objects of a mesh."""

    def __init__(self) -> None:
        self._found: dict[Finding, None] = {}

    def refuse(self, code: str, item: ApiObject, path: str, message: str, hint: str = "") -> None:
        """The validation webhook does not let it in."""
        self._add(Severity.ERROR, code, item, path, message, hint)

    def warn(self, code: str, item: ApiObject, path: str, message: str, hint: str = "") -> None:
        """Something is ignored, overridden or leads nowhere."""
        self._add(Severity.WARNING, code, item, path, message, hint)

    def inform(self, code: str, item: ApiObject, path: str, message: str, hint: str = "") -> None:
        """Something to know that may well be meant."""
        self._add(Severity.INFO, code, item, path, message, hint)

    def _add(self, severity: Severity, code: str, item: ApiObject, path: str, message: str, hint: str) -> None:
        finding = Finding(code, severity, message, item.position(path), hint, str(item))
        self._found.setdefault(finding)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Everything, by file and line."""
        return tuple(sorted(self._found, key=_order))


def _order(finding: Finding) -> tuple[str, int, int, str, str]:
    at = finding.position
    return (at.file if at else "", at.line if at else 0, at.column if at else 0, finding.code, finding.message)


def by_place(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings by file, line and column, each once."""
    return tuple(sorted(dict.fromkeys(findings), key=_order))


def listed(names: Iterable[str], word: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`; of many the first ones and how many more."""
    known = list(dict.fromkeys(names))
    if len(known) > _NAMED + 1:
        known = [*known[:_NAMED], f"{len(known) - _NAMED} more"]
    return known[0] if len(known) == 1 else f"{', '.join(known[:-1])} {word} {known[-1]}" if known else ""


def labels_text(labels: Iterable[tuple[str, str]]) -> str:
    """`app=a, version=v1`."""
    return ", ".join(f"{key}={value}" for key, value in labels)


def older(item: ApiObject, winner: ApiObject) -> str:
    """Why the winner comes first: by age, or by name where both are of one instant."""
    return "older" if winner.created < item.created else "first by name"


def close(name: str, known: Sequence[str]) -> str:
    """A hint with the name that may be meant."""
    found = get_close_matches(name, known, 1)
    return f"did you mean '{found[0]}'?" if found else ""


def close_host(host: str, known: Sequence[str]) -> str:
    """A hint with the host that may be meant: its first label is compared within the same domain, then the domain."""
    label, _, domain = host.partition(".")
    siblings = {name.partition(".")[0]: name for name in known if name.partition(".")[2] == domain}
    near = get_close_matches(label, list(siblings), 1)
    found = siblings[near[0]] if near else next((name for name in known if name.partition(".")[0] == label), "")
    return f"did you mean '{found}'?" if found else ""
