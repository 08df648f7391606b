"""Where tokens stand in a request, and how a used one is taken out of it.

Rules: Envoy 1.40 source/extensions/filters/http/jwt_authn/extractor.cc; source/common/http/utility.cc for cookies
(forEachCookie) and query parameters (QueryParamsMulti).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from meshsim.dataplane.decide.headers import HeaderMap

_LEGAL: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")


class PlaceKind(Enum):
    """What a token stands in."""

    HEADER = "header"
    QUERY = "query"
    COOKIE = "cookie"


class TokenPlace(NamedTuple):
    """Where a token may stand: a header with a prefix of its value, a query parameter or a cookie."""

    kind: PlaceKind
    name: str
    prefix: str = ""


DEFAULT_PLACES: Final = (
    TokenPlace(PlaceKind.HEADER, "authorization", "Bearer "),
    TokenPlace(PlaceKind.QUERY, "access_token"),
)


class FoundToken(NamedTuple):
    """A token as it stands in a request."""

    text: str
    place: TokenPlace
    issuers: frozenset[str]
    """Issuers whose providers look there; an empty one stands for all."""

    def may_be_of(self, issuer: str) -> bool:
        """Whether a provider that looks there takes tokens of this issuer."""
        return "" in self.issuers or issuer in self.issuers


@dataclass(frozen=True, slots=True)
class Places:
    """Where some providers look, in the order in which tokens are listed."""

    entries: tuple[tuple[TokenPlace, frozenset[str]], ...]

    def extract(self, headers: HeaderMap) -> list[FoundToken]:
        """Every token in headers, then query, then cookies; each by name."""
        query: dict[str, list[str]] | None = None
        cookies: Mapping[str, str] | None = None
        found: list[FoundToken] = []
        for place, issuers in self.entries:
            if place.kind is PlaceKind.HEADER:
                found += [FoundToken(text, place, issuers) for text in _in_header(headers, place)]
            elif place.kind is PlaceKind.QUERY:
                query = decoded_query(headers.get(":path") or "") if query is None else query
                found += [FoundToken(text, place, issuers) for text in query.get(place.name, ())[:1]]
            else:
                cookies = parse_cookies(headers) if cookies is None else cookies
                if place.name in cookies:
                    found.append(FoundToken(cookies[place.name], place, issuers))
        return found


def places_of(providers: Iterable[tuple[str, tuple[TokenPlace, ...]]]) -> Places:
    """The places of providers, each given by issuer and places.

    Headers are told apart by name and prefix written together, as Envoy keeps them.
    """
    found: dict[tuple[PlaceKind, str], TokenPlace] = {}
    issuers: dict[tuple[PlaceKind, str], list[str]] = {}
    for issuer, places in providers:
        for place in places:
            key = place.kind, place.name + place.prefix
            found.setdefault(key, place)
            issuers.setdefault(key, []).append(issuer)
    kinds = list(PlaceKind)
    keys = sorted(found, key=lambda key: (kinds.index(key[0]), key[1].encode()))
    return Places(tuple((found[key], frozenset(issuers[key])) for key in keys))


def remove_token(headers: HeaderMap, place: TokenPlace) -> None:
    """Take a token away: every line of its header, or its parameter, which writes the query anew; cookies stay."""
    if place.kind is PlaceKind.HEADER:
        headers.remove(place.name)
    elif place.kind is PlaceKind.QUERY:
        path = headers.get(":path") or ""
        parameters = decoded_query(path)
        parameters.pop(place.name, None)
        written = "&".join(f"{name}={value}" for name in sorted(parameters) for value in parameters[name])
        headers.set(":path", path.partition("?")[0] + (f"?{written}" if parameters else ""))


def _in_header(headers: HeaderMap, place: TokenPlace) -> list[str]:
    if not place.prefix:
        return headers.all(place.name)
    values = (value for value in headers.all(place.name) if place.prefix in value)
    return [_behind(value, value.find(place.prefix) + len(place.prefix)) for value in values]


def _behind(value: str, at: int) -> str:
    """The value from the first character that a token may have; all of it when there is none behind the prefix."""
    return next((value[i:] for i in range(at, len(value)) if value[i] in _LEGAL), value)


def decoded_query(path: str) -> dict[str, list[str]]:
    """Query parameters with every ``%XX`` decoded."""
    _, _, query = path.partition("?")
    found: dict[str, list[str]] = {}
    for part in query.split("&") if query else ():
        name, _, value = part.partition("=")
        found.setdefault(_percent_decoded(name), []).append(_percent_decoded(value))
    return found


def _percent_decoded(text: str) -> str:
    return unquote_to_bytes(text.encode("latin-1", "replace")).decode("latin-1") if "%" in text else text


def parse_cookies(headers: HeaderMap) -> Mapping[str, str]:
    """The first value of every cookie, without quotes around it."""
    found: dict[str, str] = {}
    for line in headers.all("cookie"):
        for part in line.split(";"):
            name, mark, value = part.partition("=")
            if mark:
                quoted = len(value) > 1 and value[0] == value[-1] == '"'
                found.setdefault(name.lstrip(" "), value[1:-1] if quoted else value)
    return found
