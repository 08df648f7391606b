"""Columns and istioctl's order."""

from __future__ import annotations

from meshsim.exports.proxy_config_text import aligned, insertion_sorted


def test_every_column_but_the_last_is_padded() -> None:
    assert aligned([["NAME", "PORT"], ["reviews", 80]], 5) == "NAME        PORT\nreviews     80\n"


def test_an_empty_cell_keeps_its_column() -> None:
    assert aligned([["A", "B", "C"], ["", "x", ""]], 1) == "A B C\n  x \n"


def test_equal_items_keep_their_order() -> None:
    assert insertion_sorted(["b2", "a1", "b1"], lambda one, other: one[0] < other[0]) == ["a1", "b2", "b1"]


def test_what_cannot_be_compared_parts_the_list() -> None:
    """Numbers do not pass a name, as istioctl's route names do not."""
    assert insertion_sorted(["9", "x", "2", "1"], lambda a, b: a.isdigit() and b.isdigit() and a < b) == [
        "9",
        "x",
        "1",
        "2",
    ]
