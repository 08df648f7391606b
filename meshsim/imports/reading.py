"""A YAML document of another tool, read key by key, each complaint with the line it is about."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar

from meshsim.api import Origin, locate, locate_value, parse_documents, read_text
from meshsim.errors import Finding, InputError, InputErrors, Position, Severity

T = TypeVar("T")


@dataclass(slots=True)
class Complaints:
    """Errors and findings about one document, collected so that all of them are said at once."""

    origin: Origin
    errors: list[InputError] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def wrong(self, path: str, message: str, hint: str = "") -> None:
        """Something that cannot be imported."""
        self.errors.append(InputError(message, locate_value(self.origin, path), hint, path))

    def warn(self, path: str, message: str, hint: str = "") -> None:
        """Something that is imported as something else, or not at all."""
        self.findings.append(Finding("MSH0301", Severity.WARNING, message, locate(self.origin, path), hint, path))

    def unknown_keys(self, path: str, value: Mapping[str, object], known: Sequence[str]) -> None:
        """A warning for each key that the format does not have."""
        for key in value:
            if key not in known:
                close = get_close_matches(key, known, 1)
                hint = f"did you mean '{close[0]}'?" if close else ""
                self.warn(f"{path}.{key}" if path else key, f"unknown key '{key}', it is left out", hint)

    def parsed(self, path: str, value: object, parse: Callable[[object], T], otherwise: T) -> T:
        """What a parser makes of a value; its `InputError` is collected with the value's place."""
        try:
            return parse(value)
        except InputError as error:
            self.wrong(path, error.message, error.hint)
            return otherwise

    def done(self) -> tuple[Finding, ...]:
        """The findings; raises `InputErrors` if there are errors."""
        if self.errors:
            raise InputErrors(tuple(self.errors))
        return tuple(self.findings)


def read_document(path: Path, what: str) -> tuple[Mapping[str, object], Origin]:
    """The one mapping of a YAML or JSON file; raises `InputErrors`."""
    try:
        read = parse_documents(read_text(path), str(path))
    except InputError as error:
        raise InputErrors((error,)) from None
    if read.errors:
        raise InputErrors(read.errors)
    if len(read.documents) != 1:
        count = "several documents" if read.documents else "nothing in it"
        raise InputErrors((InputError(f"{what} is one YAML document, this file has {count}", Position(str(path))),))
    value, origin = read.documents[0]
    if not isinstance(value, Mapping):
        raise InputErrors((InputError(f"{what} is a mapping, this is not", locate(origin)),))
    return value, origin
