"""Small functions of the templates: lists of excluded ports and of CNI networks (istio pkg/kube/inject/template.go)."""

from __future__ import annotations

import json


def exclude_inbound_ports(status_port: str, excluded: str) -> str:
    """The excluded inbound ports with the status port added, unless it is there already, empty or 0."""
    port = status_port.strip()
    if port in ("", "0"):
        return excluded
    ports = excluded.split(",")
    if port in ports:
        return excluded
    return ",".join([*(part.strip() for part in ports if part.strip()), port])


def append_network(networks: str, added: str) -> str:
    """A ``k8s.v1.cni.cncf.io/networks`` annotation (names or a JSON list) with one more network."""
    if not networks:
        return added
    namespace, _, name = added.rpartition("/")
    end = networks.rfind("]")
    if end < 0:
        if added in [part.strip() for part in networks.split(",")]:
            return networks
        return f"{networks}, {added}"
    try:
        entries: object = json.loads(networks)
    except ValueError:
        return networks
    known = [e for e in entries if isinstance(e, dict)] if isinstance(entries, list) else []
    if any(e.get("name") == name and e.get("namespace", "") == namespace for e in known):
        return networks
    extra = {"name": name, **({"namespace": namespace} if namespace else {})}
    return f"{networks[:end]}, {json.dumps(extra)}{networks[end:]}"
