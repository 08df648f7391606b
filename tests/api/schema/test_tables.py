"""All field tables together: they parse, hang together, and know every field of the recorded objects."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from meshsim.api.schema.document import check_document
from meshsim.api.schema.kinds import document_schema, known_kinds
from meshsim.api.schema.types import AsBuiltIn, ListOf, MapOf, Message, Type


def _messages(start: Type, seen: dict[int, Message]) -> None:
    if isinstance(start, ListOf | MapOf):
        _messages(start.item, seen)
    elif isinstance(start, AsBuiltIn):
        _messages(start.inner, seen)
    elif isinstance(start, Message) and id(start) not in seen:
        seen[id(start)] = start
        for field in start.fields.values():
            _messages(field.type, seen)


def test_every_tabulated_kind_has_its_messages() -> None:
    seen: dict[int, Message] = {}
    for kind in known_kinds():
        _messages(document_schema(kind), seen)
    empty = [message.name for message in seen.values() if not message.fields]
    assert empty == []
    assert len(seen) > 300


def test_pods_are_complete() -> None:
    """Field names of the pod API, counted on the types of core/v1 (API 1.37)."""
    pod = next(kind for kind in known_kinds() if kind.name == "Pod")
    spec = document_schema(pod).fields["spec"].type
    assert isinstance(spec, Message)
    assert len(spec.fields) == 43
    containers = spec.fields["containers"].type
    assert isinstance(containers, ListOf)
    assert isinstance(containers.item, Message)
    assert len(containers.item.fields) == 25
    volumes = spec.fields["volumes"].type
    assert isinstance(volumes, ListOf)
    assert isinstance(volumes.item, Message)
    assert len(volumes.item.fields) == 31


def _recorded(oracle: Path) -> Iterator[dict[str, object]]:
    for name in ("crds.json", "dataset.json"):
        for case in json.loads((oracle / "validation" / "crd" / name).read_text(encoding="utf-8")):
            if case["crd"]["verdict"] == "valid":
                yield case["object"]


@pytest.mark.needs_shared
def test_every_valid_object_of_istios_test_data_passes(oracle: Path) -> None:
    objects = list(_recorded(oracle))
    assert len(objects) == 68
    for body in objects:
        found = [problem for problem in check_document(body).problems if not problem.path.startswith("metadata")]
        assert found == [], body
