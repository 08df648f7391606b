"""Columns and order as istioctl prints them.

Go's ``text/tabwriter`` with padding only, and ``sort.Slice``, whose order of equal items is part of what is printed
(go 1.25 sort/zsortfunc.go: lists of up to 12 items are sorted by insertion, which keeps equal items in order).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def aligned(rows: Sequence[Sequence[object]], padding: int) -> str:
    """Rows as text: every column but the last as wide as its widest cell and the padding."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) + padding for column in zip(*cells, strict=True)][:-1]
    lines = ("".join(map(str.ljust, row, [*widths, 0])) for row in cells)
    return "".join(f"{line}\n" for line in lines)


def insertion_sorted(items: Sequence[T], less: Callable[[T, T], bool]) -> list[T]:
    """Sorted by insertion: also defined for a relation that is no order, such as istioctl's of route names.

    DEVIATION: Go sorts more than 12 items by another method, which may print equal ones in another order.
    """
    result = list(items)
    for end in range(1, len(result)):
        place = end
        while place and less(result[place], result[place - 1]):
            result[place], result[place - 1] = result[place - 1], result[place]
            place -= 1
    return result
