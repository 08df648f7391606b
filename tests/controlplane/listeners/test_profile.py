from __future__ import annotations

from typing import Any

from meshsim.controlplane.listeners.profile import ProfileBuilder
from meshsim.controlplane.telemetry import ListenerClass

OUTBOUND = ListenerClass.SIDECAR_OUTBOUND


def test_replicas_have_one_profile_and_other_workloads_another(small_mesh: Any, look: Any) -> None:
    mesh = small_mesh(look.client(look.pod("client-1", "10.244.0.8", "client"), look.pod("web-0", "10.244.0.1", "web")))
    builder = ProfileBuilder(mesh.push())
    one, replica, other = (builder.build(mesh.proxy("shop", name)) for name in ("client-0", "client-1", "web-0"))
    assert one is replica
    # Connection managers name the workload in their traces, TCP chains do not.
    assert one is not other
    assert one.network is other.network


def test_settings_of_the_proxy_make_another_profile(small_mesh: Any, look: Any) -> None:
    config = "{proxy.istio.io/config: '{tracing: {sampling: 50}}'}"
    mesh = small_mesh(look.client(look.pod("client-1", "10.244.0.8", "client", annotations=config)))
    builder = ProfileBuilder(mesh.push())
    plain, tuned = (builder.build(mesh.proxy("shop", f"client-{i}")) for i in (0, 1))
    assert plain is not tuned
    assert plain.network is tuned.network


def test_telemetry_that_changes_makes_a_new_profile(small_mesh: Any, look: Any) -> None:
    mesh = small_mesh(look.client())
    proxy = mesh.proxy("shop", "client-0")
    before = ProfileBuilder(mesh.push()).build(proxy)
    assert ProfileBuilder(mesh.push()).build(proxy) is before
    spec = "{accessLogging: [{providers: [{name: envoy}]}]}"
    mesh.put(look.istio("Telemetry", spec, group="telemetry.istio.io/v1"))
    after = ProfileBuilder(mesh.push()).build(proxy)
    assert not before.network.of(OUTBOUND).tcp_logs
    assert len(after.network.of(OUTBOUND).tcp_logs) == len(after.of(OUTBOUND).logs) == 1
