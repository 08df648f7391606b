"""Timeline entries: one action each, ids that can serve as anchors."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from meshsim.scenario.timeline import VERBS, Place, TimelineEntry
from meshsim.units import SECOND


def entry(**given: object) -> TimelineEntry:
    return TimelineEntry.model_validate({"id": "x", "at": "1m", **given})


def test_one_action_each() -> None:
    assert entry(apply="a.yaml").verb == "apply"
    assert entry(kill={"node": "n1"}, **{"for": "5s"}).for_ == 5 * SECOND
    with pytest.raises(ValidationError, match="needs one of 'apply', 'delete'"):
        entry()
    with pytest.raises(ValidationError, match="not 'apply' and 'kill'"):
        entry(apply="a.yaml", kill={"node": "n"})


def test_every_verb_is_a_field() -> None:
    assert set(VERBS) <= set(TimelineEntry.model_fields)


@pytest.mark.parametrize("name", ["start", "end", "5m", "shift-5s", "a b", "", "x.end", True])
def test_ids_that_would_read_as_something_else(name: object) -> None:
    with pytest.raises(ValidationError):
        entry(id=name, apply="a.yaml")


def test_files_and_inline_objects() -> None:
    inline = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}}
    assert entry(apply=["a.yaml", inline]).apply == ("a.yaml", inline)
    assert entry(apply=inline).apply == (inline,)
    with pytest.raises(ValidationError, match="an inline object needs 'kind'"):
        entry(apply={"apiVersion": "v1"})
    with pytest.raises(ValidationError, match="expected the path"):
        entry(apply=5)


def test_deletions_by_file_or_reference() -> None:
    found = entry(delete=["a.yaml", {"kind": "VirtualService", "name": "r"}]).delete
    assert found is not None
    assert found[0] == "a.yaml"
    with pytest.raises(ValidationError):
        entry(delete={"kind": "VirtualService"})


def test_a_restart_ends_by_itself() -> None:
    with pytest.raises(ValidationError, match="cannot be undone"):
        entry(restart={"deployment": "a"}, **{"for": "5s"})
    with pytest.raises(ValidationError, match="longer than 0s"):
        entry(kill={"node": "n"}, **{"for": "0s"})


@pytest.mark.parametrize(
    ("given", "subject"),
    [
        ({"node": "n1"}, "Node n1"),
        ({"zone": "a"}, "zone a"),
        ({"pod": "p", "namespace": "x"}, "Pod x/p"),
        ({"pods": {"match": {"app": "a"}}}, "pods app=a"),
        ({"deployment": "istiod", "namespace": "istio-system"}, "Deployment istio-system/istiod"),
        ({"statefulset": "db"}, "StatefulSet default/db"),
        ({"namespace": "x"}, "namespace x"),
    ],
)
def test_places(given: dict[str, object], subject: str) -> None:
    assert Place.model_validate(given).subject == subject


@pytest.mark.parametrize("given", [{}, {"node": "a", "zone": "b"}, {"node": "a", "namespace": "x"}, {"pods": {}}])
def test_what_is_no_place(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Place.model_validate(given)


def test_a_link_has_two_ends() -> None:
    ends = [{"node": "a"}, {"node": "b"}]
    found = entry(delay={"between": ends, "latency": "200ms"}).delay
    assert found is not None
    assert found.latency == SECOND // 5
    with pytest.raises(ValidationError):
        entry(partition={"between": ends[:1]})
