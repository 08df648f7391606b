"""Traces as OTLP has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from meshsim.errors import InputErrors
from meshsim.imports.otlp import read_otlp
from meshsim.imports.spans import SpanKind

FILE = Path("it.json")


def item(**more: Any) -> dict[str, Any]:
    return {
        "traceId": "5b8efff798038103d269b633813fc60c",
        "spanId": "eee19b7ec3c1b174",
        "parentSpanId": "eee19b7ec3c1b173",
        "name": "GET /items",
        "kind": 2,
        "startTimeUnixNano": "1544712660000000000",
        "endTimeUnixNano": "1544712661000000000",
        "attributes": [{"key": "http.response.status_code", "value": {"intValue": "507"}}],
    } | more


def document(*spans: dict[str, Any], scopes: str = "scopeSpans", name: str = "stock") -> dict[str, Any]:
    attributes = [
        {"key": "service.name", "value": {"stringValue": name}},
        {"key": "k8s.pod.name", "value": {"stringValue": "stock-7"}},
    ]
    return {"resourceSpans": [{"resource": {"attributes": attributes}, scopes: [{"spans": list(spans)}]}]}


@pytest.mark.parametrize("scopes", ["scopeSpans", "instrumentationLibrarySpans"])
def test_a_span(scopes: str) -> None:
    (span,) = read_otlp(document(item(), scopes=scopes), FILE)
    assert (span.service, span.instance, span.parent, span.status) == ("stock", "stock-7", "eee19b7ec3c1b173", 507)
    assert (span.kind, span.end - span.start) == (SpanKind.SERVER, 10**9)


@pytest.mark.parametrize("kind", [3, "SPAN_KIND_CLIENT"])
def test_kinds_as_numbers_and_names(kind: object) -> None:
    (span,) = read_otlp(document(item(kind=kind)), FILE)
    assert span.kind is SpanKind.CLIENT


@pytest.mark.parametrize("parent", ["", "0000000000000000", None])
def test_roots(parent: object) -> None:
    (span,) = read_otlp(document(item(parentSpanId=parent)), FILE)
    assert span.parent == ""


@pytest.mark.parametrize(("code", "failed"), [(2, True), ("STATUS_CODE_ERROR", True), (1, False)])
def test_status(code: object, failed: bool) -> None:
    (span,) = read_otlp(document(item(attributes=[], status={"code": code})), FILE)
    assert span.error is failed


def test_batches_as_tempo_has_them() -> None:
    batches = {"batches": document(item())["resourceSpans"]}
    assert len(read_otlp(batches, FILE)) == 1


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (document(item(name="")), 'expected text, got ""  [resourceSpans[0].scopeSpans[0].spans[0].name]'),
        (document(item(endTimeUnixNano="3")), "the span ends before it starts"),
        (document(item(), name=""), "the resource has no attribute service.name"),
        ({"resourceSpans": 3}, "expected a list of objects, got 3  [resourceSpans]"),
    ],
)
def test_what_is_wrong_has_its_json_path(made: dict[str, Any], said: str) -> None:
    with pytest.raises(InputErrors) as caught:
        read_otlp(made, FILE)
    assert said in str(caught.value)
