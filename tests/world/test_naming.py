"""Names of numbers are asked for once, and the codes of many numbers are as narrow as may be."""

from __future__ import annotations

import numpy as np

from meshsim.recording import Coded
from meshsim.world.naming import Moments, NumberedNames


def texts(data: Coded | str, rows: int) -> list[str]:
    return [data] * rows if isinstance(data, str) else [data.names[code] for code in data.codes.tolist()]


def test_each_number_is_asked_for_once() -> None:
    asked: list[int] = []

    def names_of(number: int) -> list[str]:
        asked.append(number)
        return [f"app-{number % 2}", f"pod-{number}"]

    named = NumberedNames(["app", "pod"], names_of)
    for numbers in ([3, 1, 3], [1, 900, 0], [3, 3, 3]):
        found = named.columns(np.array(numbers, np.int32))
        assert texts(found["app"], 3) == [f"app-{number % 2}" for number in numbers]
        assert texts(found["pod"], 3) == [f"pod-{number}" for number in numbers]
    assert asked == [1, 3, 0, 900]
    assert list(named.names("app")) == ["app-1", "app-0"]


def test_one_name_for_all_is_that_name_until_there_is_another() -> None:
    named = NumberedNames(["zone"], lambda number: ["west" if number < 5 else "east"])
    assert named.columns(np.arange(5))["zone"] == "west"
    assert texts(named.columns(np.arange(3, 7))["zone"], 4) == ["west", "west", "east", "east"]


def test_codes_grow_with_the_names() -> None:
    named = NumberedNames(["pod"], lambda number: [f"pod-{number}"])
    for count, width in ((256, 1), (257, 2), (65_536, 2), (65_537, 4)):
        found = named.columns(np.arange(count))["pod"]
        assert isinstance(found, Coded)
        assert found.codes.itemsize == width
        assert texts(found, count) == [f"pod-{number}" for number in range(count)]


def test_what_held_when() -> None:
    moments: Moments[str] = Moments()
    moments.note(2, 0, "a")
    assert moments.turns(np.array([2, 9]), np.array([50, 50])).tolist() == [0, 0]
    moments.note(2, 10, "a")
    moments.note(2, 20, "b")
    moments.note(5, 0, "x")
    numbers, times = np.array([2, 2, 2, 5, 900]), np.array([0, 19, 20, 99, 99])
    assert moments.turns(numbers, times).tolist() == [0, 0, 1, 0, 0]
    moments.note(5, 40, "y")
    moments.note(2, 60, "a")
    assert moments.of(2) == ["a", "b", "a"]
    assert moments.turns(numbers, times).tolist() == [0, 0, 1, 1, 0]
    assert moments.turns(np.array([2, 2]), np.array([59, 60])).tolist() == [1, 2]
    assert moments.of(7) == []
