"""Resources as the tests of the protocol use them."""

from __future__ import annotations

from meshsim.testing.ads_resources import (
    assignment,
    eds_cluster,
    name_of,
    rds_listener,
    route_table,
    static_cluster,
    type_of,
)
from meshsim.xds import type_urls
from meshsim.xds.constraints import violation
from meshsim.xds.references import references


def test_resources_refer_to_each_other_by_ads() -> None:
    cluster, listener = eds_cluster("a"), rds_listener("l", 80, "t")
    assert references(type_of(cluster), cluster.SerializeToString()) == {type_urls.ENDPOINT: ("a",)}
    assert references(type_of(listener), listener.SerializeToString()) == {type_urls.ROUTE: ("t",)}
    assert (type_of(cluster), type_of(listener)) == (type_urls.CLUSTER, type_urls.LISTENER)


def test_each_is_valid_and_has_its_name() -> None:
    made = [eds_cluster("n"), static_cluster("n"), assignment("n"), rds_listener("n", 80, "t"), route_table("n")]
    assert [name_of(m) for m in made] == ["n"] * 5
    assert [violation(m) for m in made] == [""] * 5


def test_another_timeout_is_another_cluster() -> None:
    assert eds_cluster("a").SerializeToString() != eds_cluster("a", 2).SerializeToString()
