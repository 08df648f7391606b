"""What istiod's controllers make of a watch event: the push requests it asks for.

Services, endpoints and pods: istio pilot/pkg/serviceregistry/kube/controller (controller, endpointslice and pod.go).
ServiceEntries and WorkloadEntries: pilot/pkg/serviceregistry/serviceentry. Istio's own kinds and what is made of
Gateway API objects: the handlers of pilot/pkg/xds/fake.go and pilot/pkg/config/kube/gateway. Release 1.31.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Final

from meshsim.api import ApiObject, ObjectStore
from meshsim.controlplane.changes import ConfigKey, PushRequest
from meshsim.controlplane.conversion import READ_KINDS as CONVERTED_KINDS
from meshsim.controlplane.conversion import Converted, convert
from meshsim.controlplane.endpoint_index import EndpointIndex, PushType
from meshsim.controlplane.kube_services import service_hostname
from meshsim.controlplane.mesh import MeshConfig
from meshsim.controlplane.model import Registry, Service
from meshsim.controlplane.namespaces import discovered_namespaces
from meshsim.controlplane.registry import ServiceRegistry
from meshsim.controlplane.snapshot import Snapshot
from meshsim.controlplane.topology import labels_match
from meshsim.controlplane.visibility import exported_to

_ISTIO: Final = "istio.io"
_SERVICE_NAME: Final = "kubernetes.io/service-name"

_CONFIG_KINDS: Final = frozenset(
    {
        "VirtualService",
        "DestinationRule",
        "Gateway",
        "Sidecar",
        "WorkloadGroup",
        "EnvoyFilter",
        "PeerAuthentication",
        "RequestAuthentication",
        "AuthorizationPolicy",
        "Telemetry",
        "ProxyConfig",
        "WasmPlugin",
        "TrafficExtension",
    }
)
"""Istio's kinds that are pushed whenever an object is written, changed or not."""

_REGISTRY_KINDS: Final = frozenset(
    {"Service", "EndpointSlice", "ServiceEntry", "WorkloadEntry", "Pod", "Node", "Namespace"}
)
"""Kinds of which services and endpoints are made."""

_OF_SERVICE: Final = tuple(
    field.name for field in fields(Service) if field.name not in ("source", "aliases", "annotations")
)
"""What makes two services differ (istio pilot/pkg/model/service.go Service.Equals)."""


@dataclass(slots=True)
class Consequences:
    """What one event asks for."""

    request: PushRequest = field(default_factory=PushRequest)
    """Changes for everybody, to be debounced; without keys there is nothing to push."""
    addresses: dict[str, None] = field(default_factory=dict)
    """Workloads whose own proxy gets everything at once (istio pilot/pkg/xds/eds.go ProxyUpdate)."""

    def add(self, key: ConfigKey, reason: str) -> None:
        self.request.keys[key] = None
        self.request.reasons[reason] = self.request.reasons.get(reason, 0) + 1


