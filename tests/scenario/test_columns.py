"""Numbers from CSV files: rates and instants, and what is wrong in a file at its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshsim.units import MILLISECOND, SECOND

from .conftest import Complain, Load

_TRAFFIC = """traffic:
  - name: t
    through: gateway
    request: {host: cart}
"""


def _series(more: str) -> str:
    return f"{_TRAFFIC}    series: {{every: 10s, file: load.csv{more}}}\n"


def _replay(more: str) -> str:
    return f"{_TRAFFIC}    replay: {{file: load.csv{more}}}\n"


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("50\n0\n25.5\n", ""),
        ("# recorded\n\n50\n0\n25.5\n", ""),
        ("count\n50\n0\n25.5\n", ""),
        ("time,count\n0.5,50\n1.5,0\n2.5,25.5\n", ", column: count"),
        ("0.5,50\n1.5,0\n2.5,25.5\n", ", column: 2"),
        ("time;count\n0,5;50\n1,5;0\n2,5;25.5\n", ", column: count"),
        ("time\tcount\n0.5\t50\n1.5\t0\n2.5\t25.5\n", ", column: 2"),
    ],
)
def test_rates_of_a_file(load: Load, tmp_path: Path, text: str, more: str) -> None:
    (tmp_path / "load.csv").write_text(text)
    series = load(_series(more)).scenario.traffic[0].series
    assert series is not None
    assert series.rates == (5.0, 0.0, 2.55)
    series = load(_series(f"{more}, per: 1s")).scenario.traffic[0].series
    assert series is not None
    assert series.rates == (50.0, 0.0, 25.5)


def test_instants_of_a_file(load: Load, tmp_path: Path) -> None:
    (tmp_path / "load.csv").write_text("1000.5\n1000.25\n1002\n")
    replay = load(_replay("")).scenario.traffic[0].replay
    assert replay is not None
    assert replay.at == (1000 * SECOND + 250 * MILLISECOND, 1000 * SECOND + 500 * MILLISECOND, 1002 * SECOND)
    replay = load(_replay(", countFrom: first, unit: 1ms")).scenario.traffic[0].replay
    assert replay is not None
    assert replay.at == (0, MILLISECOND // 4, 1_750_000)


def test_the_scenario_is_another_one_with_other_numbers(load: Load, tmp_path: Path) -> None:
    (tmp_path / "load.csv").write_text("1\n2\n")
    before = load(_series("")).digest()
    assert load(_series("")).digest() == before
    (tmp_path / "load.csv").write_text("1\n3\n")
    assert load(_series("")).digest() != before


@pytest.mark.parametrize(
    ("text", "more", "message", "hint", "place"),
    [
        ("1\nx\n", "", "expected a number, got 'x'", "", (2, 1)),
        ("t,num\n0,1\n1,-3\n", ", column: num", "'-3' is negative", "", (3, 3)),
        ("t,num\n0,1\n1\n", ", column: num", "column 2 has no number in this line", "", (3, 3)),
        ("1\ninf\n", "", "expected a number, got 'inf'", "", (2, 1)),
        ("1\n2e9\n", "", "'2e9' is more than 1e+09", "", (2, 1)),
        ("", "", "the file is empty, a line for each number is needed", "", (1, 1)),
        ("count\n", "", "the file has no numbers, only the names of its columns", "", (1, 1)),
        ("t,num\n0,1\n", "", "'load.csv' has 2 columns", "name one in 'column': t, num", None),
        ("t,num\n0,1\n", ", column: other", "'load.csv' has no column 'other'", "its columns are t, num", None),
        ("time,rate\n0,1\n", ", column: rates", "'load.csv' has no column 'rates'", "did you mean 'rate'?", None),
        ("0,1\n", ", column: 3", "'load.csv' has no column 3", "its columns are 1 to 2", None),
    ],
)
def test_what_is_wrong_in_a_file(
    complain: Complain,
    tmp_path: Path,
    first_line: int,
    text: str,
    more: str,
    message: str,
    hint: str,
    place: tuple[int, int] | None,
) -> None:
    (tmp_path / "load.csv").write_text(text)
    (error,) = complain(_series(more))
    assert (error.message, error.hint) == (message, hint)
    assert error.position is not None
    if place is None:
        assert (error.position.file, error.position.line) == ("shop.yaml", first_line + 4)
    else:
        assert Path(error.position.file).name == "load.csv"
        assert (error.position.line, error.position.column) == place


def test_a_file_that_is_not_there(complain: Complain, first_line: int) -> None:
    (error,) = complain(_replay(""))
    assert "there is no file" in error.message
    assert error.position is not None
    assert (error.position.file, error.position.line) == ("shop.yaml", first_line + 4)
