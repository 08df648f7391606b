"""Errors and findings as a person reads them: place, message, the line of the file, a caret under what is wrong."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from meshsim.errors import Finding, InputErrors, MeshsimError, Position, Severity
from meshsim.reporting.columns import Colour, Style

_WIDTH: Final = 100
"""Longer source lines are cut around the caret."""


class Diagnostics:
    """Prints errors; reads each file once."""

    def __init__(self, style: Style) -> None:
        self._style = style
        self._lines: dict[str, list[str]] = {}

    def error(self, error: MeshsimError) -> list[str]:
        """The lines of an error; of several errors one block each."""
        if isinstance(error, InputErrors):
            return [line for one in error.errors for line in self.error(one)]
        where = f"{error.position}: " if error.position else ""
        hint = f" ({error.hint})" if error.hint else ""
        subject = f"  [{error.subject}]" if error.subject else ""
        word = self._style("error", Colour.RED)
        return [
            f"{where}{word}: {error.message}{hint}{self._style(subject, Colour.DIM)}",
            *self.excerpt(error.position),
        ]

    def finding(self, finding: Finding) -> list[str]:
        """The lines of a finding."""
        where = f"{finding.position}: " if finding.position else ""
        hint = f" ({finding.hint})" if finding.hint else ""
        subject = f"  [{finding.code}{' ' if finding.subject else ''}{finding.subject}]"
        colour = {Severity.ERROR: Colour.RED, Severity.WARNING: Colour.YELLOW, Severity.INFO: Colour.DIM}
        word = self._style(finding.severity.value, colour[finding.severity])
        return [f"{where}{word}: {finding.message}{hint}{self._style(subject, Colour.DIM)}"]

    def findings(self, findings: Iterable[Finding]) -> list[str]:
        """The lines of several findings."""
        return [line for finding in findings for line in self.finding(finding)]

    def excerpt(self, position: Position | None) -> list[str]:
        """The line of the file at a position and a caret below it; nothing where it cannot be shown."""
        if position is None or not position.line or not position.column:
            return []
        lines = self._read(position.file)
        if position.line > len(lines):
            return []
        text = lines[position.line - 1].rstrip()
        column = min(position.column, len(text) + 1)
        cut = max(0, column - _WIDTH + 20)
        shown = text[cut : cut + _WIDTH].replace("\t", " ")
        number = f"{position.line:6d} | "
        caret = " " * (len(number) - 2) + "| " + " " * (column - 1 - cut) + self._style("^", Colour.RED)
        return [self._style(number, Colour.DIM) + shown, caret]

    def _read(self, file: str) -> list[str]:
        if file not in self._lines:
            try:
                self._lines[file] = Path(file).read_text(encoding="utf-8-sig").split("\n")
            except (OSError, UnicodeDecodeError, ValueError):
                self._lines[file] = []
        return self._lines[file]


def each_error(error: MeshsimError) -> tuple[MeshsimError, ...]:
    """The errors an exception stands for."""
    return error.errors if isinstance(error, InputErrors) else (error,)
