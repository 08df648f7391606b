"""What every mapping of a scenario file has in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

T = TypeVar("T")


class Node(BaseModel):
    """A mapping with known keys: unknown ones are errors, values are never converted in silence."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        defer_build=True,
        arbitrary_types_allowed=True,
    )

    def overrides(self) -> dict[str, object]:
        """The fields the file gives, by their Python name: what replaces a default elsewhere."""
        return {name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set}

    @model_validator(mode="before")
    @classmethod
    def _prepare(cls, value: object) -> object:
        if not isinstance(value, Mapping):
            return value
        known = {info.alias or name for name, info in cls.model_fields.items()}
        given = rejoin_parentheses(value)
        # A key without a value is a key not given, as everywhere in Kubernetes; a misspelt one is still an error.
        return {key: item for key, item in given.items() if item is not None or key not in known}


def rejoin_parentheses(mapping: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """The mapping with values that YAML cut at a comma inside parentheses put together again.

    In a flow mapping YAML reads `{time: lognormal(8ms, 1.4)}` as the keys `time` and `1.4)`; nobody means that.
    """
    if not any(isinstance(key, str) and key.endswith(")") and item is None for key, item in mapping.items()):
        return mapping
    joined: dict[Any, Any] = {}
    opened: Any = None
    for key, item in mapping.items():
        if opened is not None and item is None and isinstance(key, str):
            joined[opened] += f", {key}"
        else:
            opened = key
            joined[key] = item
        text = joined[opened]
        if not isinstance(text, str) or text.count("(") <= text.count(")"):
            opened = None
    return joined


def exactly_one(node: Node, what: str, *names: str) -> str:
    """The one of these fields that is given; a validation error for none or several."""
    fields = type(node).model_fields
    given = [name for name in names if name in node.model_fields_set]
    if len(given) == 1:
        return given[0]
    keys = [fields[name].alias or name for name in names]
    listed = ", ".join(f"'{key}'" for key in keys[:-1]) + f" or '{keys[-1]}'"
    if not given:
        raise PydanticCustomError("exactly_one", f"{what} needs one of {listed}")
    both = " and ".join(f"'{fields[name].alias or name}'" for name in given)
    raise PydanticCustomError("exactly_one", f"{what} takes only one of {listed}, not {both}")


def _one_as_list(value: object) -> object:
    return value if isinstance(value, list | tuple) else (value,)


Many: TypeAlias = Annotated[tuple[T, ...], Field(strict=False)]
"""A list."""


class _OneAllowed:
    """In the JSON Schema, an entry may stand for the list of it."""

    def __get_pydantic_json_schema__(self, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        made = handler(core_schema)
        return {"anyOf": [made["items"], made]} if "items" in made else made


OneOrMany: TypeAlias = Annotated[tuple[T, ...], Field(strict=False), BeforeValidator(_one_as_list), _OneAllowed()]
"""A list, which may be written as its only item."""


def _text_map(value: object) -> object:
    if not isinstance(value, Mapping):
        raise PydanticCustomError("mapping", "expected a mapping such as {app: reviews}")
    for key, item in value.items():
        if not isinstance(key, str) or not isinstance(item, str):
            wrong = f"for '{key}', got {item!r}" if isinstance(key, str) else f"as key, got {key!r}"
            raise PydanticCustomError("text_map", f"expected text {wrong}; write it in quotes")
    return dict(value)


Labels: TypeAlias = Annotated[dict[str, str], BeforeValidator(_text_map)]
"""Kubernetes labels: every one of them must match."""

Headers: TypeAlias = Annotated[dict[str, str], BeforeValidator(_text_map)]
"""HTTP headers by name."""


def _raw_map(value: object) -> object:
    if not isinstance(value, Mapping):
        raise PydanticCustomError("mapping", "expected a mapping")
    return value


RawMapping: TypeAlias = Annotated[
    Mapping[str, Any],
    BeforeValidator(_raw_map),
    WithJsonSchema({"x-type": "mapping", "type": "object", "additionalProperties": True}),
]
"""YAML that belongs to somebody else's schema."""


def _source(value: object) -> object:
    if isinstance(value, str):
        if not value.strip():
            raise PydanticCustomError("source", "expected the path of a file, folder or glob, got nothing")
        return value
    if not isinstance(value, Mapping):
        raise PydanticCustomError(
            "source", "expected the path of a file, folder or glob, or an object with apiVersion and kind"
        )
    missing = [key for key in ("apiVersion", "kind") if not isinstance(value.get(key), str)]
    if missing:
        raise PydanticCustomError("source", f"an inline object needs '{missing[0]}'")
    return value


Source: TypeAlias = Annotated[
    str | Mapping[str, Any],
    PlainValidator(_source),
    WithJsonSchema(
        {
            "x-type": "source",
            "anyOf": [
                {"type": "string", "title": "file, folder or glob"},
                {
                    "type": "object",
                    "title": "inline object",
                    "required": ["apiVersion", "kind"],
                    "additionalProperties": True,
                },
            ],
        }
    ),
]
"""A file, folder or glob beside the scenario, or a Kubernetes or Istio object written in place."""

Name: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$")]
"""A name without blanks."""
