"""Spans written short."""

from __future__ import annotations

from typing import Any

from meshsim.imports.spans import Span, SpanKind
from meshsim.units import MILLISECOND

SERVER, CLIENT, INTERNAL, PRODUCER, CONSUMER = (
    SpanKind.SERVER,
    SpanKind.CLIENT,
    SpanKind.INTERNAL,
    SpanKind.PRODUCER,
    SpanKind.CONSUMER,
)


def span(name: str, parent: str, service: str, begin: float, end: float, **more: Any) -> Span:
    """A span whose id is its operation's name, with times in milliseconds."""
    defaults: dict[str, Any] = {"trace": "t", "instance": "", "operation": name.partition("#")[0]}
    return Span(
        **(defaults | more),
        id=name,
        parent=parent,
        service=service,
        start=round(begin * MILLISECOND),
        end=round(end * MILLISECOND),
    )
