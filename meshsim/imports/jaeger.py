"""Traces as Jaeger's UI and query API give them, `{"data": [{"traceID", "spans", "processes"}]}`, in microseconds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from meshsim.imports.spans import Span, SpanProblems, apply_tags
from meshsim.units import MICROSECOND

_INSTANCE_TAGS: Final = ("k8s.pod.name", "service.instance.id", "hostname", "host.name", "ip", "client-uuid")


def read_jaeger(document: Mapping[str, Any], path: Path) -> list[Span]:
    """The spans of a document; raises `InputErrors`, each with its JSON path."""
    problems = SpanProblems(path)
    spans: list[Span] = []
    for index, trace in enumerate(problems.mappings(document, "data", "")):
        where = f"data[{index}]"
        processes = trace.get("processes")
        if not isinstance(processes, dict):
            problems.wrong(f"{where}.processes", "expected the processes of the trace, each with a serviceName")
            continue
        for number, item in enumerate(problems.mappings(trace, "spans", where)):
            span = _span(item, processes, f"{where}.spans[{number}]", problems)
            if span is not None:
                spans.append(span)
    problems.done()
    return spans


def _span(item: Mapping[str, Any], processes: Mapping[str, Any], where: str, problems: SpanProblems) -> Span | None:
    before = len(problems.errors)
    process = item.get("process")
    if process is None:
        process = processes.get(problems.text(item, "processID", where))
    if not isinstance(process, dict) or not isinstance(process.get("serviceName"), str):
        problems.wrong(f"{where}.processID", f"the trace has no process '{item.get('processID')}' with a serviceName")
        return None
    parent, follows = _parent(problems.mappings(item, "references", where), item)
    start = problems.whole(item, "startTime", where) * MICROSECOND
    duration = problems.whole(item, "duration", where) * MICROSECOND
    process_tags = _tags(problems.mappings(process, "tags", where))
    span = Span(
        trace=problems.text(item, "traceID", where),
        id=problems.text(item, "spanID", where),
        parent=parent,
        service=process["serviceName"],
        instance=next((str(process_tags[name]) for name in _INSTANCE_TAGS if name in process_tags), ""),
        operation=problems.text(item, "operationName", where),
        start=start,
        end=start + duration,
        follows=follows,
    )
    apply_tags(span, _tags(problems.mappings(item, "tags", where)))
    return span if len(problems.errors) == before else None


def _parent(references: Any, item: Mapping[str, Any]) -> tuple[str, bool]:
    """Id of the parent and whether it does not wait: the first CHILD_OF, else the first FOLLOWS_FROM."""
    for kind in ("CHILD_OF", "FOLLOWS_FROM"):
        for reference in references:
            if reference.get("refType") == kind and reference.get("traceID", item.get("traceID")) == item.get(
                "traceID"
            ):
                return str(reference.get("spanID", "")), kind == "FOLLOWS_FROM"
    return str(item.get("parentSpanID") or ""), False


def _tags(tags: Any) -> dict[str, object]:
    return {str(tag.get("key")): tag.get("value") for tag in tags}
