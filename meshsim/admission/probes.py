"""Probe rewriting: the kubelet asks the agent, the agent the application (istio pkg/kube/inject/app_probe.go, 1.31)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final

from meshsim.admission.annotations import STATUS_PORT, parse_bool
from meshsim.admission.context import PROXY
from meshsim.admission.parts import Body
from meshsim.api import Fields

_REWRITE: Final = "sidecar.istio.io/rewriteAppHTTPProbers"
VARIABLE: Final = "ISTIO_KUBE_APP_PROBERS"
_PROBES: Final = {"readinessProbe": "readyz", "livenessProbe": "livez", "startupProbe": "startupz"}
_HOOKS: Final = {"preStop": "prestopz", "postStart": "poststartz"}
_HANDLERS: Final = ("httpGet", "tcpSocket", "grpc")


def should_rewrite(annotations: Mapping[str, str], default: bool) -> bool:
    """Whether probes are rewritten: the annotation when it is a boolean, else the values."""
    asked = parse_bool(annotations[_REWRITE]) if _REWRITE in annotations else None
    return default if asked is None else asked


def status_port(annotations: Mapping[str, str], mesh_port: int) -> int:
    """The port rewritten probes go to: the annotation, else the mesh's."""
    text = annotations.get(STATUS_PORT, "").strip()
    return int(text) if text.isdigit() else mesh_port


def _watched(spec: Fields) -> list[Fields]:
    """Containers whose probes are rewritten: all but istio-proxy, and init containers that keep running."""
    init = [c for c in spec.items("initContainers") if c.text("restartPolicy") == "Always"]
    return [c for c in (*spec.items("containers"), *init) if c.text("name") != PROXY]


def dump_probers(spec: Fields, port: int) -> dict[str, object]:
    """What the agent must know to probe the applications, by URL path."""
    found: dict[str, object] = {}
    for container in _watched(spec):
        own = {p.text("name"): p.integer("containerPort") for p in container.items("ports") if "name" in p}
        for key, suffix in _PROBES.items():
            prober = _prober(container.fields(key), own, port)
            if prober is not None:
                found[f"/app-health/{container.text('name')}/{suffix}"] = prober
        for key, suffix in _HOOKS.items():
            prober = _prober(container.fields("lifecycle").fields(key), own, port)
            if prober is not None:
                found[f"/app-lifecycle/{container.text('name')}/{suffix}"] = prober
    return {path: found[path] for path in sorted(found)}


def _prober(probe: Fields, ports: Mapping[str, int], port: int) -> Body | None:
    for kind in _HANDLERS:
        if kind not in probe:
            continue
        handler = dict(probe.fields(kind).body)
        target = handler.get("port")
        if isinstance(target, str) and not target.isdigit():
            if target not in ports:
                return None
            handler["port"] = ports[target]
        if kind == "httpGet" and handler.get("port") == port:
            return None
        if kind == "grpc":
            handler.setdefault("service", None)
        prober: Body = {kind: handler}
        if probe.integer("timeoutSeconds"):
            prober["timeoutSeconds"] = probe.integer("timeoutSeconds")
        return prober
    return None


def rewrite_container(container: Body, port: int) -> Body:
    """A container whose probes and hooks go to the agent."""
    if container.get("name") == PROXY:
        return container
    name = str(container["name"])
    rewritten = dict(container)
    for key, suffix in _PROBES.items():
        probe = container.get(key)
        if isinstance(probe, Mapping):
            rewritten[key] = _rewrite(probe, f"/app-health/{name}/{suffix}", port)
    lifecycle = container.get("lifecycle")
    if isinstance(lifecycle, Mapping):
        rewritten["lifecycle"] = {
            key: _rewrite(hook, f"/app-lifecycle/{name}/{_HOOKS[key]}", port)
            if key in _HOOKS and isinstance(hook, Mapping)
            else hook
            for key, hook in lifecycle.items()
        }
    return rewritten


def _rewrite(probe: Mapping[str, object], path: str, port: int) -> Body:
    kind = next((kind for kind in _HANDLERS if probe.get(kind) is not None), None)
    rest = {key: value for key, value in probe.items() if key not in _HANDLERS}
    if kind is None:
        return dict(probe)
    handler = probe[kind]
    if kind == "httpGet" and isinstance(handler, Mapping):
        if handler.get("port") == port:
            return dict(probe)
        scheme = {"scheme": "HTTP"} if handler.get("scheme") == "HTTPS" else {}
        return {**rest, "httpGet": {**handler, "path": path, "port": port, **scheme}}
    return {**rest, "httpGet": {"path": path, "port": port}}


def add_probers(env: Sequence[Body], probers: Mapping[str, object], injected_before: bool) -> list[Body]:
    """The proxy's environment with what it must probe; a second injection merges, the older entries win."""
    text = json.dumps(probers, separators=(",", ":"))
    if injected_before:
        for index, entry in enumerate(env):
            if entry.get("name") == VARIABLE:
                older = json.loads(str(entry.get("value", "{}")))
                merged = {**probers, **older}
                text = json.dumps({path: merged[path] for path in sorted(merged)}, separators=(",", ":"))
                return [*env[:index], {"name": VARIABLE, "value": text}, *env[index + 1 :]]
    return [*env, {"name": VARIABLE, "value": text}]
