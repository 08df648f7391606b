"""AdmissionReview in and out: what the injection webhook answers the API server (admission.k8s.io v1 and v1beta1)."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Final

from meshsim.admission.inject import inject
from meshsim.admission.parts import Body
from meshsim.admission.settings import InjectionSettings
from meshsim.api import Fields, make_object
from meshsim.errors import InputError

_VERSIONS: Final = ("admission.k8s.io/v1", "admission.k8s.io/v1beta1")
_MISSING: Final = object()


def review(
    document: Mapping[str, object],
    settings: InjectionSettings,
    *,
    namespace_annotations: Mapping[str, str] | None = None,
    path: str = "/inject",
) -> Body:
    """The answer to an AdmissionReview of a pod; what istiod refuses is an answer too, with the reason as message."""
    given = Fields(document)
    version, kind = given.text("apiVersion"), given.text("kind")
    if version not in _VERSIONS or kind != "AdmissionReview":
        return {"response": _refusal("", f'no kind "{kind}" is registered for version "{version}"')}
    request = given.fields("request")
    uid = request.text("uid")
    head: Body = {"apiVersion": version, "kind": kind}
    body = request.fields("object").body
    if not isinstance(body.get("spec"), Mapping):
        return {**head, "response": _refusal(uid, "the object is no pod: its spec is no mapping")}
    pod = make_object(body, None, request.text("namespace"))
    try:
        result = inject(pod, settings, namespace_annotations=namespace_annotations, path=path)
    except InputError as error:
        return {**head, "response": _refusal(uid, error.message)}
    if not result.decision:
        return {**head, "response": {"uid": uid, "allowed": True}}
    patch = json.dumps(json_patch(body, result.pod), separators=(",", ":"))
    encoded = base64.b64encode(patch.encode()).decode()
    return {**head, "response": {"uid": uid, "allowed": True, "patch": encoded, "patchType": "JSONPatch"}}


def _refusal(uid: str, message: str) -> Body:
    return {"uid": uid, "allowed": False, "status": {"metadata": {}, "message": message}}


def json_patch(before: Mapping[str, object], after: Mapping[str, object], path: str = "") -> list[Body]:
    """A JSON patch (RFC 6902) that turns one document into another; lists that differ are replaced as a whole."""
    operations: list[Body] = []
    for key in sorted({*before, *after}):
        here = f"{path}/{key.replace('~', '~0').replace('/', '~1')}"
        old, new = before.get(key, _MISSING), after.get(key, _MISSING)
        if new is _MISSING:
            operations.append({"op": "remove", "path": here})
        elif old is _MISSING:
            operations.append({"op": "add", "path": here, "value": new})
        elif isinstance(old, Mapping) and isinstance(new, Mapping):
            operations += json_patch(old, new, here)
        elif old != new:
            operations.append({"op": "replace", "path": here, "value": new})
    return operations
