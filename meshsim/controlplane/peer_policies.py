"""mTLS modes of namespaces and workloads as one value: the same object as long as no PeerAuthentication changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from meshsim.api import ApiObject
from meshsim.controlplane.model import MutualTls
from meshsim.controlplane.snapshot import identical

if TYPE_CHECKING:
    from meshsim.controlplane.mesh import MeshConfig


class PolicySource(Protocol):
    """Where policies are read from."""

    @property
    def mesh(self) -> MeshConfig: ...

    def configs(self, kind: str, namespace: str | None = None) -> tuple[ApiObject, ...]: ...


class PeerPolicies:
    """PeerAuthentications of the mesh, oldest first."""

    def __init__(self, mesh: MeshConfig, policies: tuple[ApiObject, ...]) -> None:
        self._mesh = mesh
        self._policies = policies
        self._by_namespace: dict[str, tuple[ApiObject, ...]] = {}
        for item in policies:
            self._by_namespace[item.namespace] = (*self._by_namespace.get(item.namespace, ()), item)

    @property
    def mesh(self) -> MeshConfig:
        return self._mesh

    def configs(self, kind: str, namespace: str | None = None) -> tuple[ApiObject, ...]:
        """The policies of a namespace, or all."""
        return self._policies if namespace is None else self._by_namespace.get(namespace, ())

    def effective(self, namespace: str) -> tuple[ApiObject, ...]:
        """The policies of a namespace that count: those with a selector, and the oldest without
        (istio pilot/pkg/model/authentication.go addPeerAuthentication)."""
        found: list[ApiObject] = []
        general = False
        for item in self._by_namespace.get(namespace, ()):
            if item.spec.fields("selector").text_map("matchLabels"):
                found.append(item)
            elif not general:
                general = True
                found.append(item)
        return tuple(found)

    def is_made_of(self, mesh: MeshConfig, policies: tuple[ApiObject, ...]) -> bool:
        """Whether it was made from these very objects."""
        return mesh is self._mesh and identical(policies, self._policies)

    def mode(self, namespace: str, labels: Mapping[str, str] | None = None, port: int = 0) -> MutualTls:
        """Mode of a workload's port; without labels that of its namespace or mesh (`UNKNOWN` when nobody says)."""
        from meshsim.controlplane.authn import mutual_tls_mode

        if namespace not in self._by_namespace and self._mesh.root_namespace not in self._by_namespace:
            return MutualTls.UNKNOWN if labels is None else MutualTls.PERMISSIVE
        return mutual_tls_mode(self, namespace, labels, port)
