"""Files of traces, told apart by what is in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from meshsim.errors import InputError, InputErrors, Position
from meshsim.imports.jaeger import read_jaeger
from meshsim.imports.otlp import RESOURCES, read_otlp
from meshsim.imports.span_table import read_span_table
from meshsim.imports.spans import Span, parse_json, read_trace_text

_KNOWN = "there are Jaeger's JSON ('data'), OTLP JSON ('resourceSpans') and tables of spans (CSV)"


def read_traces(paths: Sequence[Path]) -> list[Span]:
    """The spans of all files; raises `InputErrors` with what is wrong in any of them."""
    spans: list[Span] = []
    errors: list[InputError] = []
    for path in paths:
        try:
            spans.extend(_read(path))
        except InputErrors as found:
            errors.extend(found.errors)
        except InputError as error:
            errors.append(error)
    if errors:
        raise InputErrors(tuple(errors))
    if not spans:
        where = Position(", ".join(str(path) for path in paths))
        raise InputErrors((InputError("there is no span in it", where, _KNOWN),))
    return spans


def _read(path: Path) -> list[Span]:
    text = read_trace_text(path)
    if not text.lstrip().startswith(("{", "[")):
        return read_span_table(text, path)
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > 1 and all(line.startswith("{") and line.rstrip().endswith("}") for line in lines):
        spans: list[Span] = []
        for number, line in enumerate(lines, 1):
            try:
                document = parse_json(line, path)
            except InputError as error:
                column = error.position.column if error.position else 0
                raise InputError(error.message, Position(str(path), number, column)) from None
            spans.extend(_document(document, path, number))
        return spans
    return _document(parse_json(text, path), path, 0)


def _document(document: Any, path: Path, line: int) -> list[Span]:
    if isinstance(document, list):
        return [span for item in document for span in _document(item, path, line)]
    if isinstance(document, dict):
        if isinstance(document.get("trace"), dict):
            document = document["trace"]
        if any(name in document for name in RESOURCES):
            return read_otlp(document, path, line)
        if "data" in document:
            return read_jaeger(document, path)
        if "spans" in document and "processes" in document:
            return read_jaeger({"data": [document]}, path)
    raise InputError("this is no file of traces", Position(str(path), line), _KNOWN)
