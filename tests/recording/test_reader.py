"""Recordings are found by folder, latest first, and refused with a reason when they are none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from meshsim.errors import InputError
from meshsim.recording import begin_recording, open_run
from meshsim.testing.recordings import write_bookshop


def test_a_recording_appears_only_when_it_is_committed(tmp_path: Path) -> None:
    pending = begin_recording(tmp_path, "bookshop")
    write_bookshop(pending.folder)
    with pytest.raises(InputError, match="not a recording"):
        open_run(tmp_path / "bookshop")
    done = pending.commit()
    assert done == tmp_path / "bookshop" / "0001"
    assert open_run(tmp_path / "bookshop").folder.name == "0001"
    assert open_run(tmp_path / "bookshop" / "latest").manifest.scenario == "bookshop"


def test_numbers_go_up_and_are_never_taken_twice(tmp_path: Path) -> None:
    first = begin_recording(tmp_path, "bookshop")
    second = begin_recording(tmp_path, "bookshop")
    assert (first.number, second.number) == ("0001", "0002")
    write_bookshop(second.folder)
    second.commit()
    first.abandon()
    assert begin_recording(tmp_path, "bookshop").number == "0003"


def test_several_replications_read_as_one(tmp_path: Path) -> None:
    pending = begin_recording(tmp_path, "bookshop")
    for seed in (1, 2):
        write_bookshop(pending.seed_folder(seed, 2), seed)
    first = open_run(pending.folder / "seed-1").manifest
    replace(first, seeds=(1, 2)).write(pending.folder)
    run = open_run(pending.commit())
    requests = run.requests(["seed", "destination"])
    assert sorted(set(requests["seed"].to_pylist())) == [1, 2]
    assert requests.num_rows == 2 * 18_000
    assert [part.manifest.seeds for part in run.parts] == [(1,), (2,)]


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "not a recording"), ("{", "cannot be read"), ("[]", "not the manifest"), ('{"schema": 99}', "version 99")],
)
def test_what_is_no_recording_says_so(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(InputError, match=message):
        open_run(tmp_path)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        open_run(tmp_path / "nothing")


def test_a_recording_with_a_lost_replication_is_incomplete(tmp_path: Path) -> None:
    first = open_run(write_bookshop(tmp_path)).manifest
    replace(first, seeds=(1, 2)).write(tmp_path)
    with pytest.raises(InputError, match="incomplete"):
        open_run(tmp_path)


def test_what_is_made_of_a_run_is_made_once_and_outlives_its_move(tmp_path: Path) -> None:
    pending = begin_recording(tmp_path, "bookshop")
    write_bookshop(pending.folder)
    run = open_run(pending.folder)
    made = [run.once("rows", lambda seen: [seen.requests().num_rows]) for _ in range(2)]
    assert made[0] is made[1]
    run.moved(pending.commit())
    assert run.folder == tmp_path / "bookshop" / "0001"
    assert run.timeline().num_rows == 3


@pytest.mark.parametrize("left", [0.0, 0.5, 0.999])
def test_a_file_that_was_not_finished_is_refused(tmp_path: Path, left: float) -> None:
    file = write_bookshop(tmp_path) / "requests.parquet"
    content = file.read_bytes()
    file.write_bytes(content[: int(left * len(content))])
    with pytest.raises(InputError, match="cannot be read"):
        open_run(tmp_path).requests()
