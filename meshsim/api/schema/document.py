"""Checking of one whole document: kind, fields, names and labels, and the rules within the object."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from meshsim.api.schema.kinds import Kind, document_schema, find_kind
from meshsim.api.schema.reading import Problem, Reading
from meshsim.api.schema.scalars import LABEL, SUBDOMAIN

_NAME: Final = re.compile(rf"{SUBDOMAIN}\Z")
_DNS_LABEL: Final = re.compile(rf"{LABEL}\Z")
_SERVICE_NAME: Final = re.compile(r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?\Z")
_LABEL_NAME: Final = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?\Z")
_LABEL_VALUE: Final = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?\Z")


class Checked(NamedTuple):
    """A document as the API server would store it, and what is wrong with it."""

    kind: Kind | None
    """``None`` for a kind of another project."""
    body: Mapping[str, object]
    problems: tuple[Problem, ...]
    renamed: tuple[tuple[str, str], ...]
    """Fields written in snake_case: path and usual name."""


def check_document(body: Mapping[str, object]) -> Checked:
    """Check a document that has apiVersion, kind and metadata.name; nothing is raised."""
    try:
        kind = find_kind(str(body["apiVersion"]), str(body["kind"]))
    except ValueError as error:
        message, hint = error.args
        about = "apiVersion" if "not served" in message else "kind"
        return Checked(None, body, (Problem(about, message, hint),), ())
    if kind is None or not kind.tabulated:
        return Checked(kind, body, tuple(_metadata_problems(body, kind)), ())
    reading = Reading(kind.family)
    read = document_schema(kind).read(body, None, reading)
    stored = read if isinstance(read, Mapping) else body
    problems = [*reading.problems, *_metadata_problems(body, kind)]
    return Checked(kind, stored, tuple(problems), tuple(reading.renamed))


def _metadata_problems(body: Mapping[str, object], kind: Kind | None) -> list[Problem]:
    """Names and labels, as ``k8s.io/apimachinery`` validates them."""
    metadata = body.get("metadata")
    if not isinstance(metadata, Mapping):
        return []
    problems: list[Problem] = []
    name = metadata.get("name")
    if isinstance(name, str):
        problems.extend(_name_problems(name, kind))
    namespace = metadata.get("namespace")
    if isinstance(namespace, str) and namespace and not _DNS_LABEL.match(namespace):
        problems.append(Problem("metadata.namespace", f"'{namespace}' is not a namespace name", "a DNS label"))
    labels = metadata.get("labels")
    if isinstance(labels, Mapping):
        problems.extend(_label_problems(labels))
    return problems


def _name_problems(name: str, kind: Kind | None) -> list[Problem]:
    if kind is not None and kind.group == "" and kind.name == "Service":
        if not _SERVICE_NAME.match(name):
            hint = "lower case letters, digits and '-', starting with a letter, at most 63"
            return [Problem("metadata.name", f"'{name}' is not a service name", hint)]
    elif kind is not None and kind.name == "Namespace":
        if not _DNS_LABEL.match(name):
            return [Problem("metadata.name", f"'{name}' is not a namespace name", "a DNS label")]
    elif not _NAME.match(name):
        # Foreign kinds may allow more (RBAC names hold colons); only what no kind allows is refused there.
        if kind is None or not kind.tabulated:
            return [Problem("metadata.name", f"'{name}' is not an object name")] if "/" in name else []
        hint = "lower case letters, digits, '-' and '.'"
        return [Problem("metadata.name", f"'{name}' is not an object name", hint)]
    return []


def _label_problems(labels: Mapping[str, object]) -> list[Problem]:
    problems: list[Problem] = []
    for key, value in labels.items():
        prefix, slash, name = key.rpartition("/")
        if (slash and not _NAME.match(prefix)) or not _LABEL_NAME.match(name):
            hint = "letters, digits, '-', '_' and '.', at most 63, perhaps after a DNS name and '/'"
            problems.append(Problem(f"metadata.labels.{key}", f"'{key}' is not a label name", hint))
        if isinstance(value, str) and not _LABEL_VALUE.match(value):
            hint = "letters, digits, '-', '_' and '.', at most 63"
            problems.append(Problem(f"metadata.labels.{key}", f"'{value}' is not a label value", hint))
    return problems
