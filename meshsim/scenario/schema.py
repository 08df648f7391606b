"""The JSON Schema of scenario files, made from the model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, get_args

from meshsim.scenario.descriptions import descriptions
from meshsim.scenario.model import Scenario
from meshsim.scenario.node import Node

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """The schema as a document."""
    made = Scenario.model_json_schema(by_alias=True)
    for node in nodes():
        described = made if node is Scenario else made["$defs"][node.__name__]
        for name, text in descriptions(node).items():
            key = node.model_fields[name].alias or name
            described["properties"][key]["description"] = text
    return {"$schema": DIALECT, **made, "title": "meshsim scenario"}


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
