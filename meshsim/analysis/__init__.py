"""Cross-object checks of a mesh's configuration: what istiod ignores, overrides or rejects, with Istio's IST codes."""

from meshsim.analysis.analyse import analyse
from meshsim.analysis.cluster import Cluster, Workload, representatives, workloads_of
from meshsim.analysis.report import by_place

__all__ = ["Cluster", "Workload", "analyse", "by_place", "representatives", "workloads_of"]
