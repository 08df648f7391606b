"""VirtualServices, messages and recordings for the tests of routes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from google.protobuf.json_format import MessageToDict

from meshsim.api import Fields, ObjectStore, make_object
from meshsim.controlplane.mesh import build_mesh_config
from meshsim.controlplane.model import VirtualService
from meshsim.controlplane.proxies import build_proxy
from meshsim.controlplane.push_context import build_push_context
from meshsim.controlplane.routes import build_routes
from meshsim.controlplane.routes.actions import RouteContext
from meshsim.controlplane.routes.destinations import Meaning
from meshsim.controlplane.virtual_services import resolve_virtual_services
from meshsim.world.verify.canonical import canonical
from meshsim.world.verify.folder import read_proxies, read_world
from meshsim.xds.messages import route_pb2
from meshsim.xds.packing import to_json


@pytest.fixture
def plain() -> Callable[[Any], Any]:
    """A message as JSON with its own field names."""
    return lambda message: MessageToDict(message, preserving_proto_field_name=True)


@pytest.fixture
def fields() -> Callable[[str], Fields]:
    """YAML as `Fields`."""
    return lambda text: Fields(yaml.safe_load(text))


@pytest.fixture
def virtual_service() -> Callable[..., VirtualService]:
    """A VirtualService ``shop/front`` with a specification in YAML."""

    def make(spec: str, annotations: Mapping[str, str] | None = None) -> VirtualService:
        document = {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {"name": "front", "namespace": "shop", "annotations": dict(annotations or {})},
            "spec": yaml.safe_load(spec),
        }
        (found,) = resolve_virtual_services(ObjectStore([make_object(document)]), build_mesh_config())
        return found

    return make


@pytest.fixture
def context() -> Callable[..., RouteContext]:
    """Where routes are built for; by default port 80 of a sidecar in ``shop`` that knows no service."""

    def make(**changes: Any) -> RouteContext:
        values: dict[str, Any] = {
            "listener_port": 80,
            "proxy_labels": {},
            "proxy_namespace": "shop",
            "gateway_names": ("mesh",),
            "meaning": lambda host: Meaning(),
            "lookup_hash": lambda destination: None,
            "default_retries": None,
        }
        return RouteContext(**{**values, **changes})

    return make


class RecordedRoute(NamedTuple):
    """A route configuration as istiod sent it and as it is made here."""

    proxy: str
    name: str
    want: object
    got: object


@pytest.fixture
def recorded_routes(oracle: Path) -> Callable[[str], Iterator[RecordedRoute]]:
    """All route configurations of a recorded world."""

    def read(world_name: str) -> Iterator[RecordedRoute]:
        world = read_world(oracle, world_name)
        mesh = build_mesh_config(world.mesh_base, world.mesh_overrides)
        push = build_push_context(world.store(), mesh)
        for recorded in read_proxies(oracle, "xds", world_name):
            want: dict[str, Any] = {str(item["name"]): item for item in recorded.resources.get("rds", [])}
            proxy = build_proxy(recorded.node, push.objects, mesh)
            for made in build_routes(push, proxy, list(want)):
                message = route_pb2.RouteConfiguration.FromString(made.body)
                got = json.loads(json.dumps(to_json(message)))
                yield RecordedRoute(recorded.id, made.name, canonical(want[made.name]), canonical(got))

    return read


@pytest.fixture
def configuration() -> Callable[[Any, Any, str], Any]:
    """The decoded route configuration of one name for a proxy."""

    def make(push: Any, proxy: Any, name: str) -> Any:
        (made,) = build_routes(push, proxy, [name])
        return route_pb2.RouteConfiguration.FromString(made.body)

    return make
