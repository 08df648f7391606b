"""Sidecar injection: a pod and an injector's settings in, a decision and the injected pod out.

Rules: istio pkg/kube/inject/inject.go and webhook.go, release 1.31.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from meshsim.admission import annotations as names
from meshsim.admission.annotations import check_annotations
from meshsim.admission.context import DEFAULT_PROXY_ID, PROXY, TemplateContext, workload_of
from meshsim.admission.decision import Decision, decide
from meshsim.admission.gateway import gateway_template
from meshsim.admission.grpc import grpc_agent_template, grpc_simple_template
from meshsim.admission.merge import merge_pod
from meshsim.admission.parts import Body
from meshsim.admission.probes import add_probers, dump_probers, rewrite_container, should_rewrite, status_port
from meshsim.admission.prometheus import VARIABLE as PROMETHEUS_VARIABLE
from meshsim.admission.prometheus import apply_merge, strip_merge
from meshsim.admission.proxyconfig import effective_proxy_config, parse_proxy_config
from meshsim.admission.settings import InjectionSettings
from meshsim.admission.sidecar import holds_application, sidecar_template
from meshsim.api import ApiObject, Fields, make_object
from meshsim.errors import InputError

TEMPLATES: Final[Mapping[str, Callable[[TemplateContext], Body]]] = {
    "sidecar": sidecar_template,
    "gateway": gateway_template,
    "grpc-agent": grpc_agent_template,
    "grpc-simple": grpc_simple_template,
}
"""DEVIATION: templates that an installation adds by itself are Go templates and are not run."""

_NETWORK_LABEL: Final = "topology.istio.io/network"
_URL_VARIABLES: Final = {"cluster": "ISTIO_META_CLUSTER_ID", "net": "ISTIO_META_NETWORK"}
_UID_RANGE: Final = "openshift.io/sa.scc.uid-range"
_GROUPS: Final = "openshift.io/sa.scc.supplemental-groups"


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
    context, variables = _context(pod, settings, namespace_annotations, path)
    merged: Body = dict(pod.body)
    rendered: Body = {}
    for name in _templates(pod, settings):
        template = TEMPLATES.get(name)
        if template is None:
            raise InputError(
                f"failed to run injection template: requested template \"{name}\" not found; "
                f"have {', '.join(sorted(TEMPLATES))}",
                None,
                "name one of them, separated by commas",
                str(pod),
            )
        part = template(context)
        rendered = merge_pod(rendered, part)
        merged = merge_pod(_move_proxy(merged, rendered, context.native), part)
    merged = _reapply(merged, pod, rendered, context)
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
    stripped = _strip(pod, _mesh_status_port(mesh))
    uid, gid = _proxy_ids(namespace_annotations if settings.openshift else {})
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


def url_variables(path: str) -> dict[str, str]:
    """Variables that the webhook's URL path sets (``/inject/cluster/c1/net/n1``)."""
    pieces = path.removesuffix("/").split("/", 2)
    if len(pieces) < 3:
        return {}
    rest = pieces[2]
    pairs: list[tuple[str, str]] = []
    if rest.startswith(":ENV:"):
        for entry in rest.split(":ENV:")[1:]:
            name, equals, value = entry.partition("=")
            if name and equals:
                pairs.append((name, value))
    else:
        parts = rest.split("/")
        pairs = [(parts[i], parts[i + 1].replace("--slash--", "/")) for i in range(0, len(parts) - 1, 2)]
    return {_URL_VARIABLES.get(name, name.upper()): value for name, value in pairs if name}


def _proxy_ids(namespace_annotations: Mapping[str, str]) -> tuple[int, int]:
    """User and group of the proxy; OpenShift reserves a range for each namespace, whose last ones they are."""
    ids = []
    for name in (_UID_RANGE, _GROUPS):
        text = namespace_annotations.get(name, "").split(",")[0]
        first, slash, size = text.partition("/")
        ids.append(int(first) + int(size) - 1 if slash and first.isdigit() and size.isdigit() else DEFAULT_PROXY_ID)
    return ids[0], ids[1]


def _status(pod: ApiObject) -> Mapping[str, object] | None:
    text = pod.annotations.get(names.STATUS)
    if text is None:
        return None
    try:
        value: object = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, Mapping) else None


