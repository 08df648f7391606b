"""Reading recordings of pushes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from meshsim.errors import InputError
from meshsim.world.verify.push_recording import Event, read_pushes, recorded_worlds

WORLD = "se-workloadentry"


def test_a_recording_is_read_as_steps(recorded_push: Path) -> None:
    assert recorded_worlds(recorded_push) == [WORLD]
    recorded = read_pushes(recorded_push, WORLD)
    assert recorded.connected == ("vm/client-0", "vm/ratings-0", "vm/ratings-1")
    connect, create = recorded.steps[:2]
    assert (connect.name, connect.applied, connect.deleted) == ("connect", (), ())
    assert [(event.type, event.asks) for event in connect.seen["vm/client-0"]][:2] == [("CDS", False), ("EDS", True)]
    assert [(item.kind, item.name) for item in create.applied] == [("VirtualService", "zz-new")]
    assert create.seen_again is None
    unstable = next(step for step in recorded.steps if step.name == "pod-label-back")
    assert unstable.seen_again is not None


def test_names_are_sorted_and_absent_lists_empty(tmp_path: Path) -> None:
    events = [{"type": "CDS", "sent": ["b", "a"]}, {"type": "EDS", "subscribe": ["x"], "unsubscribe": None}]
    _write(tmp_path, {"connected": ["a/b"], "steps": [{"name": "s", "proxies": {"a/b": events}}]})
    sent, asked = read_pushes(tmp_path, "w").steps[0].seen["a/b"]
    assert sent == Event("CDS", False, {"sent": ("a", "b"), "changed": (), "added": (), "removed": ()})
    assert asked == Event("EDS", True, {"subscribe": ("x",), "unsubscribe": ()})


def test_recordings_without_a_world_are_left_out(tmp_path: Path) -> None:
    _write(tmp_path, {})
    assert recorded_worlds(tmp_path) == [], "costs and the like stand beside the recordings"


@pytest.mark.parametrize("body", [[], {}, {"steps": {}}])
def test_another_layout_is_refused(tmp_path: Path, body: object) -> None:
    _write(tmp_path, body)
    with pytest.raises(InputError, match="'connected' and 'steps'"):
        read_pushes(tmp_path, "w")


def _write(folder: Path, body: object) -> None:
    (folder / "push").mkdir()
    (folder / "push" / "w.json").write_text(json.dumps(body))
