"""Defaults of the Gateway API's CRD schemas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from meshsim.api import ObjectStore
from meshsim.controlplane.conversion.defaults import DefaultedView

GROUP = "gateway.networking.k8s.io"

TEXT = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw, namespace: shop}
spec:
  gatewayClassName: istio
  listeners: [{name: a, port: 80, protocol: HTTP}, {name: b, port: 443, protocol: HTTPS, tls: {}}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r, namespace: shop}
spec:
  rules:
  - matches: [{path: {value: /a}}, {headers: [{name: x, value: y}]}]
    filters: [{type: RequestRedirect, requestRedirect: {port: 1}}, {type: CORS, cors: {}}]
  - {}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: empty, namespace: shop}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw, namespace: shop}
spec: {selector: {}}
"""


def test_tls_of_a_listener_is_terminated(objects: Callable[[str], Any]) -> None:
    view = DefaultedView(ObjectStore(objects(TEXT)))
    (gateway,) = view.select("Gateway", GROUP)
    plain, secure = gateway.spec.items("listeners")
    assert "tls" not in plain
    assert secure.fields("tls").text("mode") == "Terminate"
    assert view.get(gateway.key) == gateway


def test_every_rule_has_a_path(objects: Callable[[str], Any]) -> None:
    empty, route = DefaultedView(ObjectStore(objects(TEXT))).select("HTTPRoute", GROUP)
    everything = {"type": "PathPrefix", "value": "/"}
    first, second = route.spec.items("rules")
    assert [match.value("path") for match in first.items("matches")] == [
        {"type": "PathPrefix", "value": "/a"},
        everything,
    ]
    assert [match.value("path") for match in second.items("matches")] == [everything]
    assert [match.value("path") for match in empty.spec.items("rules")[0].items("matches")] == [everything]
    redirect, cors = first.items("filters")
    assert redirect.fields("requestRedirect").integer("statusCode") == 302
    assert cors.fields("cors").integer("maxAge") == 5


def test_objects_of_istio_stay_as_they_are(objects: Callable[[str], Any]) -> None:
    store = ObjectStore(objects(TEXT))
    group = "networking.istio.io"
    assert DefaultedView(store).select("Gateway", group) == store.select("Gateway", group)
