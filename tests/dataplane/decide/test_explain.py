"""Explanations in words."""

from __future__ import annotations

from typing import Any

from xds_bodies import http_listener, static_cluster

from meshsim.dataplane.decide import Connection, Request, decide_direct
from meshsim.dataplane.decide.decision import UpstreamTls
from meshsim.dataplane.decide.explain import describe_transport, explain

CLIENT = Connection(source="10.0.0.9", destination="10.0.0.1", destination_port=80)


def lines(build: Any, *routes: dict[str, Any], path: str = "/") -> list[str]:
    config = build(
        (http_listener(routes),),
        (static_cluster("c", *(f"10.0.0.{i}" for i in range(1, 8))), static_cluster("d", "10.1.0.1")),
    )
    return explain(decide_direct(config, CLIENT, Request(authority="shop", path=path), True))


def test_the_way_of_a_request_step_by_step(build: Any) -> None:
    config = {"istio": {"config": "/apis/networking.istio.io/v1/namespaces/a/virtual-service/b"}}
    retry = {"retry_on": "5xx", "num_retries": 2, "per_try_timeout": "1s"}
    route = {
        "name": "main",
        "match": {"prefix": "/"},
        "route": {"cluster": "c", "timeout": "3s", "retry_policy": retry},
        "metadata": {"filter_metadata": config},
    }
    found = lines(build, {"match": {"path": "/x"}, "route": {"cluster": "d"}}, route)
    text = "\n".join(found)
    stages = [line.split("  ")[1].strip() for line in found if "=>" not in line]
    assert stages == [
        "listener",
        "listener filters",
        "filter chain",
        "route table",
        "virtual host",
        "route passed over",
        "route",
        "cluster",
    ]
    assert "path '/x' does not match" in text
    assert (
        "=> to c at 10.0.0.1:8080, 10.0.0.2:8080, 10.0.0.3:8080, 10.0.0.4:8080, 10.0.0.5:8080 and 2 more over plaintext"
        in text
    )
    assert "=> as GET shop/" in text
    assert "=> timeout 3 s" in text
    assert "=> up to 2 retries on 5xx, 1 s each" in text
    assert found[-1].endswith("virtual-service/b")


def test_weights_and_replies(build: Any) -> None:
    weighted = {"clusters": [{"name": "d", "weight": 9}, {"name": "gone", "weight": 1}]}
    split = lines(build, {"match": {"prefix": "/"}, "route": {"weighted_clusters": weighted}})
    assert any("9/10 to d at 10.1.0.1:8080" in line for line in split)
    assert any("1/10 to gone, which the proxy does not have" in line for line in split)
    denied = lines(build)
    assert denied[-1] == "  => answered by the proxy: 404, route_not_found, flags NR"
    moved = lines(build, {"match": {"prefix": "/"}, "redirect": {"host_redirect": "new"}})
    assert "  => location http://new/" in moved


def test_transports() -> None:
    assert describe_transport(UpstreamTls("", False, False)) == "plaintext"
    mutual = UpstreamTls("tlsMode-istio", True, True, "s", ("istio", "h2"), 1)
    assert describe_transport(mutual) == "PROXY v1, mTLS SNI s ALPN istio,h2"
