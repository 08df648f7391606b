"""Path normalisation: the table measured on Envoy 1.40."""

from __future__ import annotations

import pytest

from meshsim.dataplane.decide.paths import EscapedSlashes, canonicalize, merged, normalize, unescape_slashes

MEASURED = {
    "/a/./b/../c": "/a/c",
    "/a/%2e%2e/b": "/b",
    "/a//b": "/a//b",
    "/a/../../b": "/b",
    "/a%2Fb": "/a%2Fb",
    "/%41%7e": "/A~",
    "/a%2fb/../c": "/c",
    "/a\\b": "/a/b",
    "/..;/x": "/x",
    "/a;x=1/b": "/a;x=1/b",
    "/a/..;/b": "/b",
    "/a%zz": "/a%zz",
    "/%7%41z": "/%257Az",
    "/a/b?x=/../y": "/a/b?x=/../y",
    "/a//../b": "/a/b",
    "/.": "/",
    "/..": "/",
    "/a/.b": "/a/.b",
}


@pytest.mark.parametrize("path", MEASURED)
def test_canonical(path: str) -> None:
    assert canonicalize(path) == MEASURED[path]


def test_an_escaped_nul_is_refused() -> None:
    assert canonicalize("/a%00b") is None


def test_merging() -> None:
    assert merged("/a//b///?x=//") == "/a/b/?x=//"
    assert merged("///") == "//"


def test_escaped_slashes() -> None:
    path = "/a%2Fb%5cc?q=%2f"
    assert unescape_slashes(path) == "/a/b\\c?q=%2f"
    plain = {"canonical": True, "merge_slashes": False}
    assert normalize(path, escaped=EscapedSlashes.KEEP_UNCHANGED, **plain).path == path
    assert normalize(path, escaped=EscapedSlashes.UNESCAPE_AND_FORWARD, **plain).path == "/a/b/c?q=%2f"
    assert normalize(path, escaped=EscapedSlashes.UNESCAPE_AND_REDIRECT, **plain).redirect
    assert normalize(path, escaped=EscapedSlashes.REJECT_REQUEST, **plain).rejected


def test_fragments_are_cut_or_refused() -> None:
    keep = EscapedSlashes.KEEP_UNCHANGED
    assert normalize("/a#b", canonical=False, merge_slashes=False, escaped=keep).path == "/a"
    assert normalize("/a#b", canonical=False, merge_slashes=False, escaped=keep, fragment_allowed=False).rejected
