from __future__ import annotations

from collections.abc import Callable
from typing import Any

from meshsim.controlplane.routes.headers import header_operations


def options(plain: Callable[[Any], Any], made: Any) -> list[tuple[str, str, str]]:
    return [
        (item["header"]["key"], item["header"]["value"], item.get("append_action", "APPEND_IF_EXISTS_OR_ADD"))
        for item in map(plain, made)
    ]


def test_set_replaces_and_add_appends(plain: Callable[[Any], Any], fields: Callable[[str], Any]) -> None:
    made = header_operations(
        fields("{request: {set: {b: '1', a: '2'}, add: {c: '3'}, remove: [d]}, response: {add: {e: '4'}, remove: [f]}}")
    )
    assert options(plain, made.request_add) == [
        ("a", "2", "OVERWRITE_IF_EXISTS_OR_ADD"),
        ("b", "1", "OVERWRITE_IF_EXISTS_OR_ADD"),
        ("c", "3", "APPEND_IF_EXISTS_OR_ADD"),
    ]
    assert list(made.request_remove) == ["d"]
    assert options(plain, made.response_add) == [("e", "4", "APPEND_IF_EXISTS_OR_ADD")]
    assert list(made.response_remove) == ["f"]
    assert made.authority == ""


def test_host_is_rewritten_instead(fields: Callable[[str], Any]) -> None:
    made = header_operations(
        fields("{request: {set: {Host: a.com}, add: {':authority': b.com}, remove: [host, ':path']}}")
    )
    assert made.authority == "a.com"
    assert not made.request_add
    assert not made.request_remove
    assert header_operations(fields("{request: {add: {':authority': b.com}}}")).authority == "b.com"
