"""Decoded route tables: what they answer themselves."""

from __future__ import annotations

from meshsim.dataplane.decide.headers import HeaderMap, HeaderMatcher, HeaderTest
from meshsim.dataplane.decide.mutations import NO_MUTATIONS
from meshsim.dataplane.decide.routes import TlsRequirement, VirtualCluster, VirtualHost


def test_virtual_clusters_name_a_request() -> None:
    clusters = (VirtualCluster("has x", (HeaderMatcher("x", HeaderTest.PRESENT),)),)
    host = VirtualHost("v", ("*",), (), TlsRequirement.NONE, NO_MUTATIONS, NO_MUTATIONS, {}, False, False, clusters)
    assert host.virtual_cluster(HeaderMap([("x", "1")])) == "has x"
    assert host.virtual_cluster(HeaderMap()) == "other"
    bare = VirtualHost("v", ("*",), (), TlsRequirement.NONE, NO_MUTATIONS, NO_MUTATIONS, {}, False, False)
    assert bare.virtual_cluster(HeaderMap()) == ""