class EventReader:
    """Istiod's controllers: they know services and endpoints as of the last event and tell what each event changed."""

    def __init__(self, mesh: MeshConfig, objects: ObjectStore) -> None:
        self._mesh = mesh
        self._objects = objects
        self.registry = ServiceRegistry(Snapshot(objects), mesh)
        """Services and endpoints as of the last event."""
        self._ready = {_name(pod): None for pod in objects.select("Pod") if _is_cached(pod)}
        self._index = EndpointIndex()
        for hostname, owners in self.registry.by_host.items():
            for namespace in owners:
                for source in Registry:
                    endpoints = self.registry.shard(hostname, namespace, source)
                    if endpoints:
                        self._index.update(hostname, namespace, source, endpoints)
        self._converted = self._convert(None)

    def read(self, verb: str, item: ApiObject, before: ApiObject | None) -> Consequences:
        """What an event asks for that the objects already show."""
        found = Consequences()
        if item.kind in _REGISTRY_KINDS and self._is_registered(verb, item, before):
            previous = self.registry
            self.registry = ServiceRegistry(Snapshot(self._objects), self._mesh, previous)
            self._read_registry(verb, item, before, previous, found)
        if item.kind in _CONFIG_KINDS and item.group.endswith(_ISTIO):
            self._read_config(verb, item, before, found)
        if item.kind in CONVERTED_KINDS:
            self._read_converted(found)
        return found

    # --- services and endpoints -----------------------------------------------------------------------------

    def _is_registered(self, verb: str, item: ApiObject, before: ApiObject | None) -> bool:
        """Whether an event may change services or endpoints; most updates of pods do not."""
        if item.kind == "Namespace":
            return bool(self._mesh.discovery_selectors)
        if item.kind == "Pod":
            return verb != "update" or before is None or _placed(item) != _placed(before)
        if item.kind == "Node":
            return before is None or dict(before.labels) != dict(item.labels)
        return True

    def _read_registry(
        self, verb: str, item: ApiObject, before: ApiObject | None, previous: ServiceRegistry, found: Consequences
    ) -> None:
        if item.kind == "Service" and self._is_discovered(item.namespace):
            self._service(item, service_hostname(item.name, item.namespace, self._mesh.domain), previous, found)
        elif item.kind == "EndpointSlice" and self._is_discovered(item.namespace):
            self._endpoint_slice(item, found)
        elif item.kind == "Pod":
            self._pod(verb, item, before, found)
        elif item.kind == "Namespace":
            self._namespace(previous, found)
        elif item.kind == "WorkloadEntry":
            self._selecting_services(item, before, found)
        for hostname, namespace in self.registry.external.changed_since(previous.external):
            self._external(hostname, namespace, previous, found)

    def _is_discovered(self, namespace: str) -> bool:
        chosen = discovered_namespaces(self._objects, self._mesh)
        return chosen is None or namespace in chosen

    def _service(self, item: ApiObject, hostname: str, previous: ServiceRegistry, found: Consequences) -> None:
        old, new = previous.kube.by_hostname.get(hostname), self.registry.kube.by_hostname.get(hostname)
        if new is None:
            self._index.delete(hostname, item.namespace, Registry.KUBERNETES)
        else:
            endpoints = self.registry.shard(hostname, item.namespace, Registry.KUBERNETES)
            if endpoints:
                # Taken in without a push of its own: the one of the service carries it.
                self._index.update(hostname, item.namespace, Registry.KUBERNETES, endpoints)
        if _needs_push(old, new):
            found.add(ConfigKey("ServiceEntry", hostname, item.namespace), "service")

    def _endpoint_slice(self, item: ApiObject, found: Consequences) -> None:
        name = item.labels.get(_SERVICE_NAME, "")
        if not name:
            return
        hostname = service_hostname(name, item.namespace, self._mesh.domain)
        service = self.registry.kube.by_hostname.get(hostname)
        if service is not None and "~" in service.export_to:
            return
        self._endpoints(hostname, item.namespace, Registry.KUBERNETES, found)
        if service is not None and service.is_headless:
            only_http = all(port.protocol.is_http for port in service.ports)
            kind = "DNSName" if only_http else "ServiceEntry"
            found.add(ConfigKey(kind, hostname, item.namespace), "headlessendpoint")

    def _endpoints(self, hostname: str, namespace: str, source: Registry, found: Consequences) -> None:
        """Take in the endpoints a registry now has of a host (istio pilot/pkg/xds/eds.go EDSUpdate)."""
        push = self._index.update(hostname, namespace, source, self.registry.shard(hostname, namespace, source))
        if push is not PushType.NONE:
            kind = "ServiceEntry" if push is PushType.FULL else "Endpoints"
            found.add(ConfigKey(kind, hostname, namespace), "endpoint")

    def _pod(self, verb: str, item: ApiObject, before: ApiObject | None, found: Consequences) -> None:
        """istio pilot/pkg/serviceregistry/kube/controller/pod.go: pods count from when they are ready."""
        if verb == "delete" or not _is_cached(item):
            self._ready.pop(_name(item), None)
        elif _name(item) not in self._ready:
            self._ready[_name(item)] = None
            found.addresses[item.status.text("podIP")] = None
        elif before is not None and dict(before.labels) != dict(item.labels):
            found.addresses[item.status.text("podIP")] = None
            for service in self.registry.kube.services:
                if _selects(service, item):
                    endpoints = self.registry.shard(service.hostname, service.namespace, Registry.KUBERNETES)
                    if endpoints:
                        self._index.update(service.hostname, service.namespace, Registry.KUBERNETES, endpoints)
                    found.add(ConfigKey("Endpoints", service.hostname, service.namespace), "endpoint")
        if verb == "add":
            # Slices that named the pod before it was known are read again.
            for hostname in sorted(self.registry.kube.changed or ()):
                self._endpoints(hostname, item.namespace, Registry.KUBERNETES, found)

    def _namespace(self, previous: ServiceRegistry, found: Consequences) -> None:
        """A namespace came into view or left it, with its services."""
        now, before = self.registry.kube.by_hostname, previous.kube.by_hostname
        for hostname in dict.fromkeys((*before, *now)):
            service = now.get(hostname) or before[hostname]
            if (hostname in now) is (hostname in before) or service.source is None:
                continue
            self._service(service.source, hostname, previous, found)
            if hostname in now:
                self._endpoints(hostname, service.namespace, Registry.KUBERNETES, found)

    def _selecting_services(self, item: ApiObject, before: ApiObject | None, found: Consequences) -> None:
        """Services of the kube that select a WorkloadEntry, or did."""
        labels = [{**one.spec.text_map("labels"), **one.labels} for one in (item, before) if one is not None]
        for service in self.registry.kube.services:
            selecting = service.namespace == item.namespace and service.selector and not service.is_headless
            if selecting and any(labels_match(service.selector, some) for some in labels):
                self._endpoints(service.hostname, service.namespace, Registry.KUBERNETES, found)

    def _external(self, hostname: str, namespace: str, previous: ServiceRegistry, found: Consequences) -> None:
        """A host of ServiceEntries whose object or workloads changed."""
        old = previous.external.declared(hostname, namespace)
        new = self.registry.external.declared(hostname, namespace)
        self._selected(old, new, (hostname, namespace), previous, found)
        key = ConfigKey("ServiceEntry", hostname, namespace)
        same = len(old) == len(new) and all(_equal(one, other) for one, other in zip(old, new, strict=True))
        if not same:
            found.add(key, "service")
        if not new:
            self._index.delete(hostname, namespace, Registry.EXTERNAL)
            return
        if same and all(service.is_dns for service in new):
            shard = self.registry.shard(hostname, namespace, Registry.EXTERNAL)
            if shard != previous.shard(hostname, namespace, Registry.EXTERNAL):
                # Their endpoints stand in the cluster.
                found.add(key, "service")
        self._endpoints(hostname, namespace, Registry.EXTERNAL, found)

    def _selected(
        self,
        old: Sequence[Service],
        new: Sequence[Service],
        host: tuple[str, str],
        previous: ServiceRegistry,
        found: Consequences,
    ) -> None:
        """Workloads that ServiceEntries began or ceased to select on some port learn what they serve
        (istio pilot/pkg/serviceregistry/serviceentry/controller.go pushProxyUpdates)."""
        before, now = (
            {(e.address, e.port_name): None for e in registry.shard(*host, Registry.EXTERNAL)}
            if any(service.selector for service in services)
            else {}
            for registry, services in ((previous, old), (self.registry, new))
        )
        found.addresses.update((address, None) for address, port in now if (address, port) not in before)
        gone = dict.fromkeys(address for address, port in before if (address, port) not in now)
        found.addresses.update((address, None) for address in gone if self._lives(address, host[1]))

    def _lives(self, address: str, namespace: str) -> bool:
        """Whether there is still a ready pod or a WorkloadEntry at an address."""
        pod = self.registry.kube.pods_by_ip.get(address)
        entries = self.registry.external.workload_entries.get(namespace, ())
        return (pod is not None and _is_cached(pod)) or any(e.endpoint.address == address for e in entries)

    # --- configuration --------------------------------------------------------------------------------------

    def _read_config(self, verb: str, item: ApiObject, before: ApiObject | None, found: Consequences) -> None:
        found.add(ConfigKey(item.kind, item.name, item.namespace), "config")
        if item.kind == "WasmPlugin":
            found.add(ConfigKey("TrafficExtension", item.name, item.namespace), "config")
        elif item.kind == "VirtualService" and (verb != "update" or before is None or before.spec != item.spec):
            for root in self._roots(item):
                found.add(ConfigKey("VirtualService", root.name, root.namespace), "config")

    def _roots(self, delegate: ApiObject) -> Iterator[ApiObject]:
        """VirtualServices that lead to this one: they are merged anew (virtualservice_controller.go)."""
        for item in self._objects.select("VirtualService"):
            for route in item.spec.items("http"):
                target = route.fields("delegate")
                if (
                    target.text("name") == delegate.name
                    and (target.text("namespace") or item.namespace) == delegate.namespace
                ):
                    yield item
                    break

    def _read_converted(self, found: Consequences) -> None:
        """Istio objects that are made of Gateway API and Ingress objects and differ now."""
        previous = self._converted
        self._converted = self._convert(previous)
        for kind in ("Gateway", "VirtualService", "DestinationRule"):
            old = {item.key: item for item in previous.of_kind(kind)}
            new = {item.key: item for item in self._converted.of_kind(kind)}
            for key in dict.fromkeys((*old, *new)):
                if old.get(key) is not new.get(key):
                    found.add(ConfigKey(kind, key.name, key.namespace), "config")

    def _convert(self, previous: Converted | None) -> Converted:
        return convert(self._objects, self._mesh, self._is_known, previous)

    def _is_known(self, hostname: str, namespace: str) -> bool:
        owners = self.registry.by_host.get(hostname, {})
        return any(
            service.namespace == namespace
            or exported_to(service.export_to or self._mesh.service_export_to, service.namespace, namespace)
            for service in owners.values()
        )


