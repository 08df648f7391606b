from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from meshsim.controlplane.routes.matches import build_route_match, is_catch_all, source_matches, string_matcher

SENSITIVE = {"case_sensitive": True}


@pytest.mark.parametrize(
    ("match", "path_separated", "want"),
    [
        ("{}", False, {"prefix": "/"}),
        ("{uri: {exact: /a}}", False, {"path": "/a"}),
        ("{uri: {prefix: /a}}", False, {"prefix": "/a"}),
        ("{uri: {regex: /a.*}}", False, {"safe_regex": {"regex": "/a.*"}}),
        # Ingress and the Gateway API match whole segments.
        ("{uri: {prefix: /a/}}", True, {"path_separated_prefix": "/a"}),
        ("{uri: {prefix: /}}", True, {"prefix": "/"}),
    ],
)
def test_paths(
    plain: Callable[[Any], Any], fields: Callable[[str], Any], match: str, path_separated: bool, want: Any
) -> None:
    assert plain(build_route_match(fields(match), path_separated)) == {**want, **SENSITIVE}


def test_no_condition_takes_everything(plain: Callable[[Any], Any]) -> None:
    made = build_route_match(None, False)
    assert plain(made) == {"prefix": "/"}
    assert is_catch_all(made)


def test_case_may_be_ignored(fields: Callable[[str], Any]) -> None:
    assert not build_route_match(fields("{ignoreUriCase: true}"), False).case_sensitive.value


def test_headers_are_sorted_and_pseudo_headers_follow(
    plain: Callable[[Any], Any], fields: Callable[[str], Any]
) -> None:
    match = fields(
        "{headers: {z: {exact: v}, a: {prefix: p}, b: {}}, withoutHeaders: {m: {exact: w}, n: {}},"
        " method: {exact: GET}, authority: {regex: r}, scheme: {prefix: h}, queryParams: {q: {exact: x}, p: {}}}"
    )
    made = plain(build_route_match(match, False))
    assert made["headers"] == [
        {"name": "a", "string_match": {"prefix": "p"}},
        {"name": "b", "present_match": True},
        {"name": "m", "string_match": {"exact": "w"}, "invert_match": True, "treat_missing_header_as_empty": True},
        {"name": "n", "present_match": True, "invert_match": True},
        {"name": "z", "string_match": {"exact": "v"}},
        {"name": ":method", "string_match": {"exact": "GET"}},
        {"name": ":authority", "string_match": {"safe_regex": {"regex": "r"}}},
        {"name": ":scheme", "string_match": {"prefix": "h"}},
    ]
    assert made["query_parameters"] == [
        {"name": "p", "present_match": True},
        {"name": "q", "string_match": {"exact": "x"}},
    ]


def test_the_regex_star_asks_for_presence(plain: Callable[[Any], Any], fields: Callable[[str], Any]) -> None:
    made = build_route_match(fields("{headers: {a: {regex: '*'}}}"), False)
    assert plain(made)["headers"] == [{"name": "a", "present_match": True}]


@pytest.mark.parametrize(
    ("header", "keys"),
    [
        ("@request.auth.claims.groups", ["payload", "groups"]),
        ("@request.auth.claims.a.b", ["payload", "a", "b"]),
        ("@request.auth.claims[a.b][c]", ["payload", "a.b", "c"]),
    ],
)
def test_claims_are_read_from_the_token(
    plain: Callable[[Any], Any], fields: Callable[[str], Any], header: str, keys: list[str]
) -> None:
    made = plain(build_route_match(fields(f"{{headers: {{'{header}': {{exact: v}}}}}}"), False))
    (metadata,) = made["dynamic_metadata"]
    assert metadata["filter"] == "envoy.filters.http.jwt_authn"
    assert [part["key"] for part in metadata["path"]] == keys
    assert "headers" not in made


@pytest.mark.parametrize(
    ("match", "here"),
    [
        ("{}", True),
        ("{gateways: [mesh]}", True),
        ("{gateways: [other]}", False),
        ("{sourceLabels: {app: web}}", True),
        ("{sourceLabels: {app: x}}", False),
        ("{sourceLabels: {none: ''}}", False),
        ("{sourceNamespace: shop}", True),
        ("{sourceNamespace: x}", False),
        # With gateways neither labels nor namespace count.
        ("{gateways: [mesh], sourceLabels: {app: x}, sourceNamespace: x}", True),
    ],
)
def test_sources(fields: Callable[[str], Any], match: str, here: bool) -> None:
    assert source_matches(fields(match), {"app": "web"}, "shop", ("mesh",)) is here


def test_catch_alls(fields: Callable[[str], Any]) -> None:
    assert is_catch_all(build_route_match(fields("{uri: {prefix: /}}"), False))
    assert is_catch_all(build_route_match(fields("{uri: {regex: '.*'}}"), False))
    assert not is_catch_all(build_route_match(fields("{uri: {prefix: /a}}"), False))
    assert not is_catch_all(build_route_match(fields("{headers: {a: {exact: b}}}"), False))
    assert not is_catch_all(build_route_match(fields("{queryParams: {a: {exact: b}}}"), False))


def test_an_empty_text_matches_nothing_particular(fields: Callable[[str], Any]) -> None:
    assert string_matcher(fields("{}")) is None
