"""Nodes: those a scenario did not bring, and the controller that finds out when one is lost.

Rules: k8s.io/kubernetes pkg/controller/nodelifecycle and tainteviction.
"""

from __future__ import annotations

from typing import Final

from meshsim.api import ApiObject, make_object
from meshsim.kernel import Environment, below
from meshsim.kube.documents import Body, is_terminating, mapping, rfc3339, uid_of, with_spec
from meshsim.kube.kubelet import Kubelets
from meshsim.kube.lifecycle import PodDeletion, record_phase
from meshsim.kube.pods import condition, is_ready
from meshsim.kube.scheduler import tolerates
from meshsim.kube.server import ApiServer, Change, Verb
from meshsim.network import REGION_LABEL, ZONE_LABEL, Addresses, Network
from meshsim.trace import Taps
from meshsim.units import SECOND, Nanos

CAUSE = "node-controller"
KUBELET_VERSION: Final = "v1.33.0"
DEFAULT_REGION: Final = "region-1"
_UNREACHABLE: Final = "node.kubernetes.io/unreachable"


def default_nodes(number: int, created: Nanos) -> list[ApiObject]:
    """Nodes ``node-1``, ``node-2``, ... over three zones of one region."""
    nodes = []
    for index in range(number):
        zone = f"{DEFAULT_REGION}{'abc'[index % 3]}"
        name = f"node-{index + 1}"
        body: Body = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": name,
                "labels": {"kubernetes.io/hostname": name, REGION_LABEL: DEFAULT_REGION, ZONE_LABEL: zone},
                "creationTimestamp": rfc3339(created),
            },
            "status": {"nodeInfo": {"kubeletVersion": KUBELET_VERSION}},
        }
        nodes.append(make_object(body))
    return nodes


class NodeController:
    """Keeps the network's picture of nodes, and declares lost ones unreachable."""

    def __init__(
        self,
        env: Environment,
        server: ApiServer,
        addresses: Addresses,
        network: Network,
        kubelets: Kubelets,
        deletion: PodDeletion,
        taps: Taps,
    ) -> None:
        self._env = env
        self._server = server
        self._settings = server.settings
        self._addresses = addresses
        self._network = network
        self._kubelets = kubelets
        self._deletion = deletion
        self._taps = taps
        self._losses: dict[str, int] = {}
        server.watch(self._on_change, ("Node",), 0)

    def _on_change(self, change: Change) -> None:
        if change.verb is Verb.DELETE:
            self._network.topology.remove_node(change.object.name)
            self._network.touched()
        else:
            self.take(change.object)

    def take(self, node: ApiObject) -> None:
        """Place a node in the network and give it its pod range."""
        known = self._network.topology.node(node.name)
        if self._network.topology.add_node(node.name, node.labels) != known:
            self._network.touched()
        self._addresses.pod_range(node.name, node.spec.text("podCIDR"))

    def settle(self, node: ApiObject) -> None:
        """A node that has been up since long before."""
        self.take(node)
        self._report(node, "True")

    def _report(self, node: ApiObject, ready: str) -> None:
        now = rfc3339(self._server.wall)
        others = [dict(entry.body) for entry in node.status.items("conditions") if entry.text("type") != "Ready"]
        entry: Body = {"type": "Ready", "status": ready, "lastTransitionTime": now}
        addresses = node.status.value("addresses") or [
            {"type": "InternalIP", "address": self._addresses.node_address(node.name)},
            {"type": "Hostname", "address": node.name},
        ]
        status = {**mapping(node.body.get("status")), "conditions": [*others, entry], "addresses": addresses}
        self._server.update_status(node, status, CAUSE)

    def lose(self, name: str) -> None:
        """A node dies: nobody tells the API server, which notices by missing heartbeats."""
        number = self._losses[name] = self._losses.get(name, 0) + 1
        self._kubelets.lose(name)
        settings = self._settings
        now = self._env.instant
        beat = below(settings.node_heartbeat, self._server.seed, "heartbeat", name)
        poll = below(settings.node_monitor_period, self._server.seed, "node-monitor")
        last_beat = now - (now - beat) % settings.node_heartbeat
        seen = _next(last_beat, poll, settings.node_monitor_period)
        declared = _next(seen + settings.node_monitor_grace + 1, poll, settings.node_monitor_period)
        self._env.call_at(max(declared, now), lambda: self._declare(name, number))

    def recover(self, name: str) -> None:
        """A lost node boots and reports itself."""
        self._losses[name] = self._losses.get(name, 0) + 1
        self._kubelets.recover(name)
        node = self._server.get("Node", "", name)
        if node is None:
            return
        taints = [dict(t.body) for t in node.spec.items("taints") if t.text("key") != _UNREACHABLE]
        node = self._server.update(with_spec(node, {"taints": taints}), CAUSE)
        self._report(node, "True")

    def cordon(self, name: str, unschedulable: bool = True) -> None:
        """Close a node for new pods, or open it again."""
        node = self._server.get("Node", "", name)
        if node is not None:
            self._server.update(with_spec(node, {"unschedulable": unschedulable}), CAUSE)

    def _declare(self, name: str, number: int) -> None:
        node = self._server.get("Node", "", name)
        if node is None or self._losses.get(name) != number:
            return
        taints = [dict(t.body) for t in node.spec.items("taints")]
        taints += [{"key": _UNREACHABLE, "effect": effect} for effect in ("NoSchedule", "NoExecute")]
        node = self._server.update(with_spec(node, {"taints": taints}), CAUSE)
        self._report(node, "Unknown")
        for pod in self._server.pods.on_node(name):
            self._mark_unready(pod)
            wait = self._toleration(pod)
            if wait is not None:
                self._evict_later(pod, name, number, wait)

    def _mark_unready(self, pod: ApiObject) -> None:
        if not is_ready(pod):
            return
        others = [dict(entry.body) for entry in pod.status.items("conditions") if entry.text("type") != "Ready"]
        entry: Body = {
            **condition(pod, "Ready").body,
            "type": "Ready",
            "status": "False",
            "reason": "NodeNotReady",
            "lastTransitionTime": rfc3339(self._server.wall),
        }
        status = {**mapping(pod.body.get("status")), "conditions": [*others, entry]}
        record_phase(self._server, self._taps, self._server.update_status(pod, status, CAUSE), "unready")

    def _toleration(self, pod: ApiObject) -> Nanos | None:
        """How long a pod stays on an unreachable node; ``None`` = for ever."""
        taint = make_object({"spec": {"key": _UNREACHABLE, "effect": "NoExecute"}}).spec
        fitting = [t for t in pod.spec.items("tolerations") if tolerates(t, taint)]
        if not fitting:
            return self._settings.unreachable_toleration
        spans = [t.integer("tolerationSeconds") * SECOND for t in fitting if "tolerationSeconds" in t]
        return min(spans) if spans else None

    def _evict_later(self, pod: ApiObject, node: str, number: int, wait: Nanos) -> None:
        def evict() -> None:
            current = self._server.objects.get(pod.key)
            same = current is not None and uid_of(current) == uid_of(pod) and not is_terminating(current)
            if current is not None and same and self._losses.get(node) == number:
                self._deletion.delete(current, CAUSE)

        self._env.call_at(self._env.instant + wait, evict)


def _next(when: Nanos, phase: Nanos, period: Nanos) -> Nanos:
    """The first instant not before `when` that lies on `phase` plus whole periods."""
    return when + (phase - when) % period
