from __future__ import annotations

from meshsim.controlplane.listeners.inbound_routes import inbound_routes
from meshsim.controlplane.mesh import build_mesh_config
from meshsim.controlplane.model import Protocol, ServicePort
from meshsim.xds.packing import to_json

PORT = ServicePort(name="http", port=80, protocol=Protocol.HTTP)


def _route(retries: dict[str, object] | None, port: ServicePort = PORT) -> dict[str, object]:
    mesh = build_mesh_config({"defaultInboundHttpRetryPolicy": retries} if retries is not None else {})
    found = to_json(inbound_routes(mesh, "inbound|8080||", "web.shop", port))
    host: dict[str, object] = found["virtual_hosts"][0]  # type: ignore[index]
    assert (host["name"], host["domains"]) == (f"inbound|http|{port.port}", ["*"])
    route: dict[str, object] = host["routes"][0]["route"]  # type: ignore[index]
    return route


def test_requests_the_application_has_not_seen_are_retried() -> None:
    assert _route(None)["retry_policy"] == {"retry_on": "reset-before-request", "num_retries": 2}
    assert _route({})["retry_policy"] == {"retry_on": "reset-before-request", "num_retries": 2}


def test_the_mesh_may_ask_for_other_retries() -> None:
    found = _route({"attempts": 5, "retryOn": "5xx"})["retry_policy"]
    assert isinstance(found, dict)
    assert (found["retry_on"], found["num_retries"]) == ("5xx", 5)


def test_there_is_no_timeout() -> None:
    route = _route(None)
    assert route["timeout"] == "0s"
    assert route["max_stream_duration"] == {"max_stream_duration": "0s", "grpc_timeout_header_max": "0s"}


def test_grpc_is_not_retried() -> None:
    grpc = ServicePort(name="grpc", port=80, protocol=Protocol.GRPC)
    assert "retry_policy" not in _route({"attempts": 5}, grpc)
