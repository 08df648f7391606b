"""Aligned text, and colour only where it is seen."""

from __future__ import annotations

import io

import pytest

from meshsim.reporting.columns import Colour, Style, align, style_of


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_columns_begin_or_end_at_one_place() -> None:
    assert align([["a", "10", "x"], ["bbb", "5", ""]], right=(1,)) == ["  a    10  x", "  bbb   5"]
    assert align([]) == []


@pytest.mark.parametrize(
    ("stream", "environment", "colours"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {}, False),
        (io.StringIO(), {"FORCE_COLOR": "1"}, True),
        (io.StringIO(), {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_colours(stream: io.StringIO, environment: dict[str, str], colours: bool) -> None:
    assert style_of(stream, environment).colours is colours


def test_style() -> None:
    assert Style(True)("x", Colour.RED) == "\x1b[31mx\x1b[0m"
    assert Style(False)("x", Colour.RED) == "x"
