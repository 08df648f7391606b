"""A recorded sequence on the simulated clock."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from meshsim.api import make_object
from meshsim.errors import InputError
from meshsim.world.verify.push_recording import RecordedPushes, RecordedStep, read_pushes
from meshsim.world.verify.push_replay import Replay

WORLD = "se-workloadentry"
CONNECT = RecordedStep("connect", (), (), {}, None)


def _seen(folder: Path, *steps: RecordedStep, connected: tuple[str, ...] = ("vm/client-0",)) -> list[Any]:
    return list(Replay(folder, WORLD, RecordedPushes(connected, (CONNECT, *steps))).run())


def _wasm(name: str) -> RecordedStep:
    body = {
        "apiVersion": "extensions.istio.io/v1alpha1",
        "kind": "WasmPlugin",
        "metadata": {"name": "x", "namespace": "vm"},
        "spec": {"url": "file:///x.wasm"},
    }
    return replace(CONNECT, name=name, applied=(make_object(body),))


def test_the_first_step_is_the_connection(recorded_push: Path) -> None:
    (seen,) = _seen(recorded_push)
    assert [(event.type, event.asks) for event in seen["vm/client-0"]] == [
        ("CDS", False),
        ("EDS", True),
        ("LDS", False),
        ("RDS", True),
        ("NDS", False),
        ("EDS", False),
        ("RDS", False),
    ]


def test_a_pod_without_a_recorded_node_is_a_sidecar(recorded_push: Path) -> None:
    """Also where its only container is the proxy."""
    (seen,) = _seen(recorded_push, connected=("vm/ratings-1",))
    sent = next(event for event in seen["vm/ratings-1"] if event.type == "LDS")
    assert "virtualInbound" in sent.names["sent"]


def test_a_pod_that_is_not_there_cannot_connect(recorded_push: Path) -> None:
    with pytest.raises(InputError, match="the recording connects vm/nobody, of which the world has no pod"):
        _seen(recorded_push, connected=("vm/nobody",))


def test_each_write_has_a_version_of_its_own(recorded_push: Path) -> None:
    """The version of a WasmPlugin stands in its configuration, so it changes when the object is written again."""
    _, first, second = _seen(recorded_push, _wasm("create"), _wasm("same"))
    assert [event.type for event in first["vm/client-0"]] == ["LDS", "ECDS", "ECDS"]
    again = second["vm/client-0"][-1]
    assert (again.type, len(again.names["changed"])) == ("ECDS", 1)


def test_deleting_what_is_not_there_is_silent(recorded_push: Path) -> None:
    gone = replace(CONNECT, name="delete", applied=(), deleted=_wasm("x").applied)
    assert _seen(recorded_push, gone)[1] == {"vm/client-0": ()}


def test_equal_replays_see_the_same(recorded_push: Path) -> None:
    recorded = read_pushes(recorded_push, WORLD)
    one, two = (list(Replay(recorded_push, WORLD, recorded).run()) for _ in range(2))
    assert one == two
