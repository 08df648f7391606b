"""What the data plane does not do reaches the user, once a thing."""

from __future__ import annotations

from meshsim.dataplane.active import Unmodelled
from meshsim.trace import TimelineMark
from meshsim.world.unmodelled import UnmodelledLog
from meshsim.xds import type_urls

from .conftest import run

LUA = """
  - apiVersion: networking.istio.io/v1alpha3
    kind: EnvoyFilter
    metadata: {name: script, namespace: shop}
    spec:
      configPatches:
        - applyTo: HTTP_FILTER
          match:
            context: SIDECAR_OUTBOUND
            listener: {filterChain: {filter: {name: envoy.filters.network.http_connection_manager}}}
          patch:
            operation: INSERT_BEFORE
            value:
              name: script
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua
                default_source_code: {inline_string: "function envoy_on_request(handle) end"}
"""


def test_each_thing_is_said_once_with_an_example() -> None:
    log = UnmodelledLog()
    for proxy in ("a.shop", "b.shop"):
        for name in ("80", "8080"):
            log.add(proxy, Unmodelled(type_urls.ROUTE, name, "scoped routes"))
    log.add("a.shop", Unmodelled(type_urls.CLUSTER, "outbound|80||x", "filter state"))
    assert log.notes() == (
        "not simulated: filter state, in cluster outbound|80||x of a.shop",
        "not simulated: scoped routes, in route configuration 80 and 1 more of 2 proxies",
    )


def test_a_long_list_is_cut() -> None:
    log = UnmodelledLog()
    for number in range(13):
        log.add("a.shop", Unmodelled(type_urls.LISTENER, "x", f"thing {number:02d}"))
    assert len(log.notes()) == 11
    assert log.notes()[-1] == "not simulated: 3 more things of this sort"


def test_a_run_tells_what_it_left_out() -> None:
    ran = run(istio=LUA, duration="1s")
    (note,) = ran.outcome.notes
    assert "Lua" in note
    assert note.startswith("not simulated: ")
    assert "listener" in note
    assert run(duration="1s").outcome.notes == ()


def test_what_was_there_for_a_while_only_is_told_too() -> None:
    entry = "timeline:\n  - id: script\n    at: 1s\n    for: 1s\n    apply:"
    ran = run(timeline=entry + LUA.replace("\n", "\n    "), duration="4s")
    assert len(ran.outcome.notes) == 1
    assert [mark.begins for mark in ran.sink.of(TimelineMark)] == [True, False]
