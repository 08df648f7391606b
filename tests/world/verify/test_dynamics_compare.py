"""What counts as equal between a recording and a replay."""

from __future__ import annotations

from meshsim.world.verify.dynamics_compare import compare_counts, compare_exactly, improbable
from meshsim.world.verify.dynamics_recording import Answer, Run


def run(*hosts: int, duration: float = 1.0, stall: float = 0.0) -> Run:
    found = Run(stall=stall)
    for number, host in enumerate(hosts):
        found.answers.append(Answer(200, "", (), 1, duration, host))
        found.reached[number] = [host]
    found.count()
    return found


def paths(recorded: Run, played: Run, rotates: bool | None) -> list[str]:
    return [found.path for found in compare_exactly([recorded], played, rotates)]


def test_hosts_up_to_rotation() -> None:
    assert paths(run(0, 1, 2), run(0, 1, 2), False) == []
    assert paths(run(1, 2, 0), run(0, 1, 2), True) == []
    assert paths(run(1, 2, 0), run(0, 1, 2), None) == []
    assert paths(run(1, 0, 2), run(0, 1, 2), True) == ["requests[1]/hosts", "requests[2]/hosts"]
    assert len(paths(run(1, 2, 0), run(0, 1, 2), False)) == 3


def test_times_within_what_the_machine_adds() -> None:
    assert paths(run(0, duration=12.0), run(0), False) == []
    assert paths(run(0, duration=13.0), run(0), False) == ["requests[0]/duration_ms"]
    assert paths(run(0, duration=20.0, stall=9.0), run(0), False) == []


def test_shares_within_three_deviations() -> None:
    assert not improbable((50, 65), (100, 100))
    assert improbable((50, 75), (100, 100))
    assert not improbable((9, 3), (9, 3))
    assert improbable((20, 10), (20, 20))
    assert not improbable((1, 0), (2, 2))
    assert improbable((0, 0), (2, 0))


def test_what_is_certain_must_be_equal() -> None:
    assert [found.path for found in compare_counts([run(*[0] * 20)], [run(*[1] * 20)])] == ["by_host/0", "by_host/1"]
