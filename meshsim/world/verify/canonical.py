"""The form in which two configurations are compared: what must be equal, and nothing that cannot matter.

Order decides in filter chains' filters, listener filters, routes of a virtual host, weighted clusters, header lists and
access logs. It cannot matter among resources of a type, filter chains of a listener (Envoy matches them by criteria),
endpoints of a locality, localities, virtual hosts and the domains of one: those are sorted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

_UNORDERED: Final = frozenset({"lb_endpoints", "endpoints", "filter_chains", "virtual_hosts", "domains"})
_VOLATILE: Final = {"ISTIO_META_WASM_PLUGIN_RESOURCE_VERSION": "1"}


class Mismatch(NamedTuple):
    """A path at which two canonical values differ; `None` where a side has nothing."""

    path: str
    want: object
    got: object


def canonical(value: object) -> object:
    """The value with unordered lists sorted, volatile texts replaced and whole numbers alike in both spellings."""
    if isinstance(value, Mapping):
        return {key: _entry(str(key), item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [canonical(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _entry(key: str, value: object) -> object:
    if key in _VOLATILE:
        return _VOLATILE[key]
    plain = canonical(value)
    return sorted(plain, key=_sort_key) if key in _UNORDERED and isinstance(plain, list) else plain


def _sort_key(value: object) -> tuple[str, str, str, str]:
    text = json.dumps(value, sort_keys=True)
    if not isinstance(value, Mapping):
        return ("", "", "", text)
    match = json.dumps(value.get("filter_chain_match"), sort_keys=True)
    return (str(value.get("name", "")), match, str(value.get("priority", 0)), text)


def resource_name(resource: Mapping[str, object]) -> str:
    """Name of a cluster, listener, route or extension configuration; cluster name of a load assignment."""
    return str(resource.get("name") or resource.get("cluster_name") or "")


def mismatches(want: object, got: object, path: str = "") -> Iterator[Mismatch]:
    """Where two canonical values differ; a list of another length is one mismatch."""
    if isinstance(want, Mapping) and isinstance(got, Mapping):
        for key in sorted({*want, *got}):
            if key in want and key in got:
                yield from mismatches(want[key], got[key], f"{path}/{key}")
            else:
                yield Mismatch(f"{path}/{key}", want.get(key), got.get(key))
    elif isinstance(want, list) and isinstance(got, list):
        if len(want) != len(got):
            yield Mismatch(f"{path}#", len(want), len(got))
            return
        for index, (left, right) in enumerate(zip(want, got, strict=True)):
            yield from mismatches(left, right, f"{path}[{index}]")
    elif type(want) is not type(got) or want != got:
        yield Mismatch(path, want, got)
