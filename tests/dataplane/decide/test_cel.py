"""CEL conditions; the same on random expressions against the real Envoy: tests/conformance/test_envoy_cel.py."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from meshsim.dataplane.decide.cel import CelOptions, compile_condition
from meshsim.dataplane.decide.headers import HeaderMap
from meshsim.dataplane.decide.rejected import ResourceRejectedError
from meshsim.dataplane.decide.strings import Notes, parse_ip
from meshsim.dataplane.decide.subjects import Subject
from meshsim.dataplane.decide.values import PeerCertificate
from meshsim.xds.messages import cel_syntax_pb2
from meshsim.xds.packing import from_json

HEADERS = HeaderMap(
    [(":path", "/a/b?x=1"), (":method", "GET"), (":authority", "h"), (":scheme", "http"), ("x-d", "1"), ("x-d", "2")]
)
SUBJECT = Subject(
    HEADERS, "/a/b", parse_ip("10.0.0.1"), 80, parse_ip("10.0.0.9"), parse_ip("10.0.0.9"), "", False, None, {}, 4000
)


def ident(name: str) -> dict[str, Any]:
    return {"ident_expr": {"name": name}}


def select(group: str, field: str, *, has: bool = False) -> dict[str, Any]:
    operand = ident(group) if "." not in group else select(*group.rsplit(".", 1))
    return {"select_expr": {"operand": operand, "field": field, "test_only": has}}


def constant(value: object) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"const_expr": {"bool_value": value}}
    if isinstance(value, int):
        return {"const_expr": {"int64_value": str(value)}}
    return {"const_expr": {"double_value": value} if isinstance(value, float) else {"string_value": value}}


def unsigned(value: int) -> dict[str, Any]:
    return {"const_expr": {"uint64_value": str(value)}}


def call(function: str, *arguments: Any) -> dict[str, Any]:
    return {"call_expr": {"function": function, "args": [a if isinstance(a, dict) else constant(a) for a in arguments]}}


def holds(expression: dict[str, Any], subject: Subject = SUBJECT, **options: bool) -> bool:
    notes: Notes = []
    found = compile_condition(from_json(expression, cel_syntax_pb2.Expr), CelOptions(**options), notes)(subject)
    assert not notes
    return found


def header(name: str) -> dict[str, Any]:
    return call("_[_]", select("request", "headers"), name)


ERROR = call("_==_", header("nope"), "1")


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        (select("request", "path"), "/a/b?x=1"),
        (select("request", "url_path"), "/a/b"),
        (select("request", "query"), "x=1"),
        (select("request", "host"), "h"),
        (select("request", "method"), "GET"),
        (select("request", "scheme"), "http"),
        (header("X-D"), "1,2"),
        (select("source", "address"), "10.0.0.9:4000"),
        (select("source", "port"), 4000),
        (select("destination", "address"), "10.0.0.1:80"),
        (select("destination", "port"), 80),
        (select("connection", "mtls"), False),
        (select("connection", "requested_server_name"), ""),
    ],
    ids=["path", "url_path", "query", "host", "method", "scheme", "header", "source", "source port", "destination",
         "port", "mtls", "sni"],
)  # fmt: skip
def test_attributes(attribute: dict[str, Any], value: object) -> None:
    assert holds(call("_==_", attribute, value))


def test_the_client_behind_a_proxy_has_no_port() -> None:
    behind = replace(SUBJECT, remote=parse_ip("203.0.113.9"))
    assert holds(call("_==_", select("source", "address"), "203.0.113.9:0"), behind)


def test_names_of_the_certificate() -> None:
    tls = replace(SUBJECT, tls=True, certificate=PeerCertificate(("spiffe://a", "spiffe://b"), ("c",), "CN=d"))
    for name, value in (("uri_san", "spiffe://a"), ("dns_san", "c"), ("subject", "CN=d")):
        asked = call("_==_", select("connection", f"{name}_peer_certificate"), value)
        assert holds(asked, tls)
        assert not holds(asked)
    assert holds(select("connection", "mtls"), tls)


def test_metadata() -> None:
    entry = select("metadata.filter_metadata", "jwt")
    asked = call("_==_", call("_[_]", entry, "sub"), "alice")
    assert holds(asked, replace(SUBJECT, metadata={"jwt": {"sub": "alice"}}))
    assert not holds(asked)


def test_errors_are_absorbed_by_the_operator_that_needs_no_answer() -> None:
    assert not holds(ERROR)
    assert not holds(call("!_", ERROR))
    assert holds(call("_||_", ERROR, True))
    assert holds(call("!_", call("_&&_", ERROR, False)))
    assert not holds(call("_&&_", True, ERROR))
    assert not holds(constant("text"))
    assert not holds(ident("unknown"))


def test_a_constant_pattern_on_what_is_no_text_ends_everything() -> None:
    assert holds(call("matches", select("request", "path"), "b"))
    assert not holds(call("_||_", call("matches", header("nope"), "b"), True))
    assert not holds(call("_||_", call("matches", select("request", "size"), "b"), True))
    assert holds(call("_||_", call("matches", 1, "b"), True)), "folded beforehand, it is an error like others"


@pytest.mark.parametrize(
    ("expression", "want"),
    [
        (call("_==_", 1, 1.0), True),
        (call("_==_", unsigned(1), 1), True),
        (call("_<_", 1, 1.5), True),
        (call("_==_", "1", 1), False),
        (call("_!=_", "1", 1), True),
        (call("_==_", call("_+_", 1, 1), 2), True),
        (call("_==_", call("_/_", -7, 2), -3), True),
        (call("_==_", call("_%_", -7, 2), -1), True),
        (call("_==_", call("_/_", 1, 0), 0), False),
        (call("_==_", call("_+_", 2**62, 2**62), 0), False),
        (call("_>_", call("_+_", 1, 1.0), 0), False),
        (call("_>_", call("_+_", unsigned(1), 1), 0), False),
        (call("_==_", call("_+_", "a", "b"), "ab"), False),
        (call("_==_", call("int", "7"), 7), True),
        (call("_==_", call("uint", 7), 7), True),
        (call("_==_", call("double", "1.5"), 1.5), True),
        (call("_==_", call("size", "abc"), 3), True),
        (call("_?_:_", True, True, ERROR), True),
        (call("@in", "x-d", select("request", "headers")), True),
        (call("@in", "no", select("request", "headers")), False),
        (call("@in", 1, {"list_expr": {"elements": [constant("1"), constant(1)]}}), True),
        (select("request.headers", "x-d", has=True), True),
        (select("request.headers", "no", has=True), False),
    ],
    ids=[f"value {i}" for i in range(23)],
)  # fmt: skip
def test_values(expression: dict[str, Any], want: bool) -> None:
    assert holds(expression) is want


def test_what_a_policy_switches_on() -> None:
    assert holds(call("_==_", call("_+_", "a", "b"), "ab"), concatenation=True)
    assert holds(call("_==_", call("string", 1), "1"), conversion=True)
    assert holds(call("_==_", call("lowerAscii", "A"), "a"), functions=True)
    assert holds(call("_==_", call("replace", "aa", "a", "b"), "bb"), functions=True)


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        (call("string", 1), "No overload found in reference resolve step for string"),
        (call("nothing", 1), "No overload found in reference resolve step for nothing"),
        ({"comprehension_expr": {"iter_var": "x"}}, "Comprehension support is disabled"),
        ({}, "failed to create an expression"),
    ],
    ids=["conversion", "unknown", "comprehension", "empty"],
)
def test_refused(expression: dict[str, Any], reason: str) -> None:
    with pytest.raises(ResourceRejectedError, match=reason):
        holds(expression)


@pytest.mark.parametrize(
    ("expression", "note"),
    [
        (
            call("_>_", select("request", "time"), call("timestamp", "2020-01-01T00:00:00Z")),
            "CEL attribute request.time",
        ),
        (select("xds", "node"), "CEL attributes xds"),
        (call("duration", "1s"), "CEL function duration"),
    ],
    ids=["time", "xds", "duration"],
)
def test_what_is_not_modelled_is_noted(expression: dict[str, Any], note: str) -> None:
    notes: Notes = []
    condition = compile_condition(from_json(expression, cel_syntax_pb2.Expr), CelOptions(), notes)
    assert note in notes
    assert not condition(SUBJECT)
