"""Parts of documents are replaced in copies."""

from __future__ import annotations

from meshsim.api import make_object
from meshsim.kube.documents import (
    Owner,
    controller_of,
    is_terminating,
    mapping,
    owner_reference,
    rfc3339,
    uid_of,
    with_metadata,
    with_spec,
    with_status,
)
from meshsim.units import SECOND

ITEM = make_object(
    {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": "r", "namespace": "n", "uid": "u"},
        "spec": {"a": 1},
    }
)


def test_copies_leave_the_original() -> None:
    changed = with_status(with_spec(with_metadata(ITEM, {"labels": {"x": "y"}}), {"b": 2}), {"c": 3})
    assert changed.labels == {"x": "y"}
    assert changed.spec.body == {"a": 1, "b": 2}
    assert changed.status.body == {"c": 3}
    assert ITEM.labels == {}
    assert ITEM.spec.body == {"a": 1}


def test_owners() -> None:
    reference = owner_reference(ITEM)
    pod = make_object({"kind": "Pod", "metadata": {"name": "p", "ownerReferences": [{"kind": "X"}, reference]}})
    assert controller_of(pod) == Owner("ReplicaSet", "r")
    assert controller_of(ITEM) is None
    assert uid_of(ITEM) == reference["uid"] == "u"


def test_times_and_marks() -> None:
    assert rfc3339(1_767_225_600 * SECOND + 999) == "2026-01-01T00:00:00Z"
    assert not is_terminating(ITEM)
    assert is_terminating(with_metadata(ITEM, {"deletionTimestamp": "2026-01-01T00:00:00Z"}))
    assert mapping(None) == mapping("text") == {}
