"""Manifests for services that are known by their calls only: namespace, Deployment, Service, and the clients' pods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from meshsim.imports.yaml_text import Value, dump

Manifest = Mapping[str, Value]


def namespace(name: str, injected: bool = True) -> Manifest:
    """A namespace, with sidecars or without."""
    metadata: dict[str, Value] = {"name": name}
    if injected:
        metadata["labels"] = {"istio-injection": "enabled"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def service(name: str, where: str, labels: Mapping[str, str], port: int, port_name: str = "http") -> Manifest:
    """A Service in front of the pods with these labels."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": where},
        "spec": {"selector": dict(labels), "ports": [{"name": port_name, "port": port}]},
    }


def deployment(
    name: str, where: str, labels: Mapping[str, str], *, image: str, port: int, replicas: Value = 1
) -> Manifest:
    """A Deployment of pods with one application container."""
    container: dict[str, Value] = {"name": name, "image": image, "ports": [{"containerPort": port}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": where},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": dict(labels)},
            "template": {"metadata": {"labels": dict(labels)}, "spec": {"containers": [container]}},
        },
    }


def text_of(manifests: Sequence[Manifest], comment: str) -> str:
    """One file of all manifests, with a comment on top."""
    head = "".join(f"# {line}\n" for line in comment.splitlines())
    return head + "---\n".join(dump(manifest) for manifest in manifests)
