from __future__ import annotations

import pytest

from meshsim.controlplane.cluster_names import ClusterName, cluster_name, parse_cluster_name, sni_name


@pytest.mark.parametrize("make", [cluster_name, sni_name])
@pytest.mark.parametrize("parts", [(80, "", "a.b.svc.cluster.local"), (443, "v1", "*.example.org")])
def test_names_can_be_taken_apart(make: object, parts: tuple[int, str, str]) -> None:
    assert callable(make)
    assert parse_cluster_name(make(*parts)) == ClusterName(*parts, make is sni_name)


@pytest.mark.parametrize("name", ["BlackHoleCluster", "inbound|80||", "outbound|x||host", "outbound|80|host", ""])
def test_other_names_are_none(name: str) -> None:
    assert parse_cluster_name(name) is None
