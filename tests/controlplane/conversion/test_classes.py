from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from meshsim.controlplane.conversion.classes import controller_of

CLASSES = """
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: mine}
spec: {controllerName: istio.io/gateway-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: istio-remote}
spec: {controllerName: example.com/other}
"""


@pytest.mark.parametrize(
    ("name", "controller"),
    [
        ("mine", "istio.io/gateway-controller"),
        ("istio", "istio.io/gateway-controller"),
        ("istio-waypoint", "istio.io/mesh-controller"),
        ("istio-east-west", "istio.io/eastwest-controller"),
        # An object of the name decides, also for Istio's own classes.
        ("istio-remote", None),
        ("nginx", None),
    ],
)
def test_controllers(inputs: Callable[[str], Any], name: str, controller: str | None) -> None:
    found = controller_of(inputs(CLASSES), name)
    assert (found.name if found else None) == controller


def test_waypoints_have_no_gateways_of_listeners(inputs: Callable[[str], Any]) -> None:
    made = inputs("")
    waypoint, gateway = controller_of(made, "istio-waypoint"), controller_of(made, "istio")
    assert waypoint is not None
    assert gateway is not None
    assert not waypoint.converts_listeners
    assert gateway.converts_listeners
