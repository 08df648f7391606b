"""Spans of any tracing system in one form, and the problems of reading them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from meshsim.errors import InputError, InputErrors, Position
from meshsim.units import Nanos


class SpanKind(Enum):
    """What a span is about (OpenTelemetry's SpanKind)."""

    SERVER = "server"
    CLIENT = "client"
    PRODUCER = "producer"
    CONSUMER = "consumer"
    INTERNAL = "internal"
    UNKNOWN = "unknown"


@dataclass(slots=True, kw_only=True)
class Span:
    """One span; times in nanoseconds since the epoch, of the clock of its own host."""

    trace: str
    id: str
    parent: str
    """Id of the parent, empty for a root."""
    service: str
    instance: str
    """Pod, host or process it was made in; empty where that is not known."""
    operation: str
    start: Nanos
    end: Nanos
    kind: SpanKind = SpanKind.UNKNOWN
    follows: bool = False
    """Whether its parent did not wait for it (OpenTracing's FOLLOWS_FROM)."""
    failed: bool = False
    status: int = 0
    """HTTP status, 0 where there is none."""
    method: str = ""

    @property
    def error(self) -> bool:
        """Whether it ended badly: said so, or a status of 500 or more."""
        return self.failed or self.status >= 500


def read_trace_text(path: Path) -> str:
    """The text of a file, which may be gzipped; raises `InputError`."""
    try:
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        return data.decode("utf-8-sig")
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"cannot be read: {reason}", Position(str(path))) from None
    except (UnicodeDecodeError, EOFError) as error:
        raise InputError(f"is not text: {error}", Position(str(path))) from None


def parse_json(text: str, path: Path) -> Any:
    """The value of a JSON text; raises `InputError` with line and column."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        position = Position(str(path), error.lineno, error.colno)
        raise InputError(f"not valid JSON: {error.msg}", position) from None
    except RecursionError:
        raise InputError("nested too deeply to be read", Position(str(path))) from None


class SpanProblems:
    """What is wrong with the spans of a file, collected; places are JSON paths or lines."""

    MOST = 20

    def __init__(self, path: Path) -> None:
        self.path = path
        self.errors: list[InputError] = []

    def wrong(self, where: str, message: str, hint: str = "", line: int = 0) -> None:
        """A span that cannot be used."""
        self.errors.append(InputError(message, Position(str(self.path), line), hint, where))

    def text(self, holder: Mapping[str, Any], key: str, where: str) -> str:
        """A text that must be there; empty, with a complaint, where it is not."""
        value = holder.get(key)
        if isinstance(value, str) and value:
            return value
        self.wrong(f"{where}.{key}", f"expected text, got {_shown(value)}")
        return ""

    def whole(self, holder: Mapping[str, Any], key: str, where: str) -> int:
        """A whole number, also as text as JSON has 64-bit ones; -1, with a complaint, where there is none."""
        value = holder.get(key)
        if isinstance(value, str) and value.isdigit():
            return int(value)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
        if isinstance(value, float) and value >= 0 and value == int(value):
            return int(value)
        self.wrong(f"{where}.{key}", f"expected a whole number that is not negative, got {_shown(value)}")
        return -1

    def mappings(self, holder: Mapping[str, Any], key: str, where: str) -> Sequence[Mapping[str, Any]]:
        """A list of objects; a missing one is empty."""
        value = holder.get(key)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            self.wrong(f"{where}.{key}" if where else key, f"expected a list of objects, got {_shown(value)}")
            return []
        return value

    def done(self) -> None:
        """Raises `InputErrors` with the first errors if there are any."""
        if self.errors:
            raise InputErrors(tuple(self.errors[: self.MOST]))


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    text = json.dumps(value, default=str)
    return text if len(text) <= 40 else f"{text[:37]}..."


ERROR_WORDS = ("true", "1", "yes")
"""Values of the tag `error` that mean it."""


def apply_tags(span: Span, tags: Mapping[str, object]) -> None:
    """Set kind, method, status and failure of a span from its tags or attributes, in the names of OpenTracing,
    OpenTelemetry and Envoy."""
    kind = str(tags.get("span.kind", "")).lower()
    if kind in (known.value for known in SpanKind):
        span.kind = SpanKind(kind)
    for name in ("http.request.method", "http.method"):
        if isinstance(tags.get(name), str):
            span.method = str(tags[name]).upper()
            break
    for name in ("http.response.status_code", "http.status_code"):
        text = str(tags.get(name, ""))
        if text.isdigit():
            span.status = int(text)
            break
    if str(tags.get("error", "")).lower() in ERROR_WORDS or str(tags.get("otel.status_code", "")) == "ERROR":
        span.failed = True
    grpc = str(tags.get("rpc.grpc.status_code", tags.get("grpc.status_code", "0")))
    # What a gRPC server is to blame for: UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS
    # (OpenTelemetry semantic conventions for gRPC).
    if grpc in ("2", "4", "12", "13", "14", "15"):
        span.failed = True
