"""Traces as a table with a row a span, as data sets of traces on Kubernetes publish them (Nezha, for example).

Columns `TraceID`, `SpanID`, `ParentID` (`root` or nothing for the first), `PodName` or `ServiceName`, `OperationName`,
`StartTimeUnixNano` and `EndTimeUnixNano`. The service is the pod's name without what its ReplicaSet added.
"""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Final

from meshsim.errors import InputError, Position
from meshsim.imports.spans import Span, SpanProblems

COLUMNS: Final = ("TraceID", "SpanID", "ParentID", "OperationName", "StartTimeUnixNano", "EndTimeUnixNano")
_REPLICA: Final = re.compile(r"-[0-9a-f]{6,10}-[a-z0-9]{5}\Z|-\d+\Z")


def read_span_table(text: str, path: Path) -> list[Span]:
    """The spans of a table; raises `InputErrors`, each with its line."""
    rows = csv.DictReader(io.StringIO(text))
    names = rows.fieldnames or ()
    missing = [name for name in COLUMNS if name not in names]
    if "PodName" not in names and "ServiceName" not in names:
        missing.append("PodName")
    if missing:
        raise InputError(f"a table of spans needs the columns {', '.join(missing)}", Position(str(path), 1, 1))
    problems = SpanProblems(path)
    spans: list[Span] = []
    for row in rows:
        before = len(problems.errors)
        where = f"line {rows.line_num}"
        pod = row.get("PodName") or ""
        span = Span(
            trace=problems.text(row, "TraceID", where),
            id=problems.text(row, "SpanID", where),
            parent="" if row["ParentID"] in ("root", "", None) else row["ParentID"],
            service=row.get("ServiceName") or _REPLICA.sub("", pod),
            instance=pod,
            operation=problems.text(row, "OperationName", where),
            start=problems.whole(row, "StartTimeUnixNano", where),
            end=problems.whole(row, "EndTimeUnixNano", where),
        )
        if not span.service:
            problems.wrong(where, "neither a pod nor a service is named", line=rows.line_num)
        if span.end < span.start:
            problems.wrong(where, "the span ends before it starts", line=rows.line_num)
        if len(problems.errors) == before:
            spans.append(span)
    problems.done()
    return spans
