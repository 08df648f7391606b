"""What users write about injected containers, and pods that come twice (istio pkg/kube/inject/webhook.go, 1.31).

A container of the pod with the name of an injected one is merged over it, and kept in an annotation so that a second
injection can do the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

from meshsim.admission import annotations as names
from meshsim.admission.containers import containers, edit_proxy, find, with_containers
from meshsim.admission.context import PROXY, TemplateContext
from meshsim.admission.merge import merge_pod
from meshsim.admission.parts import Body
from meshsim.admission.prometheus import strip_merge
from meshsim.api import ApiObject, Fields, make_object
from meshsim.errors import InputError


def without_assigned_user(pod: ApiObject) -> ApiObject:
    """OpenShift gives all containers of a pod one user; istio-proxy must not have it, or the rules except the app."""
    users: dict[str, int] = {"proxy": 0, "app": 0}
    for container in pod.spec.items("containers"):
        name = container.text("name")
        user = container.fields("securityContext").optional_integer("runAsUser")
        if user is not None and name not in ("istio-init", "istio-validation"):
            users["proxy" if name == PROXY else "app"] = user
    if users["proxy"] != users["app"]:
        return pod

    def clean(container: Body) -> Body:
        security = dict(Fields(container).fields("securityContext").body)
        for key in ("runAsUser", "runAsGroup"):
            security.pop(key, None)
        return {**container, "securityContext": security} if "securityContext" in container else container

    return replace(pod, body=edit_proxy(dict(pod.body), clean))


def _status(pod: ApiObject) -> Mapping[str, object] | None:
    text = pod.annotations.get(names.STATUS)
    if text is None:
        return None
    try:
        value: object = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, Mapping) else None


def strip(pod: ApiObject, port: int) -> ApiObject:
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


def move_proxy(body: Body, rendered: Body, native: bool) -> Body:
    """A user's own istio-proxy container follows the injected one to the init containers."""
    mine = find(containers(body, "containers"), PROXY)
    if not native or mine is None or find(containers(rendered, "initContainers"), PROXY) is None:
        return body
    rest = [c for c in containers(body, "containers") if c.get("name") != PROXY]
    moved = with_containers(body, "containers", rest)
    return with_containers(moved, "initContainers", [*containers(moved, "initContainers"), mine])


def reapply(body: Body, pod: ApiObject, rendered: Body, context: TemplateContext) -> Body:
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
            match = find(saved.get(kind, []), name) or find(own, name)
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
    own = find([*containers(pod.body, "containers"), *containers(pod.body, "initContainers")], PROXY)
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
            body = with_containers(body, kind, items)
    return body


def _with_user(arguments: Sequence[str], user: int) -> list[str]:
    changed = list(arguments)
    if "-u" in changed:
        changed[changed.index("-u") + 1] = str(user)
    return changed
