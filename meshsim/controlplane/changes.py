"""What changed and what it asks for: push requests and how they merge (istio pilot/pkg/model/push_context.go, 1.31)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from meshsim.api import ApiObject, ObjectView
from meshsim.units import Nanos


class ConfigKey(NamedTuple):
    """One changed thing: a kind of Pilot's own list, its name and namespace."""

    kind: str
    name: str
    namespace: str


@dataclass(slots=True)
class PushRequest:
    """Merged changes waiting to be pushed."""

    keys: dict[ConfigKey, None] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    forced: bool = False
    """Regenerate everything, whatever the keys."""
    changes: list[int] = field(default_factory=list)
    """Numbers of the `meshsim.trace.ConfigChange` records in it."""
    push: int = 0
    """Number of the global push that carries it, 0 before it has one."""
    started: Nanos = 0

    def merge(self, other: PushRequest) -> None:
        """Unite with a later request: the first start kept, forced or-ed, the newest push."""
        self.keys.update(other.keys)
        for reason, count in other.reasons.items():
            self.reasons[reason] = self.reasons.get(reason, 0) + count
        self.forced = self.forced or other.forced
        self.changes += [c for c in other.changes if c not in self.changes]
        self.push = max(self.push, other.push)
        self.started = self.started or other.started

    def copy(self) -> PushRequest:
        """A request of its own with the same content."""
        return PushRequest(
            dict(self.keys), dict(self.reasons), self.forced, list(self.changes), self.push, self.started
        )

    @property
    def kinds(self) -> list[str]:
        """Kinds among the keys, sorted."""
        return sorted({key.kind for key in self.keys})


CONFIG_KINDS: Final = frozenset(
    {
        "VirtualService",
        "DestinationRule",
        "Gateway",
        "Sidecar",
        "ServiceEntry",
        "WorkloadEntry",
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
"""Istio's kinds, each its own kind of change."""

_GATEWAY_API: Final = frozenset(
    {"GatewayClass", "HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute", "ReferenceGrant", "Ingress", "IngressClass"}
)


def request_for(
    verb: str, item: ApiObject, before: ApiObject | None, domain: str, objects: ObjectView
) -> PushRequest | None:
    """The push request of one watch event, `None` when istiod would not push.

    `objects` holds the state after the event. Which event yields which request: istio
    pilot/pkg/serviceregistry/kube/controller, pilot/pkg/bootstrap/server.go, pilot/pkg/model/endpointshards.go.
    """
    if item.kind == "Service":
        return _service(verb, item, before, domain)
    if item.kind == "EndpointSlice":
        return _endpoint_slice(verb, item, before, domain, objects)
    if item.kind in CONFIG_KINDS or item.kind in _GATEWAY_API:
        if before is not None and verb == "update" and not _config_needs_push(item, before):
            return None
        kind = "KubernetesGateway" if item.kind == "Gateway" and item.group != "networking.istio.io" else item.kind
        return PushRequest({ConfigKey(kind, item.name, item.namespace): None}, {"config": 1})
    if item.kind == "Namespace" and (before is None or dict(before.labels) != dict(item.labels)):
        return PushRequest({ConfigKey("Namespace", item.name, ""): None}, {"namespace": 1})
    return None


def _service_key(name: str, namespace: str, domain: str) -> ConfigKey:
    return ConfigKey("ServiceEntry", f"{name}.{namespace}.svc.{domain}", namespace)


def _service(verb: str, item: ApiObject, before: ApiObject | None, domain: str) -> PushRequest | None:
    if verb == "update" and before is not None and before.spec == item.spec and _same_marks(before, item):
        return None
    return PushRequest({_service_key(item.name, item.namespace, domain): None}, {"service": 1})


def _same_marks(before: ApiObject, item: ApiObject) -> bool:
    return dict(before.labels) == dict(item.labels) and dict(before.annotations) == dict(item.annotations)


def _config_needs_push(item: ApiObject, before: ApiObject) -> bool:
    """istio pilot/pkg/model/config_compare.go: a spec that differs, or a mark whose key holds ``istio.io``."""
    if not item.group.endswith("istio.io"):
        return True
    marks = [*item.labels, *item.annotations, *before.labels, *before.annotations]
    return any("istio.io" in key for key in marks) or before.spec != item.spec


class _Address(NamedTuple):
    ip: str
    ready: bool
    target: str


def _addresses(item: ApiObject | None) -> dict[_Address, None]:
    out: dict[_Address, None] = {}
    if item is None:
        return out
    ports = tuple(str(dict(p.body)) for p in item.fields.items("ports"))
    for endpoint in item.fields.items("endpoints"):
        conditions = endpoint.fields("conditions")
        ready = conditions.optional_flag("ready") is not False
        if not ready and conditions.flag("terminating"):
            continue
        for ip in endpoint.texts("addresses"):
            out[_Address(ip, ready, endpoint.fields("targetRef").text("name") + "|".join(ports))] = None
    return out


def _accounts(item: ApiObject | None, objects: ObjectView) -> list[str]:
    if item is None:
        return []
    pods = {p.name: p for p in objects.select("Pod", "", item.namespace)}
    accounts = set()
    for endpoint in item.fields.items("endpoints"):
        pod = pods.get(endpoint.fields("targetRef").text("name"))
        if pod is not None:
            accounts.add(pod.spec.text("serviceAccountName", "default"))
    return sorted(accounts)


def _endpoint_slice(
    verb: str, item: ApiObject, before: ApiObject | None, domain: str, objects: ObjectView
) -> PushRequest | None:
    service = item.labels.get("kubernetes.io/service-name", "")
    if not service:
        return None
    after = {} if verb == "delete" else _addresses(item)
    if before is not None and verb == "update" and after == _addresses(before):
        return None
    key = _service_key(service, item.namespace, domain)
    headless = _is_headless(objects, item.namespace, service)
    new_shard = before is None and verb == "add"
    accounts_changed = verb == "update" and _accounts(before, objects) != _accounts(item, objects) and bool(after)
    if new_shard or accounts_changed:
        return PushRequest({key: None}, {"endpoint": 1})
    keys = {ConfigKey("Endpoints", key.name, key.namespace): None}
    reasons = {"endpoint": 1}
    if headless:
        keys[key] = None
        reasons["headlessendpoint"] = 1
    return PushRequest(keys, reasons)


def _is_headless(objects: ObjectView, namespace: str, name: str) -> bool:
    for service in objects.select("Service", "", namespace):
        if service.name == name:
            return service.spec.text("clusterIP") == "None"
    return False


def proxy_request() -> PushRequest:
    """A pod became ready for the first time or changed its labels: everything for its own proxy, past the debounce."""
    return PushRequest(forced=True, reasons={"proxy": 1})


def global_request(reason: str = "global") -> PushRequest:
    """MeshConfig and the like: everything for everybody."""
    return PushRequest(forced=True, reasons={reason: 1})


