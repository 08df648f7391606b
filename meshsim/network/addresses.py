"""Addresses: a pod range for each node, a service range, node addresses; every allocation is repeatable."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

from meshsim.errors import InputError, LimitError
from meshsim.kernel import below


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressRanges:
    """The ranges of one kube.

    Defaults: pod CIDR 10.244.0.0/16 (flannel and kind), /24 a node (kube-controller-manager
    `--node-cidr-mask-size-ipv4`), service CIDR 10.96.0.0/12 (kubeadm `networking.serviceSubnet`), nodes 172.18.0.0/16
    (the network kind makes).
    """

    pods: str = "10.244.0.0/16"
    node_prefix: int = 24
    services: str = "10.96.0.0/12"
    nodes: str = "172.18.0.0/16"
    pods_per_node: int = 0
    """Room wanted on each node; 0 or less than a `node_prefix` range holds keeps that prefix."""


@dataclass(slots=True)
class _NodeRange:
    network: IPv4Network
    last: int = 1
    """Offset of the address given out last; 1 is the bridge."""
    used: dict[int, None] = field(default_factory=dict)


class Addresses:
    """Hands out addresses of a kube.

    Pod addresses go round each node's range, as the host-local plugin of CNI does; a service's address is a keyed draw
    on its name from the upper part of the range, as the API server draws dynamic addresses (KEP-3070), so adding a
    service moves no other one.
    """

    def __init__(self, ranges: AddressRanges | None = None) -> None:
        self.ranges = ranges if ranges is not None else AddressRanges()
        self._pods = _network(self.ranges.pods)
        self._services = _network(self.ranges.services)
        self._nodes = _network(self.ranges.nodes)
        self._prefix = self._node_prefix()
        self._node_ranges: dict[str, _NodeRange] = {}
        self._node_addresses: dict[str, str] = {}
        self._taken: dict[str, str] = {}
        self._owners: dict[str, str] = {}
        self._reserved: dict[str, None] = {}

    def _node_prefix(self) -> int:
        prefix = max(self.ranges.node_prefix, self._pods.prefixlen)
        while prefix > self._pods.prefixlen and (1 << (32 - prefix)) - 3 < self.ranges.pods_per_node:
            prefix -= 1
        return prefix

    def node_address(self, node: str) -> str:
        """The node's own address; the first call for a name allocates it."""
        if node not in self._node_addresses:
            offset = len(self._node_addresses) + 2
            if offset >= self._nodes.num_addresses - 1:
                raise LimitError(f"no node address is left in {self._nodes}", None, "give a larger node range", node)
            self._node_addresses[node] = str(self._nodes[offset])
        return self._node_addresses[node]

    def pod_range(self, node: str, wanted: str = "") -> str:
        """The pod CIDR of a node; the first call allocates it, or takes `wanted` (a Node's spec.podCIDR)."""
        if node not in self._node_ranges:
            self._node_ranges[node] = _NodeRange(_network(wanted) if wanted else self._next_range(node))
        return str(self._node_ranges[node].network)

    def _next_range(self, node: str) -> IPv4Network:
        size = 1 << (32 - self._prefix)
        taken = [item.network for item in self._node_ranges.values()]
        for start in range(int(self._pods.network_address), int(self._pods.broadcast_address), size):
            network = IPv4Network((start, self._prefix))
            if not any(network.overlaps(other) for other in taken):
                return network
        raise LimitError(f"no pod range is left in {self._pods}", None, "give a larger pod range", node)

    def pod_address(self, node: str) -> str:
        """The next free pod address on a node."""
        self.pod_range(node)
        mine = self._node_ranges[node]
        size = mine.network.num_addresses
        for step in range(1, size):
            offset = (mine.last - 2 + step) % (size - 3) + 2 if size > 3 else 0
            address = str(mine.network[offset])
            if offset >= 2 and offset not in mine.used and address not in self._reserved:
                mine.used[offset] = None
                mine.last = offset
                return address
        raise LimitError(f"no pod address is left in {mine.network}", None, "give fewer pods or more nodes", node)

    def reserve(self, address: str) -> None:
        """Never hand out an address that an object already carries."""
        self._reserved[address] = None

    def release_pod(self, node: str, address: str) -> None:
        """Give a pod's address back."""
        self._reserved.pop(address, None)
        mine = self._node_ranges.get(node)
        if mine is not None and IPv4Address(address) in mine.network:
            mine.used.pop(int(IPv4Address(address)) - int(mine.network.network_address), None)

    def service_address(self, namespace: str, name: str, wanted: str = "") -> str:
        """The cluster IP of a service; `wanted` is the one its object asks for."""
        owner = f"{namespace}/{name}"
        if owner in self._owners:
            return self._owners[owner]
        address = wanted or self._draw_service_address(owner)
        holder = self._taken.setdefault(address, owner)
        if holder != owner:
            raise InputError(
                f"clusterIP {address} of service {owner} is taken by {holder}", None, "leave clusterIP out", owner
            )
        self._owners[owner] = address
        return address

    def release_service(self, namespace: str, name: str) -> None:
        """Give a service's address back."""
        address = self._owners.pop(f"{namespace}/{name}", None)
        if address is not None:
            self._taken.pop(address, None)

    def _draw_service_address(self, owner: str) -> str:
        size = self._services.num_addresses
        static_band = min(max(16, size // 16), 256)
        span = size - static_band - 1
        if span <= 0:
            raise LimitError(f"the service range {self._services} is too small", None, "give a larger service range")
        first = below(span, 0, "cluster-ip", owner)
        for step in range(span):
            address = str(self._services[static_band + (first + step) % span])
            if address not in self._taken:
                return address
        raise LimitError(f"no service address is left in {self._services}", None, "give a larger service range", owner)


def _network(text: str) -> IPv4Network:
    try:
        return ipaddress.IPv4Network(text, strict=False)
    except ValueError as error:
        raise InputError(f"'{text}' is not an IPv4 range", None, "write a range such as 10.244.0.0/16") from error
