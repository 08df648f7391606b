"""URI templates: what matches, what is refused, rewriting (checked on the real binary by the differential test)."""

from __future__ import annotations

import pytest

from meshsim.dataplane.decide.rejected import ResourceRejectedError
from meshsim.dataplane.decide.uri_template import check_rewrite_template, parse_uri_template


@pytest.mark.parametrize(
    ("template", "path", "matches"),
    [
        ("/api/*", "/api/x", True),
        ("/api/*", "/api/", False),
        ("/api/*", "/api/x/y", False),
        ("/api/**", "/api/", True),
        ("/api/**", "/api/x/y", True),
        ("/api/**", "/api", False),
        ("/{v}/x", "/a=b/x", True),
        ("/*/{n=*}/x", "/a/b/x", True),
        ("/a/{v=x/*}", "/a/x/b", True),
        ("/*.b", "/a.b", True),
        ("/*.b", "/a.c", False),
        ("/a/", "/a/", True),
    ],
)
def test_matching(template: str, path: str, matches: bool) -> None:
    assert parse_uri_template(template).matches(path) is matches


@pytest.mark.parametrize(
    "template",
    [
        "api",
        "/a*b/c",
        "/**/*",
        "/{1}",
        "/{a}/{a}",
        "/{a=}",
        "/{a",
        "/{abcdefghijklmnopq}",
        "/{a}/{b}/{c}/{d}/{e}/{f}",
        "/a b",
    ],
)
def test_refused(template: str) -> None:
    with pytest.raises(ResourceRejectedError):
        parse_uri_template(template)


def test_rewriting_uses_the_variables() -> None:
    template = parse_uri_template("/api/{kind}/{rest=**}")
    check_rewrite_template("/v2/{rest}/{kind}", template)
    assert template.rewrite("/api/books/1/2", "/v2/{rest}/{kind}") == "/v2/1/2/books"
    assert template.rewrite("/other", "/v2/{rest}") == "/other"


@pytest.mark.parametrize("rewrite", ["v2", "/a//b", "/{nope}", "/{", "/{1}", "/a?b"])
def test_refused_rewrites(rewrite: str) -> None:
    with pytest.raises(ResourceRejectedError):
        check_rewrite_template(rewrite, parse_uri_template("/{kind}"))
