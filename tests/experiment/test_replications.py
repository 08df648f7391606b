"""Side by side or one after the other: the same recording."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from meshsim.errors import LimitError
from meshsim.experiment.replications import default_workers, merged, process_pool, run_replications
from meshsim.recording import Run, begin_recording
from meshsim.scenario import LoadedScenario
from meshsim.testing.runners import bookshop_runner, failing_runner


def record(loaded: LoadedScenario, folder: Path, executor: object = None) -> Run:
    pending = begin_recording(folder, loaded.name)
    run_replications(loaded, (1, 2, 3), pending, executor=executor, runner=bookshop_runner)  # type: ignore[arg-type]
    return Run(pending.commit())


def test_processes_give_what_a_sequence_gives(loaded: LoadedScenario, tmp_path: Path) -> None:
    one = record(loaded, tmp_path / "one")
    with process_pool(2) as pool:
        other = record(loaded, tmp_path / "other", pool)
    assert one.manifest.digest == other.manifest.digest
    assert one.manifest.seeds == other.manifest.seeds == (1, 2, 3)
    for name in ("requests", "pushes", "series", "timeline", "proxies"):
        assert getattr(one, name)().to_pylist() == getattr(other, name)().to_pylist()


def test_any_executor_will_do(loaded: LoadedScenario, tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        run = record(loaded, tmp_path, pool)
    assert run.manifest.requests == 3 * 18_000


def test_the_first_failure_ends_it(loaded: LoadedScenario, tmp_path: Path) -> None:
    pending = begin_recording(tmp_path, loaded.name)
    with process_pool(1) as pool, pytest.raises(LimitError, match="too many"):
        run_replications(loaded, (2, 3, 4, 5), pending, executor=pool, runner=failing_runner)


def test_the_digest_of_several_depends_on_each(loaded: LoadedScenario, tmp_path: Path) -> None:
    parts = [part.manifest for part in record(loaded, tmp_path).parts]
    whole = merged(parts, "again")
    changed = merged([*parts[:2], replace(parts[2], digest="0")], "again")
    assert whole.digest != changed.digest
    assert whole.command == "again"


def test_no_more_processes_than_tasks() -> None:
    assert default_workers(1) == 1
    assert default_workers(1000) >= 1
