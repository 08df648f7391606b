from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshsim.controlplane.authz import matchers as m
from meshsim.xds.packing import to_json


@pytest.mark.parametrize(
    ("value", "want"),
    [
        ("*", {"safe_regex": {"regex": ".+"}}),
        ("*.com", {"suffix": ".com"}),
        ("/a*", {"prefix": "/a"}),
        ("/a", {"exact": "/a"}),
    ],
)
def test_values_of_rules(value: str, want: object) -> None:
    assert to_json(m.string_matcher(value)) == want


def test_a_suffix_after_a_prefix_needs_an_expression() -> None:
    assert to_json(m.string_matcher("*/sa/x", "spiffe://")) == {"safe_regex": {"regex": "spiffe://.*/sa/x"}}


@given(st.text(alphabet="ab.+*?()[]{}|^$\\-", max_size=8))
def test_quoted_text_matches_itself_alone(text: str) -> None:
    assert re.fullmatch(m.quote_meta(text), text)
    assert not re.fullmatch(m.quote_meta(text), text + "a")


@pytest.mark.parametrize(
    ("rule", "header", "matches"),
    [
        ("x", "a,x,b", True),
        ("x", "xa", False),
        ("x", "a,x", True),
        ("x*", "a,xy", True),
        ("x*", "ax", False),
        ("*x", "ax,b", True),
        ("*x", "xb", False),
    ],
)
def test_one_element_of_a_header_list(rule: str, header: str, matches: bool) -> None:
    expression = m.inline_header_matcher("h", rule).string_match.safe_regex.regex
    assert bool(re.fullmatch(expression, header)) is matches


def test_presence() -> None:
    assert to_json(m.header_matcher("h", "*")) == {"name": "h", "present_match": True}


@pytest.mark.parametrize(
    ("value", "want"),
    [
        ("10.1.0.0/16", ("10.1.0.0", 16)),
        ("10.1.2.3", ("10.1.2.3", 32)),
        ("fd00::/8", ("fd00::", 8)),
        ("x", None),
        ("10.0.0.0/40", None),
    ],
)
def test_addresses(value: str, want: tuple[str, int] | None) -> None:
    found = m.cidr_range(value)
    assert want == (None if found is None else (found.address_prefix, found.prefix_len.value))


def test_templates() -> None:
    assert m.path_template("/a/{*}/b/{**}") == "/a/*/b/**"
    assert m.path_template("/a/*") is None
