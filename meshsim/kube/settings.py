"""Durations and limits of a kube: what Kubernetes says where it says something, plain assumptions elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from meshsim.units import MILLISECOND, MINUTE, SECOND, Nanos

EPOCH: Final[Nanos] = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * SECOND
"""The instant of Unix time at which a run's clock is 0; creation timestamps count from it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """How long the stages of a pod's life take; each is drawn uniformly within `spread` of its value.

    The sum of what the kubelet does itself stays inside Kubernetes' start-up objective (stateless pods within 5 s at
    the 99th percentile, image pull and init containers excluded: sig-scalability slos/pod_startup_latency.md).
    """

    image_pull: Nanos = 3 * SECOND
    """One image a node does not have yet; nothing when it has."""
    sandbox: Nanos = 500 * MILLISECOND
    """Pod sandbox, volumes and CNI until the pod has its address."""
    container_start: Nanos = 200 * MILLISECOND
    """Create and start one container."""
    init_run: Nanos = 200 * MILLISECOND
    """Run of one init container; istio-init is mostly process start, the rules load in 4-12 ms
   ."""
    sidecar_start: Nanos = 800 * MILLISECOND
    """istio-proxy from container start until it answers on 15021, where nobody reports its real readiness."""
    app_start: Nanos = 2 * SECOND
    """An application from container start until it accepts requests."""
    app_stop: Nanos = 1 * SECOND
    """An application from SIGTERM until it has exited."""
    spread: float = 0.2
    """Half width of the draw, relative."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageOverride:
    """Other stage durations for the pods whose labels match."""

    labels: Mapping[str, str]
    stages: Stages


@dataclass(frozen=True, slots=True, kw_only=True)
class KubeSettings:
    """Time constants of API server, controllers, scheduler and kubelet; defaults of Kubernetes 1.33."""

    epoch: Nanos = EPOCH
    watch_latency: Nanos = 5 * MILLISECOND
    """From a write to its arrival at a watcher (etcd write and watch cache; single-digit milliseconds in practice)."""
    controller_latency: Nanos = 5 * MILLISECOND
    """From a controller's wake-up to its write."""
    scheduler_latency: Nanos = 10 * MILLISECOND
    """One scheduling cycle with its binding."""
    controller_qps: float = 20.0
    """kube-controller-manager --kube-api-qps: pods a controller creates or deletes a second."""
    controller_burst: int = 30
    """kube-controller-manager --kube-api-burst."""
    relist_period: Nanos = 1 * SECOND
    """How often the kubelet looks for started and ended containers (pkg/kubelet/kubelet.go genericPlegRelistPeriod)."""
    max_pods_per_node: int = 110
    """kubelet --max-pods."""
    endpoints_per_slice: int = 100
    """kube-controller-manager --max-endpoints-per-slice."""
    node_heartbeat: Nanos = 10 * SECOND
    """Renewal of a node's lease: a quarter of nodeLeaseDurationSeconds 40."""
    node_monitor_period: Nanos = 5 * SECOND
    """kube-controller-manager --node-monitor-period."""
    node_monitor_grace: Nanos = 50 * SECOND
    """kube-controller-manager --node-monitor-grace-period: 50 s since Kubernetes 1.32, 40 s before."""
    unreachable_toleration: Nanos = 300 * SECOND
    """Toleration of not-ready and unreachable nodes that the DefaultTolerationSeconds admission plugin adds."""
    restart_backoff: Nanos = 10 * SECOND
    """First wait of CrashLoopBackOff; doubles with each restart (pkg/kubelet/kubelet.go)."""
    restart_backoff_max: Nanos = 5 * MINUTE
    restart_backoff_reset: Nanos = 10 * MINUTE
    """A container that ran this long starts again without waiting."""
    minimum_grace: Nanos = 2 * SECOND
    """Least time between SIGTERM and SIGKILL (pkg/kubelet/kuberuntime minimumGracePeriodInSeconds)."""
    proxy_drain: Nanos = 5 * SECOND
    """How long an ordinary (not native) istio-proxy lives on after SIGTERM: `terminationDrainDuration`."""
    proxy_readiness_reported: bool = False
    """Whether the data plane reports when istio-proxy answers on 15021; else it does after `sidecar_start`."""
    default_nodes: int = 3
    """Nodes made when the manifests have none, one a zone; more when the pods need more."""
    stages: Stages = field(default_factory=Stages)
    overrides: tuple[StageOverride, ...] = ()

    def stages_of(self, labels: Mapping[str, str]) -> Stages:
        """Stages of a pod: those of the last override whose labels all match."""
        for override in reversed(self.overrides):
            if all(labels.get(key) == value for key, value in override.labels.items()):
                return override.stages
        return self.stages

    def with_stages(self, **changes: Nanos | float) -> KubeSettings:
        """These settings with some default stages changed."""
        return replace(self, stages=replace(self.stages, **changes))  # type: ignore[arg-type]
