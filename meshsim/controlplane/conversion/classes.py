"""GatewayClasses that Istio handles (istio pilot/pkg/config/kube/gatewaycommon/classinfo.go, release 1.31)."""

from __future__ import annotations

from typing import Final, NamedTuple

from meshsim.controlplane.conversion.inputs import GATEWAY_GROUP, ConversionInputs


class GatewayController(NamedTuple):
    """How gateways of a controller's classes are handled."""

    name: str
    converts_listeners: bool = True
    """Whether listeners become Gateways at all."""
    converts_mesh_port: bool = True
    """Whether the HBONE listener of the ambient mesh does too."""
    class_suffix: bool = True
    """Whether Deployment and Service carry the class in their names."""


_GATEWAY: Final = GatewayController("istio.io/gateway-controller")
_WAYPOINT: Final = GatewayController("istio.io/mesh-controller", converts_listeners=False, class_suffix=False)
_REMOTE: Final = GatewayController("istio.io/unmanaged-gateway", converts_listeners=False)
_EAST_WEST: Final = GatewayController("istio.io/eastwest-controller", converts_mesh_port=False, class_suffix=False)

_BUILTIN: Final = {
    "istio": _GATEWAY,
    "istio-waypoint": _WAYPOINT,
    "istio-remote": _REMOTE,
    "istio-east-west": _EAST_WEST,
}
_CONTROLLERS: Final = {item.name: item for item in _BUILTIN.values()}


def controller_of(inputs: ConversionInputs, class_name: str) -> GatewayController | None:
    """The controller of a class; Istio's own classes need no GatewayClass, but one of that name decides."""
    for item in inputs.objects.select("GatewayClass", GATEWAY_GROUP):
        if item.name == class_name:
            return _CONTROLLERS.get(item.spec.text("controllerName"))
    return _BUILTIN.get(class_name)
