"""Header mutations: order, append actions, values (checked on the real binary by the differential test)."""

from __future__ import annotations

from typing import Any

import pytest

from meshsim.dataplane.decide.headers import HeaderMap
from meshsim.dataplane.decide.mutations import NO_MUTATIONS, apply_mutations, decode_mutations, format_text
from meshsim.dataplane.decide.rejected import ResourceRejectedError
from meshsim.xds.messages import base_pb2
from meshsim.xds.packing import from_json


def option(key: str, value: str, **more: Any) -> base_pb2.HeaderValueOption:
    return from_json({"header": {"key": key, "value": value}, **more}, base_pb2.HeaderValueOption)


def applied(
    lines: list[tuple[str, str]], add: list[base_pb2.HeaderValueOption], remove: tuple[str, ...] = ()
) -> list[tuple[str, str]]:
    headers = HeaderMap(lines)
    apply_mutations(headers, decode_mutations(add, remove), lambda text: format_text(text, lambda c, a: headers.get(a)))
    return list(headers)


def test_append_actions() -> None:
    present, absent = [("x", "1")], []
    for action, with_it, without in (
        ("APPEND_IF_EXISTS_OR_ADD", [("x", "1"), ("x", "2")], [("x", "2")]),
        ("ADD_IF_ABSENT", [("x", "1")], [("x", "2")]),
        ("OVERWRITE_IF_EXISTS_OR_ADD", [("x", "2")], [("x", "2")]),
        ("OVERWRITE_IF_EXISTS", [("x", "2")], []),
    ):
        assert applied(present, [option("x", "2", append_action=action)]) == with_it
        assert applied(absent, [option("x", "2", append_action=action)]) == without
    assert applied(present, [option("X", "2", append=False)]) == [("x", "2")]


def test_removal_comes_first_and_values_are_made_before_any_is_set() -> None:
    assert applied([("x", "1")], [option("x", "2")], ("x",)) == [("x", "2")]
    lines = applied([("a", "1")], [option("b", "%REQ(a)%"), option("c", "%REQ(b)%", keep_empty_value=True)])
    assert lines == [("a", "1"), ("b", "1"), ("c", "")]


def test_empty_values_are_dropped() -> None:
    assert applied([], [option("x", "%REQ(none)%")]) == []


def test_formatting() -> None:
    values = {"a": "12345"}
    assert format_text("%% %REQ(a):2% [%REQ(none)%]", lambda c, a: values.get(a)) == "% 12 []"
    assert format_text("100% sure", lambda c, a: "never") == "100% sure"


@pytest.mark.parametrize("name", [":path", "host", "Host"])
def test_some_headers_may_not_be_touched(name: str) -> None:
    with pytest.raises(ResourceRejectedError, match="may not be modified"):
        decode_mutations([option(name, "x")], ())
    with pytest.raises(ResourceRejectedError, match="may not be removed"):
        decode_mutations([], (name,))


def test_nothing_is_one_value() -> None:
    assert decode_mutations([], ()) is NO_MUTATIONS
    assert not NO_MUTATIONS
