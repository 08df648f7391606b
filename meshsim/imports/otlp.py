"""Traces as OTLP has them in JSON (opentelemetry-proto `trace/v1`): `{"resourceSpans": [{"resource", "scopeSpans"}]}`.

One document, or one a line as the collector's file exporter writes them. Also Tempo's `{"batches": [...]}`, and
`instrumentationLibrarySpans` as they were called before 0.16.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from meshsim.imports.spans import Span, SpanKind, SpanProblems, apply_tags

RESOURCES: Final = ("resourceSpans", "batches")
_SCOPES: Final = ("scopeSpans", "instrumentationLibrarySpans")
_KINDS: Final = {
    1: SpanKind.INTERNAL,
    2: SpanKind.SERVER,
    3: SpanKind.CLIENT,
    4: SpanKind.PRODUCER,
    5: SpanKind.CONSUMER,
}
_INSTANCE: Final = ("k8s.pod.name", "service.instance.id", "host.name")
_ERROR: Final = (2, "2", "STATUS_CODE_ERROR")


def read_otlp(document: Mapping[str, Any], path: Path, line: int = 0) -> list[Span]:
    """The spans of one export request; raises `InputErrors`, each with its JSON path (and line)."""
    problems = SpanProblems(path)
    spans: list[Span] = []
    for name in RESOURCES:
        for index, resource in enumerate(problems.mappings(document, name, "")):
            where = f"{name}[{index}]"
            attributes = _attributes(resource.get("resource"))
            service = attributes.get("service.name")
            if not isinstance(service, str) or not service:
                hint = "who made spans is known by it"
                problems.wrong(f"{where}.resource", "the resource has no attribute service.name", hint, line)
                continue
            instance = next((str(attributes[key]) for key in _INSTANCE if key in attributes), "")
            for place, item in _items(resource, where, problems):
                span = _span(item, service, instance, place, problems)
                if span is not None:
                    spans.append(span)
    problems.done()
    return spans


def _items(resource: Mapping[str, Any], where: str, problems: SpanProblems) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name in _SCOPES:
        for index, scope in enumerate(problems.mappings(resource, name, where)):
            place = f"{where}.{name}[{index}]"
            for number, item in enumerate(problems.mappings(scope, "spans", place)):
                yield f"{place}.spans[{number}]", item


def _span(item: Mapping[str, Any], service: str, instance: str, where: str, problems: SpanProblems) -> Span | None:
    before = len(problems.errors)
    span = Span(
        trace=problems.text(item, "traceId", where),
        id=problems.text(item, "spanId", where),
        parent=str(item.get("parentSpanId") or "").strip("0") and str(item["parentSpanId"]),
        service=service,
        instance=instance,
        operation=problems.text(item, "name", where),
        start=problems.whole(item, "startTimeUnixNano", where),
        end=problems.whole(item, "endTimeUnixNano", where),
    )
    apply_tags(span, _attributes(item))
    kind = item.get("kind", 0)
    if isinstance(kind, str) and not kind.isdigit():
        name = kind.removeprefix("SPAN_KIND_").lower()
        span.kind = SpanKind(name) if name in (known.value for known in SpanKind) else span.kind
    else:
        span.kind = _KINDS.get(int(kind), span.kind)
    status = item.get("status")
    span.failed = span.failed or (isinstance(status, dict) and status.get("code") in _ERROR)
    if span.end < span.start:
        problems.wrong(f"{where}.endTimeUnixNano", "the span ends before it starts")
    return span if len(problems.errors) == before else None


def _attributes(holder: object) -> dict[str, object]:
    """Attributes by key; of each AnyValue what it holds."""
    attributes = holder.get("attributes") if isinstance(holder, dict) else None
    found: dict[str, object] = {}
    for attribute in attributes if isinstance(attributes, list) else ():
        value = attribute.get("value") if isinstance(attribute, dict) else None
        if isinstance(value, dict) and value:
            found[str(attribute.get("key"))] = next(iter(value.values()))
    return found
