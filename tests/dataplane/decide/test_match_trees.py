"""Matcher trees; the same rules on random trees against the real Envoy: tests/conformance/test_envoy_matchers.py."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from meshsim.dataplane.decide.headers import HeaderMap
from meshsim.dataplane.decide.match_trees import (
    CEL_INPUT,
    CONNECTION_INPUTS,
    HEADER_INPUT,
    TreeDecoder,
    find_action,
    unpack_action,
)
from meshsim.dataplane.decide.rejected import ResourceRejectedError
from meshsim.dataplane.decide.strings import Notes, parse_ip
from meshsim.dataplane.decide.subjects import Subject
from meshsim.dataplane.decide.values import PeerCertificate
from meshsim.xds.messages import matcher_pb2, rbac_pb2
from meshsim.xds.packing import from_json

TYPES = "type.googleapis.com/"
NETWORK = f"{TYPES}envoy.extensions.matching.common_inputs.network.v3."
SSL = f"{TYPES}envoy.extensions.matching.common_inputs.ssl.v3."
PLAIN = Subject(
    HeaderMap(), "/", parse_ip("10.0.0.1"), 80, parse_ip("10.0.0.9"), parse_ip("203.0.113.9"), "", False, None, {}
)
TLS = replace(PLAIN, tls=True, certificate=PeerCertificate(("spiffe://a", "spiffe://b"), ("c.example",)))


def action(name: str) -> dict[str, Any]:
    config = {"@type": f"{TYPES}envoy.config.rbac.v3.Action", "name": name}
    return {"action": {"name": "action", "typed_config": config}}


def source(type_url: str, **fields: Any) -> dict[str, Any]:
    return {"name": "input", "typed_config": {"@type": type_url, **fields}}


def header(name: str) -> dict[str, Any]:
    return source(f"{TYPES}{HEADER_INPUT}", header_name=name)


def equals(where: dict[str, Any], text: str) -> dict[str, Any]:
    return {"single_predicate": {"input": where, "value_match": {"exact": text}}}


def listed(*entries: tuple[dict[str, Any], dict[str, Any]], **more: Any) -> dict[str, Any]:
    matchers = [{"predicate": predicate, "on_match": outcome} for predicate, outcome in entries]
    return {"matcher_list": {"matchers": matchers}, **more}


def decode(tree: dict[str, Any], notes: Notes | None = None) -> Any:
    decoder = TreeDecoder(
        lambda found: unpack_action(found, rbac_pb2.Action).name,
        {CEL_INPUT, HEADER_INPUT, *CONNECTION_INPUTS},
        "RBAC",
        "cannot match on '{}'",
        notes if notes is not None else [],
    )
    return decoder.decode(from_json(tree, matcher_pb2.Matcher))


def found(tree: dict[str, Any], subject: Subject = PLAIN, **headers: str) -> str | None:
    pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return find_action(decode(tree), replace(subject, headers=HeaderMap(pairs)))


QUERY = source(f"{TYPES}envoy.type.matcher.v3.HttpRequestQueryParamMatchInput", query_param="q")
NESTED = {"matcher": listed((equals(header("x-b"), "1"), action("inner")))}


def test_a_nested_tree_without_a_match_is_passed_over() -> None:
    first, second = (equals(header("x-a"), "1"), NESTED), (equals(header("x-a"), "1"), action("second"))
    assert found(listed(first, second), x_a="1") == "second"
    assert found(listed(first, second), x_a="1", x_b="1") == "inner"
    assert found(listed(first, on_no_match=action("else")), x_a="1") == "else"
    assert found(listed(first), x_a="1") is None


def test_the_longest_prefix_that_leads_anywhere() -> None:
    tree = {
        "matcher_tree": {
            "input": header("x-a"),
            "prefix_match_map": {"map": {"abc": NESTED, "ab": action("short"), "abx": action("other")}},
        }
    }
    assert found(tree, x_a="abcd") == "short"
    assert found(tree, x_a="abcd", x_b="1") == "inner"
    assert found(tree, x_a="a") is None


def test_the_narrowest_range() -> None:
    def ranged(prefix: str, length: int, name: str) -> dict[str, Any]:
        return {"ranges": [{"address_prefix": prefix, "prefix_len": length}], "on_match": action(name)}

    config = {
        "@type": f"{TYPES}xds.type.matcher.v3.IPMatcher",
        "range_matchers": [ranged("203.0.113.0", 24, "wide"), ranged("203.0.113.9", 32, "narrow")],
    }
    tree = {
        "matcher_tree": {
            "input": source(f"{NETWORK}SourceIPInput"),
            "custom_match": {"name": "ip", "typed_config": config},
        }
    }
    assert found(tree) == "narrow"
    assert found(tree, replace(PLAIN, remote=parse_ip("203.0.113.8"))) == "wide"
    assert found(tree, replace(PLAIN, remote=parse_ip("10.0.0.1"))) is None


def test_absent_texts_never_match_and_lines_are_joined() -> None:
    assert found(listed((equals(header("x-a"), ""), action("a")))) is None
    assert found(listed(({"not_matcher": equals(header("x-a"), "1")}, action("a")))) == "a"
    twice = replace(PLAIN, headers=HeaderMap([("x-a", "1"), ("x-a", "2")]))
    assert find_action(decode(listed((equals(header("x-a"), "1,2"), action("a")))), twice) == "a"


def test_a_certificate_on_a_plaintext_connection_cannot_be_judged() -> None:
    names = equals(source(f"{SSL}UriSanInput"), "spiffe://a,spiffe://b")
    assert found(listed((names, action("a"))), TLS) == "a"
    other = equals(header("x-a"), "1")
    assert found(listed(({"not_matcher": names}, action("a")), on_no_match=action("else"))) is None
    assert found(listed(({"or_matcher": {"predicate": [names, other]}}, action("a"))), x_a="1") == "a"
    assert found(listed(({"or_matcher": {"predicate": [names, other]}}, action("a")), on_no_match=action("b"))) is None
    assert found(listed(({"and_matcher": {"predicate": [names, other]}}, action("a")), on_no_match=action("b"))) is None
    assert found(listed(({"and_matcher": {"predicate": [other, names]}}, action("a")), on_no_match=action("b"))) == "b"


def test_without_branches_there_is_only_the_other_way() -> None:
    assert found({"on_no_match": action("always")}) == "always"
    assert found({}) is None


@pytest.mark.parametrize(
    ("tree", "reason"),
    [
        (listed((equals(header("x"), "1"), {**action("a"), "keep_matching": True})), "keep_matching is not"),
        (listed((equals(QUERY, "1"), action("a"))), f"cannot match on '{QUERY['typed_config']['@type']}'"),
        (
            listed((equals(header("x"), "1"), {"action": source(f"{SSL}UriSanInput")})),
            "Didn't find a registered implementation for 'input'",
        ),
    ],
    ids=["keep", "input", "action"],
)
def test_refused(tree: dict[str, Any], reason: str) -> None:
    with pytest.raises(ResourceRejectedError) as error:
        decode(tree)
    assert reason in error.value.message


def test_matchers_that_are_not_modelled_are_noted() -> None:
    custom = {"name": "odd", "typed_config": {"@type": f"{SSL}UriSanInput"}}
    notes: Notes = []
    tree = decode(listed(({"single_predicate": {"input": header("x"), "custom_match": custom}}, action("a"))), notes)
    assert notes == ["RBAC matcher odd"]
    assert find_action(tree, PLAIN) is None


def cel(expression: dict[str, Any]) -> dict[str, Any]:
    config = {"@type": f"{TYPES}xds.type.matcher.v3.CelMatcher", "expr_match": expression}
    custom = {"name": "cel", "typed_config": config}
    return {"single_predicate": {"input": source(f"{TYPES}{CEL_INPUT}"), "custom_match": custom}}


def test_conditions_in_cel() -> None:
    for kind in ("cel_expr_parsed", "parsed_expr"):
        for value in (True, False):
            tree = listed((cel({kind: {"expr": {"const_expr": {"bool_value": value}}}}), action("a")))
            assert found(tree) == ("a" if value else None)
    notes: Notes = []
    assert find_action(decode(listed((cel({"cel_expr_string": "true"}), action("a"))), notes), PLAIN) is None
    assert notes == ["RBAC matcher cel: an expression that is not parsed"]
    with pytest.raises(ResourceRejectedError, match="Unsupported data input type"):
        decode(listed((equals(source(f"{TYPES}{CEL_INPUT}"), "1"), action("a"))))


def test_inputs_that_are_not_modelled_are_noted_and_absent() -> None:
    notes: Notes = []
    keyed = source(f"{NETWORK}FilterStateInput", key="k")
    assert find_action(decode(listed((equals(keyed, ""), action("a"))), notes), PLAIN) is None
    assert notes == ["RBAC matcher input FilterStateInput"]
