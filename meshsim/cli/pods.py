"""Pods in manifests: bare ones and those that controllers would make, injected as istiod would."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from meshsim.admission import Injection, InjectionSettings, inject
from meshsim.api import ApiObject, decode_text, load_file, load_paths, load_text, make_object
from meshsim.cli.manifests import STDIN
from meshsim.errors import InputError, InputErrors, Position, UsageError

_CONTROLLERS: Final = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job")


@dataclass(frozen=True, slots=True)
class PodSource:
    """A pod, and the object it comes from."""

    owner: ApiObject
    pod: ApiObject


def read_pods(paths: Sequence[Path]) -> tuple[tuple[ApiObject, ...], list[PodSource]]:
    """All objects of files, folders and standard input (`-`), and their pods; raises `InputErrors`."""
    objects = load_paths([str(path) for path in paths if path != STDIN]).objects
    if STDIN in paths:
        objects += load_text(decode_text(sys.stdin.buffer.read(), "-"), "-").objects
    return objects, [PodSource(item, pod) for item in objects if (pod := pod_of(item)) is not None]


def pod_of(item: ApiObject) -> ApiObject | None:
    """The pod an object is or would make; `None` for other kinds."""
    if item.kind == "Pod":
        return item
    template = item.spec.value("template")
    if item.kind not in _CONTROLLERS or not isinstance(template, Mapping):
        return None
    metadata = template.get("metadata")
    named = {**(metadata if isinstance(metadata, Mapping) else {}), "name": item.name, "namespace": item.namespace}
    body = {"apiVersion": "v1", "kind": "Pod", **template, "metadata": named}
    return make_object(body, item.origin)


def settings_from(mesh_config: Path | None) -> InjectionSettings:
    """An injector with a MeshConfig of a file (its own document or the ConfigMap `istio`); raises `InputErrors`."""
    if mesh_config is None:
        return InjectionSettings()
    return replace(InjectionSettings(), mesh=_mesh(mesh_config))


def _mesh(path: Path) -> Mapping[str, object]:
    from meshsim.api import parse_documents, read_text
    from meshsim.api.schema.mesh_config import check_mesh_config

    documents = parse_documents(read_text(path), str(path))
    if documents.errors:
        raise documents.errors[0]
    for document in documents.documents:
        value = document.value
        if isinstance(value, Mapping) and value.get("kind") == "ConfigMap":
            (config,) = load_file(path).objects[:1]
            text = config.fields.fields("data").text("mesh")
            inner = parse_documents(text, str(path)).documents
            value = inner[0].value if inner else None
        if isinstance(value, Mapping):
            value = _of_operator(value, path)
            problems = check_mesh_config(value).values
            if problems:
                errors = (InputError(p.message, Position(str(path)), p.hint, f"MeshConfig {p.path}") for p in problems)
                raise InputErrors(tuple(errors))
            return value
    raise InputError("there is no MeshConfig in this file", Position(str(path)))


def _of_operator(document: Mapping[str, object], path: Path) -> Mapping[str, object]:
    """The MeshConfig of a document: itself, or the part of an IstioOperator's."""
    kind = document.get("kind")
    if kind is None:
        return document
    spec = document.get("spec")
    config = spec.get("meshConfig") if kind == "IstioOperator" and isinstance(spec, Mapping) else None
    if not isinstance(config, Mapping):
        raise InputError(f"this is a {kind}, not a MeshConfig", Position(str(path)))
    return config


def inject_pod(source: PodSource, settings: InjectionSettings, objects: Sequence[ApiObject]) -> Injection:
    """What istiod would make of a pod, whatever the labels of its namespace say; raises `InputError` for a refusal."""
    namespaces = [item for item in objects if item.kind == "Namespace" and item.name == source.pod.namespace]
    annotations = namespaces[0].annotations if namespaces else {}
    proxy_configs = tuple(item.fields for item in objects if item.kind == "ProxyConfig")
    return inject(source.pod, replace(settings, proxy_configs=proxy_configs), namespace_annotations=annotations)


def with_pod(source: PodSource, pod: Mapping[str, object]) -> Mapping[str, object]:
    """The document of the object a pod comes from, with this pod in the place of its own."""
    if source.owner.kind == "Pod":
        return pod
    spec = dict(source.owner.spec.body)
    template = spec["template"]
    assert isinstance(template, Mapping)
    metadata = pod["metadata"]
    assert isinstance(metadata, Mapping)
    given = template.get("metadata")
    own = given if isinstance(given, Mapping) else {}
    kept = {key: value for key, value in metadata.items() if key not in ("name", "namespace") or key in own}
    spec["template"] = {**template, "metadata": kept, "spec": pod["spec"]}
    return {**source.owner.body, "spec": spec}


def choose(sources: Sequence[PodSource], name: str | None) -> PodSource:
    """The pod of this name or of the controller of this name, or the only one; raises `UsageError`."""
    known = list(_names(sources))
    if name is None:
        if len(sources) == 1:
            return sources[0]
        raise UsageError(
            "there is no pod in these files" if not sources else "there are several pods in these files",
            None,
            f"choose one with --pod: {', '.join(known)}" if sources else "",
        )
    found = [source for source in sources if name in (source.pod.name, f"{source.pod.name}.{source.pod.namespace}")]
    if len(found) == 1:
        return found[0]
    from difflib import get_close_matches

    close = get_close_matches(name, known, 1)
    raise UsageError(f"there is no pod '{name}'", None, f"did you mean '{close[0]}'?" if close else "")


def _names(sources: Sequence[PodSource]) -> Iterator[str]:
    for source in sources:
        yield source.pod.name
