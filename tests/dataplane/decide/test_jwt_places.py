"""Where tokens are found and how they go (Envoy source/extensions/filters/http/jwt_authn/extractor.cc)."""

from __future__ import annotations

from meshsim.dataplane.decide.headers import HeaderMap
from meshsim.dataplane.decide.jwt_places import (
    DEFAULT_PLACES,
    PlaceKind,
    TokenPlace,
    decoded_query,
    parse_cookies,
    places_of,
    remove_token,
)

PREFIXED = TokenPlace(PlaceKind.HEADER, "x-token", "Token ")
BARE = TokenPlace(PlaceKind.HEADER, "x-token")
PARAMETER = TokenPlace(PlaceKind.QUERY, "t")
COOKIE = TokenPlace(PlaceKind.COOKIE, "c")


def texts(headers: HeaderMap, *places: TokenPlace) -> list[str]:
    return [found.text for found in places_of([("x", places)]).extract(headers)]


def test_order_is_headers_query_cookies() -> None:
    headers = HeaderMap([(":path", "/?t=2&t=3"), ("cookie", "c=4"), ("x-token", "1")])
    assert texts(headers, COOKIE, PARAMETER, BARE) == ["1", "2", "4"]


def test_every_line_of_a_header_may_hold_a_token() -> None:
    headers = HeaderMap([("x-token", "Token a.b.c"), ("x-token", "jwt, Token  d"), ("x-token", "token e")])
    assert texts(headers, PREFIXED) == ["a.b.c", "d"]
    assert texts(HeaderMap([("x-token", "Token a.b.c and more")]), PREFIXED) == ["a.b.c and more"]
    assert texts(HeaderMap([("x-token", "Token ?")]), PREFIXED) == ["Token ?"]


def test_issuers_of_a_place() -> None:
    both = places_of([("x", (BARE,)), ("y", (BARE, PARAMETER))])
    assert both.entries == ((BARE, frozenset("xy")), (PARAMETER, frozenset("y")))
    header, parameter = both.extract(HeaderMap([(":path", "/?t=1"), ("x-token", "2")]))
    assert header.may_be_of("x")
    assert not parameter.may_be_of("x")
    (anybody,) = places_of([("", (BARE,))]).extract(HeaderMap([("x-token", "2")]))
    assert anybody.may_be_of("x")


def test_header_and_prefix_written_together_tell_places_apart() -> None:
    one, other = TokenPlace(PlaceKind.HEADER, "x-a", "b"), TokenPlace(PlaceKind.HEADER, "x-ab")
    assert places_of([("x", (one,)), ("y", (other,))]).entries == ((one, frozenset("xy")),)


def test_cookies() -> None:
    headers = HeaderMap([("cookie", 'a=1; b="2";c'), ("cookie", "a=3; d=")])
    assert parse_cookies(headers) == {"a": "1", "b": "2", "d": ""}


def test_query_is_decoded_and_written_anew_by_name() -> None:
    assert decoded_query("/?b=1&%61=%2f&b&a=+") == {"b": ["1", ""], "a": ["/", "+"]}
    headers = HeaderMap([(":path", "/p?z=1&t=x&y")])
    remove_token(headers, PARAMETER)
    assert headers.get(":path") == "/p?y=&z=1"
    remove_token(headers, TokenPlace(PlaceKind.QUERY, "y"))
    remove_token(headers, TokenPlace(PlaceKind.QUERY, "z"))
    assert headers.get(":path") == "/p"


def test_used_headers_go_and_cookies_stay() -> None:
    headers = HeaderMap([("authorization", "Bearer x"), ("cookie", "c=1")])
    for place in (*DEFAULT_PLACES[:1], COOKIE):
        remove_token(headers, place)
    assert list(headers) == [("cookie", "c=1")]
