"""Plain text in aligned columns, and colour where a terminal shows it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import IO


class Colour(Enum):
    """SGR codes."""

    GREEN = "32"
    RED = "31"
    YELLOW = "33"
    DIM = "2"
    BOLD = "1"


class Style:
    """Colours text, or leaves it as it is."""

    def __init__(self, colours: bool) -> None:
        self.colours = colours

    def __call__(self, text: str, colour: Colour) -> str:
        return f"\x1b[{colour.value}m{text}\x1b[0m" if self.colours and text else text


def style_of(stream: IO[str], environment: Mapping[str, str] | None = None) -> Style:
    """Colours for a terminal, unless `NO_COLOR` is set or it is `dumb`; `FORCE_COLOR` colours anything."""
    env = os.environ if environment is None else environment
    if env.get("NO_COLOR"):
        return Style(False)
    if env.get("FORCE_COLOR"):
        return Style(True)
    return Style(stream.isatty() and env.get("TERM") != "dumb")


def align(rows: Sequence[Sequence[str]], right: Sequence[int] = (), gap: str = "  ", indent: str = "  ") -> list[str]:
    """Lines of rows in columns; the columns in `right` end at one place, the others begin at one."""
    if not rows:
        return []
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append((indent + gap.join(cells)).rstrip())
    return lines
