"""Strategic merge of a partial pod over a pod (apimachinery pkg/util/strategicpatch, as injection uses it).

Lists with a merge key merge by element, all others are replaced; `None` removes a field.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

Body: TypeAlias = dict[str, object]

_MERGE_KEYS: Final = {
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "volumes": "name",
    "imagePullSecrets": "name",
    "env": "name",
    "ports": "containerPort",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
    "ownerReferences": "uid",
}
"""Merge keys of the list fields of core/v1 Pod by field name."""


def merge_pod(original: Mapping[str, object], patch: Mapping[str, object]) -> Body:
    """`patch` over `original`; neither is changed."""
    merged: Body = dict(original)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merge_value(key, merged.get(key), value)
    return merged


def _merge_value(key: str, before: object, value: object) -> object:
    if isinstance(value, Mapping):
        return merge_pod(before if isinstance(before, Mapping) else {}, value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        merge_key = _MERGE_KEYS.get(key)
        if merge_key is not None and isinstance(before, Sequence):
            return _merge_list(merge_key, before, value)
        return list(value)
    return value


def _merge_list(merge_key: str, original: Sequence[object], patch: Sequence[object]) -> list[object]:
    """Elements by key; those of the patch come in its order, and before others unless the original says otherwise."""
    order = [_key(item, merge_key) for item in original]
    left = [item for item in original if _key(item, merge_key) not in [_key(p, merge_key) for p in patch]]
    right: list[object] = []
    for item in patch:
        key = _key(item, merge_key)
        if key in order and isinstance(item, Mapping):
            before = original[order.index(key)]
            right.append(merge_pod(before if isinstance(before, Mapping) else {}, item))
        else:
            right.append(item)
    return _interleave(left, right, order, merge_key)


def _interleave(left: list[object], right: list[object], order: list[object], merge_key: str) -> list[object]:
    merged: list[object] = []
    i = j = 0
    while i < len(left) or j < len(right):
        if i >= len(left) or (j < len(right) and not _before(left[i], right[j], order, merge_key)):
            merged.append(right[j])
            j += 1
        else:
            merged.append(left[i])
            i += 1
    return merged


def _before(one: object, other: object, order: list[object], merge_key: str) -> bool:
    first, second = _key(one, merge_key), _key(other, merge_key)
    return first in order and second in order and order.index(first) < order.index(second)


def _key(item: object, merge_key: str) -> object:
    return item.get(merge_key) if isinstance(item, Mapping) else item
