"""Every call of the recorded worlds, and sets of outcomes with planted differences."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from meshsim.errors import InputError
from meshsim.world.verify.envoy_calls import KIND, tail, verify_world
from meshsim.world.verify.folder import recorded_names
from meshsim.world.verify.outcome import Counts

DRAWN = "vs-direct-mirror-fault"
Plant = Callable[[str, Callable[[Any], None]], Path]


@pytest.mark.parametrize(("name", "calls"), [("gw-tls-modes", 11), (DRAWN, 10)])
def test_worlds_beside_the_tests(recorded: Path, name: str, calls: int) -> None:
    outcome = verify_world(recorded, name, [])
    assert outcome.differences == []
    assert outcome.total() == Counts(calls, 0, 0)


@pytest.mark.needs_shared
def test_every_recorded_call_of_a_real_envoy(oracle: Path) -> None:
    """Listener, chain, route, cluster, flags, details, TLS, answer, what reached the upstream; sets of outcomes."""
    total, wrong = Counts(), []
    for name in recorded_names(oracle, KIND):
        outcome = verify_world(oracle, name, [])
        total.add(outcome.total())
        wrong += outcome.differences
    assert wrong == []
    assert total == Counts(815, 0, 0)


def _outcomes(body: Any, name: str) -> list[Any]:
    (found,) = [c["outcomes"] for c in body["calls"] if c["name"] == name]
    return found


def _forget_second(body: Any) -> None:
    del _outcomes(body, "05-outbound-http-app-80")[1]


def _rare(body: Any) -> None:
    first, second = _outcomes(body, "05-outbound-http-app-80")
    first["count"], second["count"] = 39, 1


def _another(body: Any) -> None:
    first = _outcomes(body, "04-outbound-http-app-80")[0]
    first["envoy"]["cluster"] = "outbound|80||other"


@pytest.mark.parametrize(("change", "path"), [(_forget_second, "share/"), (_rare, "share/"), (_another, "cluster")])
def test_sets_that_differ(planted: Plant, change: Callable[[Any], None], path: str) -> None:
    outcome = verify_world(planted(f"{KIND}/{DRAWN}", change), DRAWN, [])
    assert outcome.total() == Counts(9, 1, 0)
    assert any(d.path.startswith(path) for d in outcome.differences)


def test_what_was_not_run_is_not_compared(planted: Plant) -> None:
    def change(body: Any) -> None:
        body["calls"][0] = {"name": body["calls"][0]["name"], "proxy": "fl/client-0", "not_run": "no route"}

    assert verify_world(planted(f"{KIND}/{DRAWN}", change), DRAWN, []).total() == Counts(9, 0, 0)


def test_a_refusal_on_one_side_is_a_difference(planted: Plant) -> None:
    def change(body: Any) -> None:
        body["proxies"][0]["rejected"] = ["outbound|80||a: no reason"]

    (found,) = verify_world(planted(f"{KIND}/{DRAWN}", change), DRAWN, []).differences
    assert (found.proxy, found.type, found.path) == ("fl/client-0", "configuration", "rejected")


def test_a_call_that_the_world_does_not_have(planted: Plant) -> None:
    def change(body: Any) -> None:
        body["calls"][0]["name"] = "nobody"

    with pytest.raises(InputError, match="no call 'nobody'"):
        verify_world(planted(f"{KIND}/{DRAWN}", change), DRAWN, [])


def test_a_recording_of_another_layout(planted: Plant) -> None:
    folder = planted(f"{KIND}/{DRAWN}", lambda body: None)
    (folder / KIND / f"{DRAWN}.json").write_text("[]")
    with pytest.raises(InputError, match="JSON object"):
        verify_world(folder, DRAWN, [])


def test_the_tail_of_a_binomial() -> None:
    assert tail(40, 40, 1.0) == 1.0
    assert tail(0, 2, 0.5) == 0.25
    assert tail(2, 2, 0.5) == 0.25
    assert tail(39, 40, 1.0) == 0.0
