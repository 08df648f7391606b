"""Extensions by type, as Envoy 1.40 names them in its refusals (tests/conformance/test_envoy_nacks.py)."""

from __future__ import annotations

import pytest
from google.protobuf import any_pb2

from meshsim.dataplane.decide.extensions import check_registered, extension_name
from meshsim.dataplane.decide.rejected import ResourceRejectedError

PREFIX = "type.googleapis.com/"


@pytest.mark.parametrize(
    ("type_name", "name"),
    [
        ("envoy.extensions.filters.http.router.v3.Router", "envoy.filters.http.router"),
        ("envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", "envoy.filters.network.tcp_proxy"),
        ("envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext", "envoy.transport_sockets.tls"),
        ("stats.PluginConfig", "stats.PluginConfig"),
    ],
)
def test_a_name_follows_from_the_type(type_name: str, name: str) -> None:
    assert extension_name(any_pb2.Any(type_url=PREFIX + type_name)) == name


@pytest.mark.parametrize("type_name", ["google.protobuf.Struct", "", "com.example.Filter"])
def test_what_nobody_compiled_in_is_refused(type_name: str) -> None:
    reason = f"Didn't find a registered implementation for 'x' with type URL: '{type_name}'"
    with pytest.raises(ResourceRejectedError, match=reason):
        check_registered("x", any_pb2.Any(type_url=PREFIX + type_name))


@pytest.mark.parametrize("type_name", ["stats.PluginConfig", "udpa.type.v1.TypedStruct"])
def test_istios_own_are_taken(type_name: str) -> None:
    check_registered("x", any_pb2.Any(type_url=PREFIX + type_name))
