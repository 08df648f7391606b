"""A YAML text to documents: split, guarded, composed, each with the place it was written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

import yaml

from meshsim.api.objects import Origin
from meshsim.api.prescan import refuse
from meshsim.api.yaml_loader import Values, compose
from meshsim.errors import InputError, Position

_MARKER: Final = re.compile(r"(?:---|\.\.\.)(?:\s|$)")
_TEMPLATE: Final = re.compile(r"\{\{|\{%")
_FLOW_IPV6: Final = re.compile(r"[\[,{]\s*(?:[0-9a-fA-F]{0,4}:){1,7}[0-9a-fA-F:.]*\s*[\],}]")


class Document(NamedTuple):
    """One YAML document: its value and where it stands."""

    value: object
    origin: Origin


class Documents(NamedTuple):
    """All documents of a text that could be read, and the errors of those that could not."""

    documents: tuple[Document, ...]
    errors: tuple[InputError, ...]


def parse_documents(text: str, file: str) -> Documents:
    """Read every document of a YAML (or JSON) text; empty documents are left out."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    if text.lstrip().startswith(("{", "[")):
        text = text.replace("\t", " ")  # JSON may be indented with tabs, YAML may not
    documents: list[Document] = []
    errors: list[InputError] = []
    for origin in _split(text, file):
        document, problems = _read(origin)
        if document is not None and not problems:
            documents.append(document)
        errors.extend(problems)
    templates = [error for error in errors if error.message == TEMPLATE_MESSAGE]
    if templates:
        errors = [error for error in errors if error.message != TEMPLATE_MESSAGE]
        errors.insert(0, templates[0])
    return Documents(tuple(documents), tuple(errors))


TEMPLATE_MESSAGE: Final = "this is a template, not a manifest"
_TEMPLATE_HINT: Final = "render it first (helm template, kustomize build, envsubst ...) and give the result"


def template_error(origin: Origin) -> InputError | None:
    """The error of a document that is a Helm or Go template, ``None`` when no template mark is in it."""
    found = _TEMPLATE.search(origin.text)
    if found is None:
        return None
    line = origin.text.count("\n", 0, found.start())
    column = found.start() - (origin.text.rfind("\n", 0, found.start()) + 1)
    return InputError(TEMPLATE_MESSAGE, Position(origin.file, origin.line + line, column + 1), _TEMPLATE_HINT)


def _split(text: str, file: str) -> Iterator[Origin]:
    """Documents by their markers: a line that starts with ``---`` is one wherever it stands (YAML 1.1, 9.1.2)."""
    lines = text.split("\n")
    start = 0
    for index in range(1, len(lines) + 1):
        if index < len(lines) and not _MARKER.match(lines[index]):
            continue
        chunk = lines[start:index]
        if index < len(lines) and _is_prologue(chunk):
            continue
        body = "\n".join(chunk) + ("\n" if index < len(lines) else "")
        if body.strip("- .\n"):
            yield Origin(file, start + 1, body)
        start = index


def _is_prologue(lines: list[str]) -> bool:
    """Whether lines before a marker belong to the document after it: directives among comments."""
    return any(line.startswith("%") for line in lines) and all(
        line.startswith(("%", "#")) or not line.strip() for line in lines
    )


def _read(origin: Origin) -> tuple[Document | None, list[InputError]]:
    text = origin.text
    refusal = refuse(text)
    if refusal is not None:
        return None, [InputError(refusal.message, _at(origin, refusal.line, refusal.column), refusal.hint)]
    try:
        node = compose(text)
    except yaml.YAMLError as error:
        return None, [template_error(origin) or _syntax_error(origin, error)]
    except RecursionError:
        return None, [InputError("nested too deeply to be read", Position(origin.file, origin.line, 1))]
    if node is None:
        return None, []
    values = Values(origin.line)
    value = values.value(node)
    if values.problems:
        template = template_error(origin)
        if template is not None:
            return None, [template]
        return None, [InputError(p.message, _at(origin, p.line, p.column), p.hint) for p in values.problems]
    if value is None:
        return None, []
    return Document(value, origin), []


def _syntax_error(origin: Origin, error: yaml.YAMLError) -> InputError:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        problem = (error.problem or error.context or "not valid YAML").strip()
        position = _at(origin, mark.line, mark.column) if mark else Position(origin.file, origin.line)
        line = mark.line if mark else 0
    elif isinstance(error, yaml.reader.ReaderError):
        line = origin.text.count("\n", 0, int(error.position))
        problem = f"the character U+{_code_point(error.character):04X} may not stand in a text file"
        position = _at(origin, line, 0)
    else:
        line, problem, position = 0, str(error), Position(origin.file, origin.line)
    return InputError(f"not valid YAML: {problem}", position, _syntax_hint(origin.text.split("\n"), line, problem))


def _code_point(character: object) -> int:
    if isinstance(character, int):
        return character
    return ord(character[:1]) if isinstance(character, str | bytes) and character else 0


def _syntax_hint(lines: list[str], line: int, problem: str) -> str:
    near = lines[max(0, line - 1) : line + 1]
    if any(_FLOW_IPV6.search(text) for text in near):
        return 'put an IPv6 address in quotes inside [ ] or { }, as in ["::1"]'
    if "\\t" in problem or any("\t" in text[: len(text) - len(text.lstrip())] for text in near):
        return "indent with spaces; YAML does not allow tabs"
    if "mapping values are not allowed" in problem:
        return "a text with ': ' in it needs quotes, or the line is indented too far"
    if "alias" in problem or "anchor" in problem:
        return "a text that starts with * or & needs quotes"
    if "'@'" in problem or "'`'" in problem or "'%'" in problem:
        return "a text that starts with this character needs quotes"
    return ""


def _at(origin: Origin, line: int, column: int) -> Position:
    return Position(origin.file, origin.line + line, column + 1)
