"""Sidecar injection: a pod and an injector's settings in, a decision and the injected pod out.

Rules: istio pkg/kube/inject/inject.go and webhook.go, release 1.31.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from meshsim.admission import annotations as names
from meshsim.admission.annotations import check_annotations
from meshsim.admission.containers import containers, edit_proxy, environment, find, has_proxy, move, with_containers
from meshsim.admission.context import (
    DEFAULT_PROXY_ID,
    PROXY,
    TemplateContext,
    proxy_ids,
    url_variables,
    workload_of,
)
from meshsim.admission.decision import Decision, decide
from meshsim.admission.gateway import gateway_template
from meshsim.admission.grpc import grpc_agent_template, grpc_simple_template
from meshsim.admission.merge import merge_pod
from meshsim.admission.parts import Body
from meshsim.admission.probes import add_probers, dump_probers, rewrite_container, should_rewrite, status_port
from meshsim.admission.prometheus import VARIABLE as PROMETHEUS_VARIABLE
from meshsim.admission.prometheus import apply_merge
from meshsim.admission.proxyconfig import effective_proxy_config, parse_proxy_config
from meshsim.admission.reinjection import move_proxy, reapply, strip, without_assigned_user
from meshsim.admission.settings import InjectionSettings
from meshsim.admission.sidecar import holds_application, sidecar_template
from meshsim.api import ApiObject, Fields
from meshsim.errors import InputError

TEMPLATES: Final[Mapping[str, Callable[[TemplateContext], Body]]] = {
    "sidecar": sidecar_template,
    "gateway": gateway_template,
    "grpc-agent": grpc_agent_template,
    "grpc-simple": grpc_simple_template,
}
"""DEVIATION: templates that an installation adds by itself are Go templates and are not run."""

_UNCHECKED: Final = (
    names.INCLUDE_OUTBOUND_PORTS,
    "sidecar.istio.io/logLevel",
    "sidecar.istio.io/componentLogLevel",
    "sidecar.istio.io/agentLogLevel",
    "sidecar.istio.io/proxyImage",
)
"""Annotations that nobody checks and that the real template puts between quotation marks."""
_NETWORK_LABEL: Final = "topology.istio.io/network"


@dataclass(frozen=True, slots=True)
class Injection:
    """What happened to a pod."""

    decision: bool
    reasons: tuple[str, ...]
    pod: Body
    """The document after injection; the given one when nothing was injected."""


def inject(
    pod: ApiObject,
    settings: InjectionSettings,
    *,
    namespace_annotations: Mapping[str, str] | None = None,
    path: str = "/inject",
) -> Injection:
    """Inject a pod if istiod would; raises `InputError` when it would refuse the pod.

    `path` is the URL path the webhook was called with, which may carry cluster and network.
    """
    answer = decide(
        policy=settings.policy,
        namespace=pod.namespace,
        labels=pod.labels,
        annotations=pod.annotations,
        host_network=pod.spec.flag("hostNetwork"),
        never=settings.never_inject,
        always=settings.always_inject,
    )
    if not answer.inject:
        return Injection(False, answer.reasons, dict(pod.body))
    return _inject(pod, settings, answer, namespace_annotations or {}, path)


def _inject(
    pod: ApiObject, settings: InjectionSettings, answer: Decision, namespace_annotations: Mapping[str, str], path: str
) -> Injection:
    problems = check_annotations(pod.annotations)
    if problems:
        raise InputError("failed to run injection template: " + "; ".join(problems), None, "", str(pod))
    quoted = [name for name in _UNCHECKED if '"' in pod.annotations.get(name, "")]
    if quoted:
        message = f"failed to run injection template: a quotation mark in annotation '{quoted[0]}' breaks the template"
        raise InputError(message, None, "leave it out", str(pod))
    if settings.openshift:
        pod = without_assigned_user(pod)
    context, variables = _context(pod, settings, namespace_annotations, path)
    merged: Body = dict(pod.body)
    rendered: Body = {}
    for name in _templates(pod, settings):
        template = TEMPLATES.get(name)
        if template is None:
            raise _no_template(name, pod, settings)
        part = template(context)
        rendered = merge_pod(rendered, part)
        merged = merge_pod(move_proxy(merged, rendered, context.native), part)
    merged = reapply(merged, pod, rendered, context)
    merged = _post_process(merged, pod, rendered, context, settings, variables)
    return Injection(True, answer.reasons, merged)


def _context(
    pod: ApiObject, settings: InjectionSettings, namespace_annotations: Mapping[str, str], path: str
) -> tuple[TemplateContext, dict[str, str]]:
    mesh, values = Fields(settings.mesh), Fields(settings.values)
    config = effective_proxy_config(mesh, settings.proxy_configs, pod.namespace, pod.labels, pod.annotations)
    variables = url_variables(path)
    shared = values.fields("global")
    installed = shared.fields("multiCluster").text("clusterName")
    cluster = variables.get("ISTIO_META_CLUSTER_ID") or installed
    network = variables.get("ISTIO_META_NETWORK") or shared.text("network")
    network = pod.labels.get(_NETWORK_LABEL, network)
    if cluster:
        variables["ISTIO_META_CLUSTER_ID"] = cluster
    if network:
        variables["ISTIO_META_NETWORK"] = network
    stripped = strip(pod, _mesh_status_port(mesh))
    uid, gid = proxy_ids(namespace_annotations if settings.openshift else {})
    mode = pod.annotations.get(names.INTERCEPTION_MODE, config.text("interceptionMode", "REDIRECT"))
    if mode == "TPROXY":
        uid = gid = DEFAULT_PROXY_ID
    context = TemplateContext(
        labels=stripped.labels,
        annotations=stripped.annotations,
        spec=stripped.spec,
        namespace=pod.namespace,
        workload=workload_of(pod),
        proxy_config=config,
        mesh=mesh,
        values=values,
        revision=settings.revision,
        native=settings.uses_native_sidecar(pod.annotations, pod.spec.text("nodeName"), installed),
        compliance_policy=settings.compliance_policy,
        proxy_uid=uid,
        proxy_gid=gid,
    )
    return context, variables


def _mesh_status_port(mesh: Fields) -> int:
    return mesh.fields("defaultConfig").integer("statusPort", 15020)


def _templates(pod: ApiObject, settings: InjectionSettings) -> list[str]:
    text = pod.annotations.get(names.TEMPLATES)
    wanted: Sequence[str] = settings.default_templates
    if text is not None:
        wanted = [part.strip() for part in text.split(",")]
    return [name for part in wanted for name in settings.aliases.get(part, (part,))]


def _no_template(name: str, pod: ApiObject, settings: InjectionSettings) -> InputError:
    own = Fields(settings.values).fields("sidecarInjectorWebhook").fields("templates")
    if name in own:
        message = f"injection template '{name}' is the installation's own Go template, which is not modelled"
        return InputError(message, None, "leave it out of inject.istio.io/templates and defaultTemplates", str(pod))
    known = ", ".join(sorted(TEMPLATES))
    message = f'failed to run injection template: requested template "{name}" not found; have {known}'
    return InputError(message, None, "name one of them, separated by commas", str(pod))


def _post_process(
    body: Body,
    pod: ApiObject,
    rendered: Body,
    context: TemplateContext,
    settings: InjectionSettings,
    variables: Mapping[str, str],
) -> Body:
    body = edit_proxy(body, lambda proxy: {**proxy, "env": _with_variables(proxy, variables)} if variables else proxy)
    port = _mesh_status_port(context.mesh)
    metadata = Fields(body).fields("metadata")
    merge = apply_merge(context.mesh, metadata.text_map("annotations"), port)
    if merge is not None:
        body = {**body, "metadata": {**metadata.body, "annotations": merge.annotations}}
        if merge.variable:
            entry: Body = {"name": PROMETHEUS_VARIABLE, "value": merge.variable}
            body = edit_proxy(body, lambda proxy: {**proxy, "env": [*environment(proxy), entry]})
    body = _rewrite_probes(body, pod, context, port)
    labels: Body = {}
    if "ISTIO_META_NETWORK" in variables:
        labels[_NETWORK_LABEL] = variables["ISTIO_META_NETWORK"]
    annotations: Body = {names.STATUS: _new_status(rendered, settings.revision), **settings.injected_annotations}
    body = merge_pod(body, {"metadata": {"labels": labels, "annotations": annotations}})
    return _reorder(body, pod, context)


def _with_variables(proxy: Body, variables: Mapping[str, str]) -> list[Body]:
    kept = [entry for entry in environment(proxy) if entry.get("name") not in variables]
    added: list[Body] = [
        {"name": name, **({"value": variables[name]} if variables[name] else {})} for name in sorted(variables)
    ]
    return [*kept, *added]


def _rewrite_probes(body: Body, pod: ApiObject, context: TemplateContext, mesh_port: int) -> Body:
    annotations = Fields(body).fields("metadata").text_map("annotations")
    default = context.values.fields("sidecarInjectorWebhook").flag("rewriteAppHTTPProbe")
    if not has_proxy(body) or not should_rewrite(annotations, default):
        return body
    port = status_port(annotations, mesh_port)
    probers = dump_probers(Fields(body).fields("spec"), port)
    if probers:
        before = names.STATUS in pod.annotations
        body = edit_proxy(body, lambda p: {**p, "env": add_probers(environment(p), probers, before)})
    for kind in ("containers", "initContainers"):
        items = [
            rewrite_container(c, port) if kind == "containers" or c.get("restartPolicy") == "Always" else c
            for c in containers(body, kind)
        ]
        if items:
            body = with_containers(body, kind, items)
    return body


def _new_status(rendered: Body, revision: str) -> str:
    spec = Fields(rendered).fields("spec")
    listed = {
        kind: [item.text("name") for item in spec.items(kind)] or None
        for kind in ("initContainers", "containers", "volumes", "imagePullSecrets")
    }
    return json.dumps({**listed, "revision": revision or "default"}, separators=(",", ":"))


def _reorder(body: Body, pod: ApiObject, context: TemplateContext) -> Body:
    """The order of containers (webhook.go reorderPod)."""
    config = context.mesh.fields("defaultConfig")
    if names.PROXY_CONFIG in pod.annotations:
        config = Fields({**config.body, **parse_proxy_config(pod.annotations[names.PROXY_CONFIG])})
    hold = holds_application(config, context.proxy)
    body = with_containers(body, "containers", move(containers(body, "containers"), PROXY, first=hold))
    init = containers(body, "initContainers")
    if find(init, PROXY) is not None:
        order = [("enable-core-dump", True), (PROXY, True), ("istio-validation", True), ("istio-init", True)]
    else:
        order = [("istio-validation", True), ("istio-init", False), ("enable-core-dump", False)]
    for name, first in order:
        init = move(init, name, first=first)
    return with_containers(body, "initContainers", init)
