"""One document body to one object."""

from __future__ import annotations

import pytest

from meshsim.api import make_object, parse_timestamp
from meshsim.units import SECOND


def test_identity_and_metadata() -> None:
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "web",
            "labels": {"app": "web"},
            "annotations": {"a": "b"},
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
    }
    item = make_object(body)
    assert (item.group, item.kind, item.namespace, item.name) == ("apps", "Deployment", "default", "web")
    assert (item.labels, item.annotations) == ({"app": "web"}, {"a": "b"})
    assert item.created == 1_767_225_600 * SECOND
    assert item.body is body


def test_namespaces() -> None:
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}}
    assert make_object(body, default_namespace="shop").namespace == "shop"
    assert make_object({**body, "metadata": {"name": "a", "namespace": "b"}}).namespace == "b"
    for kind in ("Namespace", "Node", "GatewayClass", "ClusterRole"):
        assert make_object({**body, "kind": kind}).namespace == ""


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1970-01-01T00:00:01Z", SECOND),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-02T00:00:00", 86_400 * SECOND),
        (None, 0),
        ("yesterday", 0),
        (5, 0),
    ],
)
def test_timestamps(value: object, expected: int) -> None:
    assert parse_timestamp(value) == expected