def _strip(pod: ApiObject, port: int) -> ApiObject:
    """The pod before an earlier injection: without its containers, with what the user had overridden."""
    status = _status(pod)
    body: Body = dict(pod.body)
    annotations = dict(pod.annotations)
    spec: Body = dict(pod.spec.body)
    if status is not None:
        for kind in ("containers", "initContainers"):
            injected = Fields(status).texts(kind)
            spec[kind] = [dict(c.body) for c in pod.spec.items(kind) if c.text("name") not in injected]
        annotations = strip_merge(annotations, port)
        annotations.pop(names.STATUS, None)
    for kind, overrides in _overrides(pod).items():
        present = [dict(c.body) for c in Fields(spec).items(kind)]
        known = [c.get("name") for c in present]
        spec[kind] = [*present, *(o for o in overrides if o.get("name") not in known)]
    body["spec"] = spec
    body["metadata"] = {**pod.metadata.body, "annotations": annotations}
    return replace(make_object(body, pod.origin, pod.namespace), namespace=pod.namespace)


def _overrides(pod: ApiObject) -> dict[str, list[Body]]:
    text = pod.annotations.get(names.OVERRIDES)
    if not text:
        return {}
    try:
        value: object = json.loads(text)
    except ValueError as error:
        raise InputError(
            f"failed to run injection template: {error}", None, "write JSON into proxy.istio.io/overrides", str(pod)
        ) from error
    given = Fields(value if isinstance(value, Mapping) else None)
    return {kind: [dict(c.body) for c in given.items(kind)] for kind in ("containers", "initContainers")}


def _templates(pod: ApiObject, settings: InjectionSettings) -> list[str]:
    text = pod.annotations.get(names.TEMPLATES)
    wanted: Sequence[str] = settings.default_templates
    if text is not None:
        wanted = [part.strip() for part in text.split(",")]
    return [name for part in wanted for name in settings.aliases.get(part, (part,))]


def containers(body: Mapping[str, object], kind: str) -> list[Body]:
    """The containers of a pod document."""
    return [dict(c.body) for c in Fields(body).fields("spec").items(kind)]


def _with_containers(body: Body, kind: str, items: Sequence[Body]) -> Body:
    spec = {**Fields(body).fields("spec").body}
    if items or kind == "containers":
        spec[kind] = list(items)
    else:
        spec.pop(kind, None)
    return {**body, "spec": spec}


def _find(items: Sequence[Body], name: object) -> Body | None:
    return next((c for c in items if c.get("name") == name), None)


def _move_proxy(body: Body, rendered: Body, native: bool) -> Body:
    """A user's own istio-proxy container follows the injected one to the init containers."""
    mine = _find(containers(body, "containers"), PROXY)
    if not native or mine is None or _find(containers(rendered, "initContainers"), PROXY) is None:
        return body
    rest = [c for c in containers(body, "containers") if c.get("name") != PROXY]
    moved = _with_containers(body, "containers", rest)
    return _with_containers(moved, "initContainers", [*containers(moved, "initContainers"), mine])


def _reapply(body: Body, pod: ApiObject, rendered: Body, context: TemplateContext) -> Body:
    """What the user wrote about injected containers wins over the template, and is kept for a second injection."""
    status = _status(pod)
    earlier = Fields(status) if status is not None else Fields(None)
    saved = _overrides(pod)
    applied: dict[str, list[Body]] = {}
    for kind in ("containers", "initContainers"):
        own = containers(pod.body, kind)
        if kind == "initContainers":
            own = [*own, *containers(pod.body, "containers")]
        for container in containers(rendered, kind):
            name = container.get("name")
            if name in earlier.texts(kind):
                continue
            match = _find(saved.get(kind, []), name) or _find(own, name)
            if match is None:
                continue
            mine = {key: value for key, value in match.items() if key != "image" or value not in ("auto", "")}
            mine.setdefault("resources", {})
            applied.setdefault(kind, []).append(mine)
            body = merge_pod(body, {"spec": {kind: [mine]}})
    if applied and status is None and names.STATUS not in pod.annotations:
        text = json.dumps(applied, separators=(",", ":"))
        body = merge_pod(body, {"metadata": {"annotations": {names.OVERRIDES: text}}})
    return _adjust_user(body, pod, context)


def _adjust_user(body: Body, pod: ApiObject, context: TemplateContext) -> Body:
    """The rules except the user the proxy really runs as."""
    own = _find([*containers(pod.body, "containers"), *containers(pod.body, "initContainers")], PROXY)
    security = Fields(own).fields("securityContext") if own is not None else Fields(None)
    if "runAsUser" not in security and "runAsGroup" not in security:
        return body
    tproxy = context.interception_mode == "TPROXY"
    user = security.optional_integer("runAsUser")
    for kind in ("initContainers", "containers"):
        items = []
        for container in containers(body, kind):
            given = dict(Fields(container).fields("securityContext").body)
            if container.get("name") == PROXY and tproxy and user is not None:
                container = {**container, "securityContext": {**given, "runAsUser": 0}}
            elif container.get("name") == "istio-validation" and not tproxy:
                ids = {key: security.integer(key) for key in ("runAsUser", "runAsGroup") if key in security}
                container = {**container, "securityContext": {**given, **ids}}
            if container.get("name") in ("istio-init", "istio-validation") and user:
                container = {**container, "args": _with_user(Fields(container).texts("args"), user)}
            items.append(container)
        if items:
            body = _with_containers(body, kind, items)
    return body


