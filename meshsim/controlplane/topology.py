"""Where workloads are: topology labels, localities, label selectors (istio pilot/pkg/model/locality.go, 1.31)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from meshsim.api import ApiObject
from meshsim.controlplane.model import Locality

REGION_LABEL: Final = "topology.kubernetes.io/region"
ZONE_LABEL: Final = "topology.kubernetes.io/zone"
SUBZONE_LABEL: Final = "topology.istio.io/subzone"
LOCALITY_LABEL: Final = "istio-locality"
NETWORK_LABEL: Final = "topology.istio.io/network"
CLUSTER_LABEL: Final = "topology.istio.io/cluster"
HOSTNAME_LABEL: Final = "kubernetes.io/hostname"


def node_locality(node: ApiObject | None) -> Locality:
    """Locality by the well-known labels of a Kubernetes node."""
    if node is None:
        return Locality()
    labels = node.labels
    return Locality(labels.get(REGION_LABEL, ""), labels.get(ZONE_LABEL, ""), labels.get(SUBZONE_LABEL, ""))


def parse_locality(text: str) -> Locality:
    """``region/zone/subzone`` (a label writes it with dots, istio pilot/pkg/model/locality.go), any tail absent."""
    if "/" not in text:
        text = text.replace(".", "/")
    region, zone, subzone = [*text.split("/"), "", "", ""][:3]
    return Locality(region, zone, subzone)


def labels_match(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether every label of a selector is present with its value."""
    return all(labels.get(key) == value for key, value in selector.items())