def _is_cached(pod: ApiObject) -> bool:
    """Whether Pilot counts with a pod: it has an address, is ready, has not ended and is not to go."""
    status = pod.status
    return (
        bool(status.text("podIP"))
        and status.text("phase") not in ("Succeeded", "Failed")
        and "deletionTimestamp" not in pod.metadata
        and any(c.text("type") == "Ready" and c.text("status") == "True" for c in status.items("conditions"))
    )


def _name(pod: ApiObject) -> tuple[str, str]:
    return pod.namespace, pod.name


def _placed(pod: ApiObject) -> tuple[object, ...]:
    """What endpoints and services take from a pod."""
    return dict(pod.labels), pod.status.text("podIP"), _is_cached(pod), pod.spec.text("nodeName")


def _selects(service: Service, pod: ApiObject) -> bool:
    return service.namespace == pod.namespace and bool(service.selector) and labels_match(service.selector, pod.labels)


def _needs_push(old: Service | None, new: Service | None) -> bool:
    """istio pilot/pkg/serviceregistry/kube/controller/controller.go serviceUpdateNeedsPush and deleteService."""
    known = [service for service in (old, new) if service is not None]
    if all("~" in service.export_to for service in known):
        return False
    return old is None or new is None or not _equal(old, new) or _target_ports(old) != _target_ports(new)


def _equal(one: Service, other: Service) -> bool:
    return one is other or all(getattr(one, name) == getattr(other, name) for name in _OF_SERVICE)


def _target_ports(service: Service) -> list[object]:
    source = service.source
    return [port.value("targetPort") for port in source.spec.items("ports")] if source is not None else []
