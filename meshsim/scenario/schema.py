"""The JSON Schema of scenario files, made from the model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, get_args

from meshsim.scenario.descriptions import descriptions
from meshsim.scenario.model import Scenario
from meshsim.scenario.node import Node
from meshsim.units import format_duration, format_percent, format_size

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """The schema as a document."""
    made = Scenario.model_json_schema(by_alias=True)
    for node in nodes():
        described = made if node is Scenario else made["$defs"][node.__name__]
        for name, text in descriptions(node).items():
            key = node.model_fields[name].alias or name
            described["properties"][key]["description"] = text
    tidied = _tidy(made)
    assert isinstance(tidied, dict)
    return {"$schema": DIALECT, **tidied, "title": "meshsim scenario"}


def _tidy(part: object) -> object:
    """The schema as an editor should show it: no nulls, defaults as a file has them, no titles that say nothing."""
    if isinstance(part, list):
        return [_tidy(item) for item in part]
    if not isinstance(part, dict):
        return part
    kept = {key: _tidy(item) for key, item in part.items() if not (key == "default" and item in (None, {}, []))}
    if isinstance(kept.get("title"), str) and "properties" not in kept:
        kept.pop("title")
    if kept.get("type") == "object" and "minLength" in kept:
        kept["minProperties"] = kept.pop("minLength")
    if "default" in kept and "properties" not in kept:
        kept["default"] = _written(kept)
        if isinstance(kept["default"], dict):
            kept.pop("default")
    listed = kept.pop("anyOf", None)
    choices = [choice for choice in listed if choice != {"type": "null"}] if isinstance(listed, list) else []
    if len(choices) == 1:
        return {**choices[0], **kept}
    return {**kept, "anyOf": choices} if choices else kept


def _written(part: dict[str, Any]) -> object:
    """A default value as a file would give it."""
    value = part["default"]
    if part.get("x-type") == "duration" and isinstance(value, int):
        return format_duration(value)
    if part.get("x-type") == "size" and isinstance(value, int):
        return format_size(value)
    if part.get("x-type") == "percentage" and isinstance(value, float):
        return format_percent(value)
    if part.get("x-type") == "count or list of seeds":
        return len(value)
    return value


def nodes() -> list[type[Node]]:
    """The mappings of a scenario file, the whole first, each where it is first met."""
    found: dict[type[Node], None] = {}
    _collect(Scenario, found)
    return list(found)


def _collect(node: type[Node], found: dict[type[Node], None]) -> None:
    if node in found:
        return
    found[node] = None
    for info in node.model_fields.values():
        for inner in _nodes_of(info.annotation, info.metadata):
            _collect(inner, found)


def _nodes_of(annotation: Any, metadata: Sequence[Any] = ()) -> list[type[Node]]:
    if isinstance(annotation, type) and issubclass(annotation, Node):
        return [annotation]
    inner = [found for argument in get_args(annotation) for found in _nodes_of(argument)]
    for extra in (*metadata, *getattr(annotation, "__metadata__", ())):
        # What is written in two ways names both in its validator.
        inner += _nodes_of(getattr(extra, "json_schema_input_type", None))
    return inner


def schema_text() -> str:
    """The schema as text."""
    return json.dumps(schema(), indent=2, ensure_ascii=False)
