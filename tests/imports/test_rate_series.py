"""Series of rates in the forms that tools write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from meshsim.errors import InputErrors
from meshsim.imports.rate_series import read_rate_series
from meshsim.units import MINUTE, SECOND

File = Callable[[str, str], Path]


@pytest.mark.parametrize(
    "text",
    [
        "0.5,10\n1.5,20.5\n2.5,0\n",
        "time;rate\n0;10\n1;20.5\n2;0\n",
        "# of a run\ntimestamp\trequests\n1700000000\t10\n1700000001\t20.5\n1700000002\t0\n",
        "rate,pods,time\n10,1,2024-03-01T12:00:00\n20.5,1,2024-03-01T12:00:01\n0,1,2024-03-01T12:00:02\n",
    ],
)
def test_forms(file: File, text: str) -> None:
    found = read_rate_series(file("it.csv", text), None, SECOND)
    assert (found.every, found.rates, found.findings) == (SECOND, (10.0, 20.5, 0.0), ())


def test_numbers_may_be_counts_of_an_interval(file: File) -> None:
    found = read_rate_series(file("it.csv", "0,120\n60,30\n"), None, None)
    assert (found.every, found.rates) == (MINUTE, (2.0, 0.5))
    assert read_rate_series(file("it.csv", "0,120\n60,30\n"), None, MINUTE).rates == (2.0, 0.5)


def test_one_column_needs_the_interval(file: File) -> None:
    path = file("it.csv", "rate\n3\n4\n")
    assert read_rate_series(path, 10 * SECOND, SECOND).rates == (3.0, 4.0)
    with pytest.raises(InputErrors, match="the length of the intervals is not known"):
        read_rate_series(path, None, SECOND)


def test_negative_rates_are_nothing_and_said(file: File) -> None:
    found = read_rate_series(file("it.csv", "0.5,3\n1.5,-2.5\n"), None, SECOND)
    assert found.rates == (3.0, 0.0)
    (finding,) = found.findings
    assert str(finding).endswith("it.csv:2:5: warning: 1 of 2 rates are negative and count as 0")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty"),
        ("time,rate\n", "no numbers, only the names of its columns"),
        ("0.5,3\n1.5,many\n", "it.csv:2:5: error: expected a rate, got 'many'"),
        ("0.5,3\nlater,3\n", "it.csv:2:1: error: expected a time in seconds or a date, got 'later'"),
        ("0.5,3\n1.5,3\n3.5,3\n", "it.csv:3:1: error: the times are not evenly apart: 2s here, 1s at first"),
        ("2,3\n1,3\n", "it.csv:2:1: error: the times are not evenly apart"),
        ("a,b,c\n1,2,3\n", "no column looks like rates (name it rate; its columns are a, b, c)"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(file: File, text: str, said: str) -> None:
    with pytest.raises(InputErrors) as caught:
        read_rate_series(file("it.csv", text), None, SECOND)
    assert said in str(caught.value)


@pytest.mark.needs_shared
@pytest.mark.parametrize(
    ("name", "intervals", "first", "last"),
    [
        ("teastore/increasingHighIntensity.csv", 120, 16.66666667, 2000.0),
        ("teastore/increasingLowIntensity.csv", 120, 0.4166666666666667, 99.58333333333333),
        ("misim-evaluation/Scenario1ArrivalRates.csv", 190, 23.350636699695627, 11.161532306),
        ("misim-evaluation/ResponseTimeEvaluationSimArrivalRates.csv", 240, 1.6666666666666667, None),
    ],
)
def test_published_series(name: str, intervals: int, first: float, last: float | None, shared: Path) -> None:
    found = read_rate_series(shared / "data" / name, None, SECOND)
    assert (found.every, len(found.rates), found.rates[0]) == (SECOND, intervals, first)
    assert last is None or found.rates[-1] == pytest.approx(last, rel=1e-4)
