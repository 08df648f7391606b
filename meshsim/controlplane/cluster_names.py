"""Names of outbound clusters, which carry port, subset and host (istio pilot/pkg/model/service.go BuildSubsetKey)."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple


class ClusterName(NamedTuple):
    """The parts of ``outbound|80|v1|reviews.default.svc.cluster.local`` or its SNI form."""

    port: int
    subset: str
    hostname: str
    sni_dnat: bool


@lru_cache(maxsize=65_536)
def parse_cluster_name(name: str) -> ClusterName | None:
    """The parts of an outbound cluster's name, `None` for any other name."""
    sni = name.startswith("outbound_.")
    parts = name.split("_." if sni else "|", 3)
    if len(parts) != 4 or parts[0] != "outbound":
        return None
    return ClusterName(int(parts[1]), parts[2], parts[3], sni) if parts[1].isdigit() else None


def cluster_name(port: int, subset: str, hostname: str) -> str:
    """``outbound|80|v1|reviews.default.svc.cluster.local``."""
    return f"outbound|{port}|{subset}|{hostname}"


def sni_name(port: int, subset: str, hostname: str) -> str:
    """``outbound_.80_.v1_.reviews.default.svc.cluster.local``: SNI of mTLS, and name of an SNI-DNAT cluster."""
    return f"outbound_.{port}_.{subset}_.{hostname}"
