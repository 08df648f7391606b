"""Recordings of the injection webhook, and the comparison its README defines."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from meshsim.admission.settings import InjectionSettings, overlay
from meshsim.api import Fields

_JSON_ANNOTATIONS = ("sidecar.istio.io/status", "proxy.istio.io/overrides")
_JSON_VARIABLES = ("PROXY_CONFIG", "ISTIO_META_POD_PORTS", "ISTIO_KUBE_APP_PROBERS", "ISTIO_PROMETHEUS_ANNOTATIONS")


@pytest.fixture
def recording(oracle: Path) -> Callable[[str], Any]:
    """Reads one recorded file by name."""

    def read(name: str) -> Any:
        path = oracle / "injection" / name
        text = gzip.decompress(path.read_bytes()) if name.endswith(".gz") else path.read_bytes()
        return json.loads(text)

    return read


@pytest.fixture
def recorded_cases(oracle: Path) -> list[dict[str, Any]]:
    """All recorded webhook calls of single pods."""
    return [json.loads(path.read_text()) for path in sorted((oracle / "injection" / "pods" / "cases").glob("*.json"))]


@pytest.fixture
def recorded_settings(recording: Callable[[str], Any]) -> Callable[..., InjectionSettings]:
    """Makes the settings of a recorded name; keywords are the injector's own facts."""
    known = recording("pods/settings.json")["settings"]
    base = known["default"]

    def make(name: str, **facts: Any) -> InjectionSettings:
        entry = known[name]
        return InjectionSettings(
            values=overlay(base["values"], entry.get("values_merge_patch", {})),
            mesh=overlay(base["mesh"], entry.get("mesh_merge_patch", {})),
            policy=entry["policy"],
            never_inject=tuple(Fields(item) for item in entry["never_inject_selector"]),
            always_inject=tuple(Fields(item) for item in entry["always_inject_selector"]),
            default_templates=tuple(entry["default_templates"]),
            aliases={key: tuple(value) for key, value in (entry["aliases"] or {}).items()},
            injected_annotations=entry["injected_annotations"] or {},
            **facts,
        )

    return make


@pytest.fixture
def comparable() -> Callable[[Any], Any]:
    """Parses what is compared parsed: JSON inside annotations and variables."""

    def parse(pod: Any) -> Any:
        pod = json.loads(json.dumps(pod))
        annotations = pod["metadata"].get("annotations") or {}
        for name in _JSON_ANNOTATIONS:
            if annotations.get(name, "").startswith("{"):
                annotations[name] = json.loads(annotations[name])
        for kind in ("initContainers", "containers"):
            for container in pod["spec"].get(kind) or []:
                for entry in container.get("env") or []:
                    if entry["name"] in _JSON_VARIABLES and "value" in entry:
                        entry["value"] = json.loads(entry["value"])
        return pod

    return parse
