"""Traces as Jaeger writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from meshsim.errors import InputErrors
from meshsim.imports.jaeger import read_jaeger
from meshsim.imports.spans import SpanKind, parse_json
from meshsim.units import MICROSECOND

FILE = Path("it.json")


def item(**more: Any) -> dict[str, Any]:
    """A span of the trace t1."""
    return {
        "traceID": "t1",
        "spanID": "b",
        "operationName": "GET /items",
        "references": [{"refType": "CHILD_OF", "traceID": "t1", "spanID": "a"}],
        "startTime": 1_661_840_054_261_104,
        "duration": 1_125,
        "tags": [{"key": "span.kind", "type": "string", "value": "server"}],
        "processID": "p1",
    } | more


def document(*spans: dict[str, Any]) -> dict[str, Any]:
    process = {"serviceName": "stock", "tags": [{"key": "hostname", "value": "stock-7"}]}
    return {"data": [{"traceID": "t1", "spans": list(spans), "processes": {"p1": process}}]}


def test_a_span() -> None:
    (span,) = read_jaeger(document(item()), FILE)
    assert (span.service, span.instance, span.operation, span.parent) == ("stock", "stock-7", "GET /items", "a")
    assert (span.kind, span.follows) == (SpanKind.SERVER, False)
    assert span.start == 1_661_840_054_261_104_000
    assert span.end - span.start == 1_125 * MICROSECOND


def test_who_only_follows() -> None:
    (span,) = read_jaeger(
        document(item(references=[{"refType": "FOLLOWS_FROM", "traceID": "t1", "spanID": "a"}])), FILE
    )
    assert (span.parent, span.follows) == ("a", True)


def test_references_to_other_traces_are_no_parents() -> None:
    other = {"refType": "CHILD_OF", "traceID": "t0", "spanID": "z"}
    (span,) = read_jaeger(document(item(references=[other])), FILE)
    assert span.parent == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"startTime": None},
            "expected a whole number that is not negative, got nothing  [data[0].spans[0].startTime]",
        ),
        ({"duration": -3}, "got -3  [data[0].spans[0].duration]"),
        ({"spanID": 7}, "expected text, got 7  [data[0].spans[0].spanID]"),
        ({"processID": "p9"}, "the trace has no process 'p9' with a serviceName"),
        ({"references": "a"}, 'expected a list of objects, got "a"'),
    ],
)
def test_what_is_wrong_has_its_json_path(change: dict[str, Any], said: str) -> None:
    with pytest.raises(InputErrors) as caught:
        read_jaeger(document(item(**change)), FILE)
    assert said in str(caught.value)


@pytest.mark.needs_shared
@pytest.mark.parametrize(("name", "spans", "services"), [("example1", 3, 2), ("example2", 29, 2)])
def test_recorded_traces(name: str, spans: int, services: int, shared: Path) -> None:
    path = shared / "data" / "meshinsight-jaeger" / f"{name}.json"
    found = read_jaeger(parse_json(path.read_text(), path), path)
    assert (len(found), len({span.service for span in found})) == (spans, services)
    assert sum(not span.parent for span in found) == 1
