"""Metrics merging: Prometheus scrapes the agent, the agent the application (istio pkg/kube/inject/webhook.go, 1.31)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final, NamedTuple, NoReturn

from meshsim.admission.annotations import MERGE_METRICS, parse_bool
from meshsim.api import Fields
from meshsim.errors import InputError

VARIABLE: Final = "ISTIO_PROMETHEUS_ANNOTATIONS"
TARGETS: Final = "prometheus.istio.io/scrape-targets"
_STRANGE: Final = re.compile(r"[^a-zA-Z0-9_]")
RESERVED_PORTS: Final[Mapping[str, str]] = {
    "15000": "Envoy admin",
    "15001": "outbound traffic capture",
    "15004": "pilot debug",
    "15006": "inbound traffic capture",
    "15008": "HBONE tunnel",
    "15020": "pilot-agent status / merged Prometheus",
    "15021": "Envoy health",
    "15053": "DNS proxy",
    "15090": "Envoy Prometheus (already merged)",
}


class Merge(NamedTuple):
    """What metrics merging does to a pod."""

    annotations: dict[str, str]
    variable: str
    """Value of the proxy's variable, empty when there is nothing to merge."""


def merges(mesh: Fields, annotations: Mapping[str, str]) -> bool:
    """Whether metrics are merged: annotation, then mesh config, then yes."""
    asked = parse_bool(annotations[MERGE_METRICS]) if MERGE_METRICS in annotations else None
    return mesh.flag("enablePrometheusMerge", True) if asked is None else asked


def apply_merge(mesh: Fields, annotations: Mapping[str, str], status_port: int) -> Merge | None:
    """The annotations after merging, ``None`` when nothing is to be done; `InputError` for a port not to be scraped."""
    own = _own(annotations)
    if parse_bool(own["scrape"]) is False or not merges(mesh, annotations):
        return None
    port = str(status_port)
    if own["port"] == port:
        return None
    if own["port"]:
        _check_port("configuration", "port", own["port"])
    configuration: dict[str, object] = dict(own)
    try:
        targets = parse_targets(annotations.get(TARGETS, ""))
    except ValueError:
        targets = []
    for target in targets:
        if target["port"] == port:
            _refuse("targets", f"target port {port} conflicts with agent port")
        _check_port("targets", "target port", target["port"])
    if targets:
        configuration["targets"] = targets
        configuration["port"] = targets[0]["port"]
        configuration["path"] = targets[0]["path"]
    kept = {key: value for key, value in annotations.items() if _plain(key) not in _OWN and key != TARGETS}
    kept |= {
        "prometheus.io/port": port,
        "prometheus.io/path": "/stats/prometheus",
        "prometheus.io/scrape": "true",
    }
    filled = any(configuration.values())
    return Merge(kept, json.dumps(configuration, separators=(",", ":")) if filled else "")


def parse_targets(text: str) -> list[dict[str, str]]:
    """Targets of a scrape-targets annotation (``port[:path]``, comma separated); raises `ValueError`."""
    targets = []
    for part in text.split(","):
        if not part.strip():
            continue
        port, _, path = part.strip().partition(":")
        if not port:
            raise ValueError(f'empty port in scrape target "{part.strip()}"')
        targets.append({"port": port, "path": path or "/metrics"})
    return targets


def _check_port(what: str, name: str, port: str) -> None:
    if not port.isdigit() or not 0 < int(port) < 1 << 16:
        _refuse(what, f'invalid {name} "{port}"')
    if port in RESERVED_PORTS:
        _refuse(what, f"{name} {port} is reserved for Istio ({RESERVED_PORTS[port]}) and cannot be scraped")


def _refuse(what: str, why: str) -> NoReturn:
    message = f"failed to process pod: invalid prometheus scrape {what}: {why}"
    raise InputError(message, None, "name a port the application serves metrics on")


_OWN: Final = {"prometheus_io_scrape": "scrape", "prometheus_io_path": "path", "prometheus_io_port": "port"}


def _plain(name: str) -> str:
    """A name as Prometheus makes a label of it."""
    return _STRANGE.sub("_", name)


def _own(annotations: Mapping[str, str]) -> dict[str, str]:
    found = {"scrape": "", "path": "", "port": ""}
    for name, value in annotations.items():
        key = _OWN.get(_plain(name))
        if key is not None:
            found[key] = value
    return found


def strip_merge(annotations: Mapping[str, str], status_port: int) -> dict[str, str]:
    """The annotations without what an earlier injection wrote."""
    if _own(annotations)["port"] != str(status_port):
        return dict(annotations)
    return {key: value for key, value in annotations.items() if _plain(key) not in _OWN}
