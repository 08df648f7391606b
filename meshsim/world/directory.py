"""The pods of a run as the data plane knows them: who has which address, what each does, its number in the engine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from meshsim.api import ApiObject
from meshsim.api.canonical import canonical_name, canonical_revision
from meshsim.network import Party
from meshsim.world.behaviour import Behaviour


class Group(NamedTuple):
    """Pods that count as one in results: canonical service and revision in a namespace."""

    namespace: str
    app: str
    version: str


def group_of(pod: ApiObject, workload: str) -> Group:
    """Namespace, canonical service and revision of a pod."""
    return Group(pod.namespace, canonical_name(pod.labels, workload or pod.name), canonical_revision(pod.labels))


@dataclass(slots=True, eq=False)
class PodEntry:
    """One pod, from its first process to its end; container restarts keep it, a pod that boots anew gets another."""

    name: str
    namespace: str
    uid: str
    address: str
    party: Party
    group: Group
    service_account: str
    has_proxy: bool
    is_gateway: bool
    """Whether the proxy runs alone."""
    number: int
    """Pod of the engine."""
    proxy_number: int
    """Proxy of the engine, -1 without."""
    behaviour: Behaviour
    """What it does with requests."""
    alive: bool = True
    reachable: bool = True
    """False once its node is dead: packets to it vanish."""

    @property
    def id(self) -> str:
        """Proxy id of the pod, ``pod.namespace``."""
        return f"{self.name}.{self.namespace}"

    @property
    def identity(self) -> str:
        """SPIFFE id without the trust domain, ``ns/shop/sa/client``."""
        return f"ns/{self.namespace}/sa/{self.service_account}"


class Directory:
    """Pods by name and by address; the newest holder of an address counts."""

    def __init__(self) -> None:
        self._by_id: dict[str, PodEntry] = {}
        self._by_address: dict[str, PodEntry] = {}
        self.all: list[PodEntry] = []
        """Every pod there has been, in the order of the engine's numbers."""
        self.groups: dict[Group, int] = {}
        """Groups by their number in the engine's series."""

    def group_number(self, group: Group) -> int:
        """The number of a group; the first call gives it one."""
        return self.groups.setdefault(group, len(self.groups))

    def add(self, entry: PodEntry) -> None:
        self._by_id[entry.id] = entry
        self._by_address[entry.address] = entry
        self.all.append(entry)

    def get(self, pod_id: str) -> PodEntry | None:
        """The pod of a proxy id."""
        return self._by_id.get(pod_id)

    def at(self, address: str) -> PodEntry | None:
        """The pod that has an address, or had it last."""
        return self._by_address.get(address)

    def __iter__(self) -> Iterator[PodEntry]:
        return iter(self._by_id.values())
