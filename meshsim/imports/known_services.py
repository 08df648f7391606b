"""Services that manifests have: where they are, under which port and behind which labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from meshsim.api import ApiObject, load_paths
from meshsim.api.fields import Fields

_HTTP: Final = ("http", "http2", "grpc", "grpc-web")


@dataclass(frozen=True, slots=True)
class KnownService:
    """A Service of Kubernetes."""

    name: str
    namespace: str
    port: int
    labels: Mapping[str, str]
    """Of its pods."""

    def host_from(self, namespace: str) -> str:
        """`host:port` as callers in a namespace write it."""
        name = self.name if namespace == self.namespace else f"{self.name}.{self.namespace}"
        return f"{name}:{self.port}"


def known_services(paths: Sequence[Path]) -> dict[str, KnownService]:
    """The Services with pods of files and folders, by name; the first of a name counts. Raises `InputErrors`."""
    found: dict[str, KnownService] = {}
    for item in load_paths([str(path) for path in paths], Path()).objects:
        if item.kind == "Service" and item.group == "":
            labels = item.spec.text_map("selector")
            port = _port(item)
            if labels and port:
                found.setdefault(item.name, KnownService(item.name, item.namespace, port, labels))
    return found


def _port(item: ApiObject) -> int:
    """The first port that speaks HTTP by its name or appProtocol, as Istio reads it, else the first of all."""
    ports = list(item.spec.items("ports"))
    for port in ports:
        if _protocol(port) in _HTTP:
            return port.integer("port")
    return ports[0].integer("port") if ports else 0


def _protocol(port: Fields) -> str:
    """What a port says that it speaks."""
    said = port.text("appProtocol") or port.text("name")
    return said if said in _HTTP else said.partition("-")[0]
