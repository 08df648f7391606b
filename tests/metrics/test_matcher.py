"""Which statistics an Istio proxy keeps."""

from __future__ import annotations

import json

from meshsim.metrics.matcher import stats_matcher

RETRIES = "cluster.outbound|80||stock.shop.svc.cluster.local;.upstream_rq_retry"


def test_by_default_clusters_have_none_but_that_of_pilot() -> None:
    kept = stats_matcher("", "10.0.0.1")
    assert not kept.keeps(RETRIES)
    assert not kept.keeps("http.inbound_0.0.0.0_8080;.downstream_rq_2xx")
    assert kept.keeps("cluster.xds-grpc.upstream_cx_active")
    assert kept.keeps("cluster_manager.cds.update_success")
    assert kept.keeps("http.inbound_0.0.0.0_8080;.rbac.denied")
    assert kept.keeps("vhost.a.route.b.upstream_rq_200")


def test_what_is_configured_is_kept_as_well() -> None:
    matcher = {
        "inclusionPrefixes": ["http.{pod_ip}_"],
        "inclusionSuffixes": ["upstream_rq_retry"],
        "inclusionRegexps": [".*circuit_breakers.*", "("],
    }
    kept = stats_matcher(json.dumps(matcher), "10.0.0.1")
    assert kept.keeps(RETRIES)
    assert kept.keeps("http.10.0.0.1_8080;.downstream_rq_2xx")
    assert kept.keeps("cluster.a.circuit_breakers.default.cx_open")
    assert not kept.keeps("cluster.a.upstream_rq_total")
    assert kept.keeps("server.live")
