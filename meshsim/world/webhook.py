"""The sidecar injector in front of pod creation: which webhook the API server calls, and what it makes of the pod."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from meshsim.admission import InjectionSettings, inject, injection_webhooks, matching_webhooks
from meshsim.api import ApiObject, make_object
from meshsim.controlplane.mesh import MeshConfig
from meshsim.errors import InputError, InternalError
from meshsim.kube import ApiServer

KUBELET_VERSION = "v1.33.0"
"""Kubelets of the simulated nodes: new enough for native sidecars."""


class SidecarWebhook:
    """Injects pods as the API server asks; a configuration among the objects replaces the chart's own."""

    def __init__(self, mesh: MeshConfig) -> None:
        self._settings = InjectionSettings(mesh=mesh.fields.body)
        self._default = injection_webhooks()
        self._server: ApiServer | None = None
        self._is_up: Callable[[], bool] = lambda: True

    def served_by(self, is_up: Callable[[], bool]) -> None:
        """Ask this whether istiod answers; while it does not, pods that need injection are refused."""
        self._is_up = is_up

    def attach(self, server: ApiServer) -> None:
        """The API server whose namespaces and webhook configurations count."""
        self._server = server

    @property
    def server(self) -> ApiServer:
        if self._server is None:
            raise InternalError("attach the webhook to an API server first")
        return self._server

    def labelled(self, objects: Iterable[ApiObject], inject_into: tuple[str, ...]) -> list[ApiObject]:
        """The objects with the injection label on the namespaces that a scenario names."""
        out = []
        missing = dict.fromkeys(inject_into)
        for item in objects:
            if item.kind == "Namespace" and item.name in missing:
                del missing[item.name]
                item = _labelled(item)
            out.append(item)
        made = [make_object({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}) for name in missing]
        return [*(_labelled(item) for item in made), *out]

    def admit(self, pod: ApiObject) -> Mapping[str, object]:
        """The document to store for a pod that is created; raises what the injector refuses."""
        objects = self.server.objects
        namespace = objects.find("Namespace", "", pod.namespace)
        labels = namespace.labels if namespace is not None else {}
        hooks = [
            item
            for item in objects.select("MutatingWebhookConfiguration")
            if "sidecar-injector" in item.name or "istio-revision-tag" in item.name
        ]
        if not matching_webhooks(hooks or [self._default], pod.namespace, labels, pod.labels):
            return pod.body
        if not self._is_up():
            # failurePolicy: Fail; the controller that creates the pod tries again with back-off.
            raise InputError("failed calling webhook: istiod does not answer", None, "", str(pod))
        settings = replace(
            self._settings,
            proxy_configs=tuple(item.fields for item in objects.select("ProxyConfig")),
            kubelet_versions={
                node.name: node.status.fields("nodeInfo").text("kubeletVersion", KUBELET_VERSION)
                for node in objects.select("Node")
            },
        )
        annotations = namespace.annotations if namespace is not None else {}
        return inject(pod, settings, namespace_annotations=annotations).pod


def _labelled(item: ApiObject) -> ApiObject:
    metadata = {**item.metadata.body, "labels": {**item.labels, "istio-injection": "enabled"}}
    return make_object({**item.body, "metadata": metadata}, item.origin)
