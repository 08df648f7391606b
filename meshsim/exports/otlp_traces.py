"""Recorded requests as traces in OTLP JSON (opentelemetry-proto `trace/v1`), as tracing sidecars would have made them.

A request is a client span of its caller, from sending it to having the answer; each of its attempts that reached an
application is a server span below, from arriving there to being answered. What a handler calls stands below the server
span of the attempt that handled it. Names and attributes are those of OpenTelemetry's semantic conventions for HTTP.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from meshsim.recording import Run
from meshsim.units import Nanos

Row: TypeAlias = Mapping[str, Any]

EPOCH: Final = 1_700_000_000 * 1_000_000_000
"""Instant of the clock on the wall that a run begins at, in nanoseconds: 2023-11-14T22:13:20Z."""
_SERVER: Final = 2
_CLIENT: Final = 3
_ERROR: Final = 2
_COLUMNS: Final = (
    *("root", "request", "parent", "attempt", "last", "mirror", "start", "arrived", "done", "request_end"),
    *("source", "source_namespace", "source_pod", "destination", "destination_namespace", "service", "pod"),
    *("call", "status", "seed"),
)


def trace_requests(run: Run) -> dict[str, Any]:
    """All recorded requests of a run as one export request; mirrored copies are left out."""
    rows = [row for row in run.requests(_COLUMNS).to_pylist() if not row["mirror"]]
    handling = _Attempts(row for row in rows if row["arrived"] >= 0 and row["done"] >= 0)
    resources: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in rows:
        if row["last"]:
            owner = (row["source"], row["source_namespace"], row["source_pod"])
            resources.setdefault(owner, []).append(_client_span(row, handling))
        if row["arrived"] >= 0 and row["done"] >= 0:
            owner = (row["destination"], row["destination_namespace"], row["pod"])
            resources.setdefault(owner, []).append(_server_span(row))
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": [_attribute(name, value) for name, value in _resource(*owner) if value]},
                "scopeSpans": [{"scope": {"name": "meshsim"}, "spans": spans}],
            }
            for owner, spans in sorted(resources.items())
        ]
    }


def traces_json(run: Run) -> str:
    """`trace_requests` as one line of JSON."""
    return json.dumps(trace_requests(run), separators=(",", ":"))


class _Attempts:
    """Which attempt of a request handled what it led to."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._by_request: dict[tuple[int, int], list[Row]] = {}
        for row in rows:
            self._by_request.setdefault((row["seed"], row["request"]), []).append(row)

    def around(self, row: Row) -> str:
        """Id of the server span that a request was sent from, empty for a client's own."""
        attempts = self._by_request.get((row["seed"], row["parent"]), ())
        for attempt in attempts:
            if attempt["arrived"] <= row["start"] <= attempt["done"]:
                return _server_id(attempt)
        return ""


def _client_span(row: Row, handling: _Attempts) -> dict[str, Any]:
    span = _span(row, _id(row["request"], 0), handling.around(row), _CLIENT, row["start"], row["request_end"])
    span["attributes"].append(_attribute("server.address", row["service"]))
    return _with_status(span, row["status"], bad=row["status"] == 0 or row["status"] >= 400)


def _server_span(row: Row) -> dict[str, Any]:
    span = _span(row, _server_id(row), _id(row["request"], 0), _SERVER, row["arrived"], row["done"])
    return _with_status(span, row["status"], bad=row["status"] >= 500)


def _span(row: Row, span_id: str, parent: str, kind: int, start: Nanos, end: Nanos) -> dict[str, Any]:
    method, _, target = row["call"].partition(" ")
    path = target.partition("?")[0]
    span: dict[str, Any] = {
        "traceId": f"{row['seed'] & 0xFFFFFFFF:08x}{row['root'] & (2**96 - 1):024x}",
        "spanId": span_id,
    }
    if parent:
        span["parentSpanId"] = parent
    attributes = [_attribute("http.request.method", method), _attribute("url.path", path)]
    return span | {
        "name": f"{method} {path}",
        "kind": kind,
        "startTimeUnixNano": str(EPOCH + start),
        "endTimeUnixNano": str(EPOCH + end),
        "attributes": attributes,
    }


def _with_status(span: dict[str, Any], status: int, bad: bool) -> dict[str, Any]:
    if status:
        span["attributes"].append(_attribute("http.response.status_code", status))
    if bad:
        span["status"] = {"code": _ERROR}
    return span


def _server_id(row: Row) -> str:
    return _id(row["request"], row["attempt"])


def _id(request: int, attempt: int) -> str:
    """Eight bytes out of a request's id and the number of an attempt, 0 for the caller's span."""
    mixed = (request * 0x9E3779B97F4A7C15 + attempt * 0xD1B54A32D192ED03 + 1) & (2**64 - 1)
    return f"{mixed:016x}"


def _resource(app: str, namespace: str, pod: str) -> Iterator[tuple[str, str]]:
    yield "service.name", app
    yield "service.namespace", namespace
    yield "k8s.namespace.name", namespace
    yield "k8s.pod.name", pod


def _attribute(name: str, value: str | int) -> dict[str, Any]:
    kind = {"stringValue": value} if isinstance(value, str) else {"intValue": str(value)}
    return {"key": name, "value": kind}
