from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from meshsim.api import Fields
from meshsim.controlplane.conversion.inputs import by_age, duration_text, make_config, selector_matches
from meshsim.units import MICROSECOND, MILLISECOND, SECOND

TEXT = """
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: a}}
---
apiVersion: v1
kind: Namespace
metadata: {name: other, labels: {team: b}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
---
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: g, namespace: shop}
spec:
  from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: other}]
  to: [{group: '', kind: Service, name: web}, {group: '', kind: Secret}]
"""


def test_grants(inputs: Callable[[str], Any]) -> None:
    made = inputs(TEXT)
    assert made.allowed("HTTPRoute", "other", "Service", "shop", "web")
    assert made.allowed("HTTPRoute", "other", "Secret", "shop", "any")
    assert not made.allowed("HTTPRoute", "other", "Service", "shop", "db")
    assert not made.allowed("GRPCRoute", "other", "Service", "shop", "web")
    assert not made.allowed("HTTPRoute", "third", "Service", "shop", "web")
    assert not made.allowed("HTTPRoute", "other", "Service", "other", "web")


def test_looking_up(inputs: Callable[[str], Any]) -> None:
    made = inputs(TEXT)
    assert made.find("Service", "shop", "web") is not None
    assert made.find("Service", "other", "web") is None
    assert made.find("Service", "shop", "web", "example.com") is None


def test_namespaces_by_label_and_name(inputs: Callable[[str], Any]) -> None:
    made = inputs(TEXT)
    assert made.namespaces_matching(Fields({"matchLabels": {"team": "a"}})) == ["shop"]
    assert made.namespaces_matching(Fields({})) == ["other", "shop"]
    assert made.namespace_matches("other", Fields({"matchLabels": {"kubernetes.io/metadata.name": "other"}}))
    assert not made.namespace_matches("none", Fields({}))


@pytest.mark.parametrize(
    ("operator", "values", "labels", "holds"),
    [
        ("Exists", [], {"a": "1"}, True),
        ("Exists", [], {}, False),
        ("DoesNotExist", [], {}, True),
        ("In", ["1", "2"], {"a": "2"}, True),
        ("In", ["1"], {}, False),
        ("NotIn", ["1"], {"a": "1"}, False),
        # A label that is not there is not in any list.
        ("NotIn", ["1"], {}, True),
    ],
)
def test_selector_requirements(operator: str, values: list[str], labels: dict[str, str], holds: bool) -> None:
    selector = Fields({"matchExpressions": [{"key": "a", "operator": operator, "values": values}]})
    assert selector_matches(selector, labels) is holds


def test_what_is_made_has_the_age_and_place_of_its_source(objects: Callable[[str], Any]) -> None:
    metadata = "{name: s, namespace: n, creationTimestamp: '2026-01-01T00:00:00Z'}"
    (source,) = objects(f"{{apiVersion: v1, kind: Service, metadata: {metadata}}}")
    made = make_config("Gateway", "g", source, {"a": "b"}, {"servers": []})
    assert (made.namespace, made.created, made.origin) == ("n", source.created, source.origin)
    assert made.group == "networking.istio.io"
    assert by_age([made, source]) == [made, source]


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (2 * SECOND, "2s"),
        (1500 * MILLISECOND, "1.500s"),
        (10 * MICROSECOND, "0.000010s"),
        (1, "0.000000001s"),
        (0, "0s"),
    ],
)
def test_durations_as_protobuf_writes_them(span: int, text: str) -> None:
    assert duration_text(span) == text
