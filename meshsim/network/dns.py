"""What a name means to a pod: the answer of the kube's DNS, search path included.

Kubernetes "DNS for Services and Pods": search path ``<namespace>.svc.<domain> svc.<domain> <domain>`` with ``ndots:5``,
so a short name is completed first; ExternalName is a CNAME; headless services answer with their ready endpoints.

DEVIATION: a name outside the kube answers with one made-up address of the documentation ranges (RFC 5737), the same for
the same name; real DNS answers are not consulted.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import Enum
from typing import Final

from meshsim.api import ApiObject, ObjectKey, ObjectView


class AnswerKind(Enum):
    """Where an answer comes from."""

    SERVICE = "service"
    HEADLESS = "headless"
    ENTRY = "entry"
    """A ServiceEntry with addresses."""
    EXTERNAL = "external"
    """Outside the kube."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A name resolved: the full host name and its addresses, empty when a headless service has no ready endpoint."""

    host: str
    addresses: tuple[str, ...]
    kind: AnswerKind
    namespace: str = ""
    service: str = ""
    """Name of the Service object behind it."""


_MAX_ALIASES: Final = 8


class Resolver:
    """Answers names from the objects of a kube."""

    def __init__(self, objects: ObjectView, domain: str = "cluster.local") -> None:
        self._objects = objects
        self._domain = domain

    def resolve(self, name: str, namespace: str) -> Answer | None:
        """The answer to a pod of this namespace; `None` when neither the kube nor the outside can know the name."""
        host = name.rstrip(".").lower()
        for _ in range(_MAX_ALIASES):
            service = self._service(host, namespace)
            if service is None:
                return self._other(host)
            alias = service.spec.text("externalName") if service.spec.text("type") == "ExternalName" else ""
            if not alias:
                return self._of_service(service)
            host, namespace = alias.rstrip(".").lower(), service.namespace
        return None

    def _service(self, host: str, namespace: str) -> ApiObject | None:
        parts = host.split(".")
        suffix = f".svc.{self._domain}"
        if host.endswith(suffix):
            parts = host.removesuffix(suffix).split(".")
        elif len(parts) == 3 and parts[2] == "svc":
            parts = parts[:2]
        if len(parts) == 1:
            return self._find(parts[0], namespace)
        if len(parts) == 2:
            return self._find(parts[0], parts[1])
        if len(parts) == 3:
            return self._find(parts[1], parts[2])  # a pod of a headless service: pod.service.namespace
        return None

    def _find(self, name: str, namespace: str) -> ApiObject | None:
        return self._objects.get(ObjectKey("", "Service", namespace, name))

    def _of_service(self, service: ApiObject) -> Answer:
        host = f"{service.name}.{service.namespace}.svc.{self._domain}"
        address = service.spec.text("clusterIP")
        if address and address != "None":
            return Answer(host, (address,), AnswerKind.SERVICE, service.namespace, service.name)
        return Answer(host, self._endpoints(service), AnswerKind.HEADLESS, service.namespace, service.name)

    def _endpoints(self, service: ApiObject) -> tuple[str, ...]:
        publish = service.spec.flag("publishNotReadyAddresses")
        found: dict[str, None] = {}
        for item in self._objects.select("EndpointSlice", None, service.namespace):
            if item.labels.get("kubernetes.io/service-name") != service.name:
                continue
            for endpoint in item.fields.items("endpoints"):
                if publish or endpoint.fields("conditions").optional_flag("ready") is not False:
                    found.update(dict.fromkeys(endpoint.texts("addresses")))
        return tuple(found)

    def _other(self, host: str) -> Answer | None:
        for entry in self._objects.select("ServiceEntry"):
            if host in entry.spec.texts("hosts"):
                addresses = tuple(a for a in entry.spec.texts("addresses") if "/" not in a) or _assigned(entry, host)
                if addresses:
                    return Answer(host, addresses, AnswerKind.ENTRY, entry.namespace)
                return Answer(host, (outside_address(host),), AnswerKind.EXTERNAL, entry.namespace)
        if self._is_outside(host):
            return Answer(host, (outside_address(host),), AnswerKind.EXTERNAL)
        return None

    def _is_outside(self, host: str) -> bool:
        """A name of at least two labels that is not of the kube's own domain, nor ``name.namespace`` of one."""
        if _is_address(host):
            return True
        labels = host.split(".")
        if len(labels) < 2 or host.endswith((f".{self._domain}", ".svc")):
            return False
        namespaces = {n.name for n in self._objects.select("Namespace")}
        return not (len(labels) == 2 and labels[1] in namespaces)


def _assigned(entry: ApiObject, host: str) -> tuple[str, ...]:
    return tuple(a.text("value") for a in entry.status.items("addresses") if a.text("host", host) == host)


def _is_address(host: str) -> bool:
    parts = host.split(".")
    return len(parts) == 4 and all(p.isdigit() and int(p) < 256 for p in parts)


def outside_address(host: str) -> str:
    """The stand-in address of a name outside the kube."""
    if _is_address(host):
        return host
    number = int.from_bytes(hashlib.blake2b(host.encode(), digest_size=2).digest(), "big")
    block = ("192.0.2", "198.51.100", "203.0.113")[number % 3]
    return f"{block}.{number // 3 % 254 + 1}"
