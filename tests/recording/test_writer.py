"""A recording gives back what was written, and is complete or not there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from meshsim.errors import InternalError
from meshsim.recording import TABLES, Coded, open_run
from meshsim.recording.schema import REQUESTS
from meshsim.recording.writer import RunWriter
from meshsim.testing.recordings import ROUTE, Bookshop, write_bookshop
from meshsim.trace import Taps, TimelineMark
from meshsim.units import MILLISECOND, SECOND


def test_every_table_has_the_columns_of_its_schema(tmp_path: Path) -> None:
    run = open_run(write_bookshop(tmp_path))
    for table in TABLES:
        assert getattr(run, table.name)().column_names == table.names


def test_requests_come_back_as_written(tmp_path: Path) -> None:
    run = open_run(write_bookshop(tmp_path, seed=7))
    requests = run.requests()
    assert requests.num_rows == 3 * 60 * 100
    assert set(requests["seed"].to_pylist()) == {7}
    reviews = requests.filter(np.asarray(requests["destination"].to_pylist()) == "reviews").to_pylist()
    before = {row["destination_version"] for row in reviews if row["start"] < 20 * SECOND}
    assert before == {"v1"}
    assert {row["flags"] for row in reviews} == {"", "UT"}


def test_a_negative_code_is_the_empty_name(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path, 1)
    writer.add_requests(_row(pod=Coded(np.array([-1]), ("a",))))
    with pytest.raises(InternalError, match="code 3"):
        writer.add_requests(_row(pod=Coded(np.array([3]), ("a",))))
    writer.close()


def test_a_missing_or_unknown_column_is_refused(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path, 1)
    columns = _row()
    del columns["pod"]
    with pytest.raises(InternalError, match="pod"):
        writer.add_requests(columns)
    with pytest.raises(InternalError, match="colour"):
        writer.add_requests(_row(colour="red"))
    writer.close()


def test_pushes_join_what_was_sent_answered_and_effective(tmp_path: Path) -> None:
    run = open_run(write_bookshop(tmp_path, shop=Bookshop(nacks=1)))
    rows = [row for row in run.pushes().to_pylist() if row["push"] == 1]
    assert len(rows) == 4
    rejected = [row for row in rows if not row["accepted"]]
    assert [row["reason"] for row in rejected] == ["unknown cluster"]
    assert rejected[0]["effective"] == -1
    accepted = [row for row in rows if row["accepted"]]
    assert accepted[-1]["effective"] == 20 * SECOND + 600 * MILLISECOND
    assert accepted[0]["changes"] == [1]
    assert accepted[0]["debounced"] - accepted[0]["first_change"] == 100 * MILLISECOND


def test_configuration_is_kept_once_and_read_at_an_instant(tmp_path: Path) -> None:
    run = open_run(write_bookshop(tmp_path))
    proxy = run.configured_proxies()[0]
    assert [(e.type_url, e.name, e.body) for e in run.config(proxy, 10 * SECOND)] == [(ROUTE, "9080", b"first")]
    assert [e.body for e in run.config(proxy)] == [b"second"]


def test_taps_are_recorded(tmp_path: Path) -> None:
    folder = write_bookshop(tmp_path)
    manifest = open_run(folder).manifest
    (tmp_path / "again").mkdir()
    writer = RunWriter(tmp_path / "again", 1)
    taps = Taps()
    writer.listen(taps)
    taps.timeline(TimelineMark(5, "shift", "apply", True, "apply x"))
    writer.finish(manifest)
    assert open_run(tmp_path / "again").timeline().to_pylist() == [
        {"time": 5, "id": "shift", "action": "apply", "begins": True, "detail": "apply x", "seed": 1}
    ]


def _row(**changes: object) -> dict[str, object]:
    columns: dict[str, object] = {}
    for column in REQUESTS.columns:
        if column.name != "seed":
            columns[column.name] = np.zeros(1, np.int64) if column.kind.value != "name" else "x"
    return {**columns, **changes}
