"""From pydantic's errors to what a person wants to read: file, line, column, what is wrong, what was meant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any, Final, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from meshsim.api import Origin, locate, locate_value
from meshsim.api.positions import scalar_text
from meshsim.errors import InputError
from meshsim.scenario.descriptions import description
from meshsim.scenario.node import Node

Location = tuple[int | str, ...]

_TYPES: Final = {
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}
_PATTERNS: Final = {
    "^/": "a path that begins with '/'",
    "^[A-Z]+$": "capital letters only",
    "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$": "small letters, digits and dashes",
    "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$": "a name of letters, digits, dashes, dots and underscores",
    "^[1-5](xx|[0-9][0-9])$": "a status such as 503 or 5xx",
}


def suggestion(word: str, known: Iterable[str]) -> str:
    """`did you mean 'x'?` for the known word that looks most like this one, else nothing."""
    close = get_close_matches(word, sorted(known), 1, 0.6)
    return f"did you mean '{close[0]}'?" if close else ""


def input_errors(error: ValidationError, root: type[Node], document: object, origin: Origin) -> list[InputError]:
    """Every problem of a document once, in the order of the file."""
    details = _without_echoes(error.errors(include_url=False), root)
    found = [_input_error(detail, root, document, origin) for detail in details]
    return sorted(found, key=lambda e: (e.position.line, e.position.column) if e.position else (0, 0))


def _input_error(detail: ErrorDetails, root: type[Node], document: object, origin: Origin) -> InputError:
    location = detail["loc"]
    path = _path(location, document)
    kind = detail["type"]
    message, hint = _words(detail, root)
    at_key = kind in ("extra_forbidden", "missing")
    position = locate(origin, path) if at_key else locate_value(origin, path)
    if isinstance(detail["input"], bool) and kind in ("string_type", "timeline_id"):
        written = scalar_text(origin, path)
        message = f"expected text, '{written}' is read as {shown(detail['input'])}"
        hint = f'put it in quotes: "{written}"'
    return InputError(message, position, hint, path)


def _words(detail: ErrorDetails, root: type[Node]) -> tuple[str, str]:
    location, kind, value = detail["loc"], detail["type"], detail["input"]
    context: dict[str, Any] = detail.get("ctx", {})
    if kind == "extra_forbidden":
        return f"unknown field '{location[-1]}'", suggestion(str(location[-1]), _keys(root, location[:-1]))
    if kind == "missing":
        return f"the field '{location[-1]}' is missing", _description(root, location)
    if kind in ("literal_error", "enum"):
        return _choice(value, str(context.get("expected", "")))
    if kind in _TYPES:
        return f"expected {_TYPES[kind]}, got {shown(value)}", _type_hint(kind, value)
    if kind == "string_pattern_mismatch":
        pattern = str(context["pattern"])
        return f"expected {_PATTERNS.get(pattern, f'text of the form {pattern}')}, got {shown(value)}", ""
    if kind in ("greater_than_equal", "greater_than", "less_than_equal", "less_than"):
        bound = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
        key = next(iter(context))
        return f"expected {bound[key]} {context[key]}, got {shown(value)}", ""
    if kind == "too_short":
        return f"expected at least {context['min_length']} entry", ""
    return detail["msg"], ""


def shown(value: object) -> str:
    """A value as the file has it, shortened."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"'{value}'" if len(value) <= 60 else f"'{value[:57]}...'"
    if isinstance(value, int | float):
        return str(value)
    return "a list" if isinstance(value, list | tuple) else "a mapping"


def _type_hint(kind: str, value: object) -> str:
    if kind == "string_type" and isinstance(value, int | float):
        return "put it in quotes"
    if kind == "tuple_type" and not isinstance(value, dict):
        return "write [ ] around it, or one entry a line, each after a dash"
    return ""


def _choice(value: object, expected: str) -> tuple[str, str]:
    known = [word.strip(" '") for word in expected.replace(" or ", ",").split(",")]
    if len(known) == 1:
        return f"expected '{known[0]}', got {shown(value)}", ""
    return f"{shown(value)} is not one of {expected}", suggestion(str(value), known)


def _without_echoes(errors: Sequence[ErrorDetails], root: type[Node]) -> list[ErrorDetails]:
    """The errors without those that only follow from another one.

    A misspelt key gives two: the unknown field and the missing one it stands for. A list with a bad entry is also
    'too short'.
    """
    meant: set[Location] = set()
    missing = {error["loc"] for error in errors if error["type"] == "missing"}
    for error in errors:
        if error["type"] == "extra_forbidden":
            parent = error["loc"][:-1]
            close = get_close_matches(str(error["loc"][-1]), sorted(_keys(root, parent)), 1, 0.6)
            meant.update((*parent, name) for name in close)
    kept = [e for e in errors if not (e["type"] == "missing" and e["loc"] in meant & missing)]
    return [
        e
        for e in kept
        if e["type"] != "too_short"
        or not any(other["loc"][: len(e["loc"])] == e["loc"] and other is not e for other in kept)
    ]


def _path(location: Location, document: object) -> str:
    """The location as a path of the file, where one entry may stand for a list of one."""
    path = ""
    here: Any = document
    for part in location:
        if isinstance(part, int):
            if not isinstance(here, list | tuple):
                continue
            path += f"[{part}]"
            here = here[part] if part < len(here) else None
        else:
            path += f".{part}" if path else part
            here = here.get(part) if isinstance(here, dict) else None
    return path


def _keys(root: type[Node], location: Location) -> list[str]:
    """The keys that a mapping at this place may have."""
    return [info.alias or name for node in _nodes_at(root, location) for name, info in node.model_fields.items()]


def _description(root: type[Node], location: Location) -> str:
    for node in _nodes_at(root, location[:-1]):
        for name, info in node.model_fields.items():
            if (info.alias or name) == location[-1]:
                text = description(node, name).partition(".")[0].replace("`", "")
                return text[:1].lower() + text[1:]
    return ""


def _nodes_at(root: type[Node], location: Location) -> list[type[Node]]:
    nodes = [root]
    for part in location:
        if isinstance(part, int):
            continue
        annotations = [
            info.annotation
            for node in nodes
            for name, info in node.model_fields.items()
            if (info.alias or name) == part
        ]
        nodes = [found for annotation in annotations for found in _nodes_of(annotation)]
    return nodes


def _nodes_of(annotation: Any) -> list[type[Node]]:
    if isinstance(annotation, type) and issubclass(annotation, Node):
        return [annotation]
    return [found for argument in get_args(annotation) for found in _nodes_of(argument)]