def _with_user(arguments: Sequence[str], user: int) -> list[str]:
    changed = list(arguments)
    if "-u" in changed:
        changed[changed.index("-u") + 1] = str(user)
    return changed


def _post_process(
    body: Body,
    pod: ApiObject,
    rendered: Body,
    context: TemplateContext,
    settings: InjectionSettings,
    variables: Mapping[str, str],
) -> Body:
    body = _edit_proxy(body, lambda proxy: {**proxy, "env": _with_variables(proxy, variables)} if variables else proxy)
    port = _mesh_status_port(context.mesh)
    metadata = Fields(body).fields("metadata")
    merge = apply_merge(context.mesh, metadata.text_map("annotations"), port)
    if merge is not None:
        body = {**body, "metadata": {**metadata.body, "annotations": merge.annotations}}
        if merge.variable:
            entry: Body = {"name": PROMETHEUS_VARIABLE, "value": merge.variable}
            body = _edit_proxy(body, lambda proxy: {**proxy, "env": [*_environment(proxy), entry]})
    body = _rewrite_probes(body, pod, context, port)
    labels: Body = {}
    if "ISTIO_META_NETWORK" in variables:
        labels[_NETWORK_LABEL] = variables["ISTIO_META_NETWORK"]
    annotations: Body = {names.STATUS: _new_status(rendered, settings.revision), **settings.injected_annotations}
    body = merge_pod(body, {"metadata": {"labels": labels, "annotations": annotations}})
    return _reorder(body, pod, context)


def _environment(proxy: Body) -> list[Body]:
    return [dict(entry.body) for entry in Fields(proxy).items("env")]


def _with_variables(proxy: Body, variables: Mapping[str, str]) -> list[Body]:
    kept = [entry for entry in _environment(proxy) if entry.get("name") not in variables]
    added: list[Body] = [
        {"name": name, **({"value": variables[name]} if variables[name] else {})} for name in sorted(variables)
    ]
    return [*kept, *added]


def _edit_proxy(body: Body, edit: Callable[[Body], Body]) -> Body:
    """The pod with its first istio-proxy container edited, looked for among containers first."""
    for kind in ("containers", "initContainers"):
        items = containers(body, kind)
        if _find(items, PROXY) is not None:
            return _with_containers(body, kind, [edit(c) if c.get("name") == PROXY else c for c in items])
    return body


def _has_proxy(body: Body) -> bool:
    return any(_find(containers(body, kind), PROXY) is not None for kind in ("containers", "initContainers"))


def _rewrite_probes(body: Body, pod: ApiObject, context: TemplateContext, mesh_port: int) -> Body:
    annotations = Fields(body).fields("metadata").text_map("annotations")
    default = context.values.fields("sidecarInjectorWebhook").flag("rewriteAppHTTPProbe")
    if not _has_proxy(body) or not should_rewrite(annotations, default):
        return body
    port = status_port(annotations, mesh_port)
    probers = dump_probers(Fields(body).fields("spec"), port)
    if probers:
        before = names.STATUS in pod.annotations
        body = _edit_proxy(body, lambda p: {**p, "env": add_probers(_environment(p), probers, before)})
    for kind in ("containers", "initContainers"):
        items = [
            rewrite_container(c, port) if kind == "containers" or c.get("restartPolicy") == "Always" else c
            for c in containers(body, kind)
        ]
        if items:
            body = _with_containers(body, kind, items)
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
    body = _with_containers(body, "containers", _move(containers(body, "containers"), PROXY, first=hold))
    init = containers(body, "initContainers")
    if _find(init, PROXY) is not None:
        order = [("enable-core-dump", True), (PROXY, True), ("istio-validation", True), ("istio-init", True)]
    else:
        order = [("istio-validation", True), ("istio-init", False), ("enable-core-dump", False)]
    for name, first in order:
        init = _move(init, name, first=first)
    return _with_containers(body, "initContainers", init)


def _move(items: list[Body], name: str, *, first: bool) -> list[Body]:
    found = [c for c in items if c.get("name") == name]
    rest = [c for c in items if c.get("name") != name]
    return [*found[-1:], *rest] if first else [*rest, *found[-1:]]
