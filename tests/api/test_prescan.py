"""Texts that are refused before they are composed."""

from __future__ import annotations

import time

from meshsim.api.prescan import MAX_DEPTH, refuse


def _bomb(levels: int) -> str:
    lines = ["a0: &a0 [" + ", ".join(["x"] * 10) + "]"]
    lines += [f"a{n}: &a{n} [" + ", ".join([f"*a{n - 1}"] * 10) + "]" for n in range(1, levels)]
    return "\n".join(lines)


def test_manifests_pass() -> None:
    assert refuse("kind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: a\n    args: ['*', '&']\n") is None


def test_few_aliases_pass() -> None:
    assert refuse("base: &base {a: 1}\nother:\n  <<: *base\nmore: [*base, *base]\n") is None


def test_a_bomb_is_refused_at_once() -> None:
    started = time.perf_counter()
    refusal = refuse(_bomb(10))
    assert refusal is not None
    assert "expand to more than 100,000 values" in refusal.message
    assert refusal.line == 4
    assert time.perf_counter() - started < 1


def test_depth_is_bounded_in_flow_and_block_style() -> None:
    assert refuse("[" * MAX_DEPTH + "]" * MAX_DEPTH) is None
    for deep in ("[" * 30_000, "- " * 5_000 + "x", "\n".join(" " * n + "a:" for n in range(200))):
        refusal = refuse(deep)
        assert refusal is not None
        assert "nested deeper than 100 levels" in refusal.message


def test_an_anchor_must_not_contain_itself() -> None:
    refusal = refuse("a: &a\n  b: *a\n")
    assert refusal is not None
    assert "contains itself" in refusal.message
    assert (refusal.line, refusal.column) == (1, 5)


def test_what_is_no_yaml_is_left_to_the_parser() -> None:
    assert refuse("&a [" + "[" * 60) is None
