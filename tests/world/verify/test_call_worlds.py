"""Reading the calls of a world: clients, proxies, and what is wrong with other files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from meshsim.dataplane.decide import Protocol, Transport
from meshsim.dataplane.resource_cache import ResourceCache
from meshsim.errors import InputError
from meshsim.world.verify.call_worlds import CallWorld, read_calls, recorded_address

GATEWAY = "istio-system/ingress-0"
CALL = "- {name: a, proxy: n/p, mode: inbound, from: n/q, address: 1.2.3.4, port: 80, protocol: http, tls: plaintext"


def test_a_client_outside_shows_every_name_the_proxy_asks_for(recorded: Path) -> None:
    world = CallWorld(recorded, "gw-tls-modes", ResourceCache())
    mutual = world.connection(world.calls["04-gateway-mhttp-mtls-example-com-8443"])
    assert mutual.certificate is not None
    assert mutual.certificate.uris == ("spiffe://cluster.local/ns/outside/sa/outside",)
    assert mutual.certificate.dns_names == ("client.example.com",)
    simple = world.calls["02-gateway-https-web-example-com-8443"]
    plain = world.connection(simple, Protocol.HTTP2)
    assert (plain.source, plain.transport, plain.certificate) == ("203.0.113.77", Transport.TLS, None)
    assert plain.protocol is Protocol.HTTP2


def test_a_pod_calls_from_its_address(recorded: Path) -> None:
    world = CallWorld(recorded, "vs-direct-mirror-fault", ResourceCache())
    call = world.calls["01-outbound-http-app-80"]
    pod = world.pods["fl/client-0"]
    assert pod.identity == "spiffe://cluster.local/ns/fl/sa/client"
    assert world.connection(call).source == pod.address
    assert world.proxy(call.proxy).surroundings.identity == pod.identity
    assert world.proxy(call.proxy) is world.proxy(call.proxy)


def test_credentials_that_the_world_does_not_have_are_missing(
    planted: Callable[[str, Callable[[Any], None]], Path],
) -> None:
    folder = planted("xds/gw-tls-modes/istio-system__ingress-0", lambda body: None)
    world = folder / "worlds" / "gw-tls-modes" / "world.yaml"
    world.write_text(world.read_text().replace("name: mtls-cert", "name: other-cert"))
    missing = CallWorld(folder, "gw-tls-modes", ResourceCache()).proxy(GATEWAY).surroundings.missing_secrets
    assert missing == {"kubernetes://mtls-cert", "kubernetes://mtls-cert-cacert"}


def test_requests_carry_what_a_client_adds(recorded: Path) -> None:
    (call,) = [c for c in read_calls(recorded, "gw-tls-modes") if c.name.startswith("03-")]
    post = call._replace(method="POST", protocol="http", headers=(("upgrade", "websocket"),)).request
    assert post is not None
    assert post.headers == (("upgrade", "websocket"), ("content-length", "0"), ("connection", "Upgrade"))
    assert call._replace(protocol="tcp").request is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\n", "list of calls"),
        ("- 1\n", "list of calls"),
        (CALL.replace("inbound", "sideways") + "}\n", "mode 'sideways'"),
        (CALL.replace("http", "gopher") + "}\n", "protocol 'gopher'"),
        (CALL.replace("plaintext", "quic") + "}\n", "tls 'quic'"),
    ],
    ids=["mapping", "number", "mode", "protocol", "tls"],
)
def test_calls_that_are_none(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "worlds" / "w").mkdir(parents=True)
    (tmp_path / "worlds" / "w" / "calls.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        read_calls(tmp_path, "w")


def test_a_proxy_that_was_not_recorded(recorded: Path) -> None:
    world = CallWorld(recorded, "gw-tls-modes", ResourceCache())
    with pytest.raises(InputError, match="cannot read"):
        world.proxy("nobody/here")


def test_resources_that_are_none(planted: Callable[[str, Callable[[Any], None]], Path]) -> None:
    def change(body: Any) -> None:
        body["cds"][0]["no_such_field"] = 1

    folder = planted("xds/gw-tls-modes/istio-system__ingress-0", change)
    with pytest.raises(InputError, match="no_such_field"):
        CallWorld(folder, "gw-tls-modes", ResourceCache()).proxy(GATEWAY)


@pytest.mark.parametrize("resource", [None, 1, "x", []])
def test_a_resource_that_is_no_object(planted: Callable[[str, Callable[[Any], None]], Path], resource: object) -> None:
    def change(body: Any) -> None:
        body["lds"][0] = resource

    folder = planted("xds/gw-tls-modes/istio-system__ingress-0", change)
    with pytest.raises(InputError, match="no lds resource: a resource is a JSON object"):
        CallWorld(folder, "gw-tls-modes", ResourceCache()).proxy(GATEWAY)


def test_names_resolve_as_in_the_recording() -> None:
    """Recorded in the worlds se-resolutions (call 09) and big-http-100 (call 18)."""
    assert recorded_address("x.dyn.example.org") == "192.0.2.225"
    assert recorded_address("ext1.example.org") == "192.0.2.177"
    assert recorded_address("10.0.0.1") == "10.0.0.1"
    assert recorded_address("/run/a.sock") == "/run/a.sock"
