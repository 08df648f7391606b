"""The JWT filter: which tokens a request must carry, and whether it does.

Rules: Envoy source/extensions/filters/http/jwt_authn (authenticator.cc, verifier.cc, extractor.cc).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

from meshsim.dataplane.decide.headers import HeaderMap, query_parameters
from meshsim.dataplane.decide.jwt_token import Key, Token, key_set_fault, parse_key_set, parse_token, verify
from meshsim.dataplane.decide.metadata import Json
from meshsim.dataplane.decide.rejected import ResourceRejectedError
from meshsim.dataplane.decide.route_match import RouteMatch, Stream, decode_match
from meshsim.dataplane.decide.strings import Notes
from meshsim.xds.messages import jwt_authn_pb2

MISSING: Final = "Jwt is missing"
UNKNOWN_ISSUER: Final = "Jwt issuer is not configured"
AUDIENCE: Final = "Audiences in Jwt are not allowed"
FILTER_NAME: Final = "envoy.filters.http.jwt_authn"


class TokenPlace(NamedTuple):
    """Where a token may stand: a header with a prefix of its value, a query parameter or a cookie."""

    kind: str
    name: str
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Provider:
    """An issuer whose tokens are accepted."""

    name: str
    issuer: str
    audiences: tuple[str, ...]
    keys: tuple[Key, ...] | None
    """None: the keys are fetched from elsewhere, which is not modelled."""
    places: tuple[TokenPlace, ...]
    forward: bool
    forward_payload_header: str
    payload_in_metadata: str
    space_delimited: tuple[str, ...]
    claim_headers: tuple[tuple[str, str], ...]
    """(header, claim)."""
    clock_skew: int
    require_expiration: bool
    clear_route_cache: bool


@dataclass(frozen=True, slots=True)
class Needs:
    """A token of this provider; `audiences` replace the provider's own."""

    provider: str
    audiences: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class NeedsAny:
    """One of these."""

    inner: tuple[Requirement, ...]


@dataclass(frozen=True, slots=True)
class NeedsAll:
    """All of these."""

    inner: tuple[Requirement, ...]


@dataclass(frozen=True, slots=True)
class AllowMissing:
    """No token, or a good one of any provider; with `failed` a bad one too."""

    failed: bool


Requirement: TypeAlias = Needs | NeedsAny | NeedsAll | AllowMissing


class JwtRule(NamedTuple):
    """Requirement of the requests that match."""

    match: RouteMatch
    requirement: Requirement | None


@dataclass(frozen=True, slots=True)
class JwtConfig:
    """The filter's configuration."""

    providers: Mapping[str, Provider]
    rules: tuple[JwtRule, ...]
    requirements: Mapping[str, Requirement]
    bypass_preflight: bool


class JwtPerRoute(NamedTuple):
    """What a route asks instead of the rules."""

    disabled: bool
    requirement: str


class JwtVerdict(NamedTuple):
    """Empty failure: the request passes; `accepted` are the tokens that were verified."""

    failure: str
    had_token: bool
    accepted: tuple[tuple[Provider, Token, TokenPlace], ...] = ()


def decode_jwt(message: jwt_authn_pb2.JwtAuthentication, notes: Notes) -> JwtConfig:
    """A JwtAuthentication."""
    for rule in message.rules:
        _check_providers(rule.requires, message)
    return JwtConfig(
        {name: _provider(name, message.providers[name], notes) for name in sorted(message.providers)},
        tuple(
            JwtRule(
                decode_match(rule.match, notes),
                _named(rule.requirement_name, message)
                if rule.requirement_name
                else _requirement(rule.requires)
                if rule.HasField("requires")
                else None,
            )
            for rule in message.rules
        ),
        {name: _requirement(message.requirement_map[name]) for name in sorted(message.requirement_map)},
        message.bypass_cors_preflight,
    )


def _check_providers(requires: jwt_authn_pb2.JwtRequirement, message: jwt_authn_pb2.JwtAuthentication) -> None:
    for name in _provider_names(requires):
        if name not in message.providers:
            raise ResourceRejectedError(f"Required provider ['{name}'] is not configured.")


def _provider_names(requires: jwt_authn_pb2.JwtRequirement) -> list[str]:
    kind = requires.WhichOneof("requires_type")
    if kind == "provider_name":
        return [requires.provider_name]
    if kind == "provider_and_audiences":
        return [requires.provider_and_audiences.provider_name]
    inner = requires.requires_any if kind == "requires_any" else requires.requires_all
    return [name for requirement in inner.requirements for name in _provider_names(requirement)]


def _named(name: str, message: jwt_authn_pb2.JwtAuthentication) -> Requirement:
    if name not in message.requirement_map:
        raise ResourceRejectedError(f"Wrong requirement_name: {name}. It should be one of [...]")
    return _requirement(message.requirement_map[name])


def decode_jwt_per_route(message: jwt_authn_pb2.PerRouteConfig) -> JwtPerRoute:
    """A PerRouteConfig."""
    return JwtPerRoute(message.disabled, message.requirement_name)


def _provider(name: str, message: jwt_authn_pb2.JwtProvider, notes: Notes) -> Provider:
    keys: tuple[Key, ...] | None = None
    if message.HasField("local_jwks"):
        text = message.local_jwks.inline_string or message.local_jwks.inline_bytes.decode("latin-1")
        keys = parse_key_set(text)
        if not keys:
            why = key_set_fault(text)
            raise ResourceRejectedError(f"Provider '{name}' in jwt_authn config has invalid local jwks: {why}")
    else:
        notes.append(f"JWT provider {name}: remote JWKS")
    places = [TokenPlace("header", h.name.lower(), h.value_prefix) for h in message.from_headers]
    places += [TokenPlace("query", p) for p in message.from_params]
    places += [TokenPlace("cookie", c) for c in message.from_cookies]
    if not places:
        places = [TokenPlace("header", "authorization", "Bearer "), TokenPlace("query", "access_token")]
    return Provider(
        name,
        message.issuer,
        tuple(message.audiences),
        keys,
        tuple(places),
        message.forward,
        message.forward_payload_header.lower(),
        message.payload_in_metadata,
        tuple(message.normalize_payload_in_metadata.space_delimited_claims),
        tuple((c.header_name.lower(), c.claim_name) for c in message.claim_to_headers),
        message.clock_skew_seconds or 60,
        message.require_expiration,
        message.clear_route_cache,
    )


def _requirement(message: jwt_authn_pb2.JwtRequirement) -> Requirement:
    kind = message.WhichOneof("requires_type")
    if kind == "provider_name":
        return Needs(message.provider_name)
    if kind == "provider_and_audiences":
        pair = message.provider_and_audiences
        return Needs(pair.provider_name, tuple(pair.audiences))
    if kind == "requires_any":
        return NeedsAny(tuple(_requirement(r) for r in message.requires_any.requirements))
    if kind == "requires_all":
        return NeedsAll(tuple(_requirement(r) for r in message.requires_all.requirements))
    return AllowMissing(failed=kind != "allow_missing")


@dataclass(slots=True)
class _Check:
    """One request against one configuration."""

    config: JwtConfig
    headers: HeaderMap
    now: int | None
    accepted: list[tuple[Provider, Token, TokenPlace]]
    gone: list[tuple[str, str]] = field(default_factory=list)
    """Headers and parameters a good token was taken from: what is required after it does not see it any more."""

    def require(self, requirement: Requirement) -> str:
        """Empty when met, else the failure."""
        if isinstance(requirement, Needs):
            provider = self.config.providers.get(requirement.provider)
            return UNKNOWN_ISSUER if provider is None else self._tokens([provider], provider, requirement.audiences)
        if isinstance(requirement, NeedsAny):
            return self._any(requirement)
        if isinstance(requirement, NeedsAll):
            return next((failure for r in requirement.inner if (failure := self.require(r))), "")
        return self._lenient(requirement, list(self.config.providers.values()))

    def _optional(self, requirement: Needs) -> str:
        """One provider, or no token: Envoy then asks for that provider's alone."""
        provider = self.config.providers.get(requirement.provider)
        if provider is None:
            return UNKNOWN_ISSUER
        failure = self._tokens([provider], provider, requirement.audiences, patient=True)
        return "" if failure == MISSING else failure

    def _lenient(self, requirement: AllowMissing, places_of: list[Provider]) -> str:
        failure = self._tokens(places_of, None, None)
        return "" if requirement.failed or failure == MISSING else failure

    def _any(self, requirement: NeedsAny) -> str:
        """The failure worth telling: a real one before an unknown issuer before a missing token.

        One that allows a token to be missing comes last, the most lenient alone, and looks only where the providers
        named beside it do (source/extensions/filters/http/jwt_authn/verifier.cc, AnyVerifierImpl).
        """
        final = MISSING
        lenient = [r for r in requirement.inner if isinstance(r, AllowMissing)]
        alone = next((r for r in requirement.inner if isinstance(r, Needs)), None)
        if alone is not None and len(requirement.inner) == 2 and lenient and not lenient[0].failed:
            return self._optional(alone)
        for inner in (r for r in requirement.inner if not isinstance(r, AllowMissing)):
            failure = self.require(inner)
            if not failure:
                return ""
            if failure == UNKNOWN_ISSUER:
                final = failure if final == MISSING else final
            elif failure != MISSING:
                final = failure
        if not lenient:
            return final
        named = {r.provider for r in requirement.inner if isinstance(r, Needs)}
        beside = [p for p in self.config.providers.values() if p.name in named]
        last = next((r for r in lenient if r.failed), lenient[0])
        failure = self._lenient(last, beside or list(self.config.providers.values()))
        if not failure:
            return ""
        return failure if final in (MISSING, UNKNOWN_ISSUER) else final

    def _tokens(
        self,
        places_of: list[Provider],
        only: Provider | None,
        audiences: tuple[str, ...] | None,
        patient: bool = False,
    ) -> str:
        """The last token found is tried first; all must be good, unless a missing one would do: then the first decides.

        Envoy source/extensions/filters/http/jwt_authn/authenticator.cc, startVerify and doneWithStatus.
        """
        failure = MISSING
        found = [(text, at) for text, at in find_tokens(self.headers, places_of) if (at.kind, at.name) not in self.gone]
        for text, place in reversed(found):
            failure = self._verify(text, place, places_of, only, audiences)
            if failure and only is not None and not patient:
                break
        return failure

    def _verify(
        self,
        text: str,
        place: TokenPlace,
        places_of: list[Provider],
        only: Provider | None,
        audiences: tuple[str, ...] | None,
    ) -> str:
        token = parse_token(text)
        if isinstance(token, str):
            return token
        if not any(place in p.places and p.issuer in ("", token.issuer) for p in places_of):
            return UNKNOWN_ISSUER
        provider = only or self._provider_of(token.issuer)
        if provider is None:
            return UNKNOWN_ISSUER
        failure = self._time(token, provider)
        if failure:
            return failure
        wanted = provider.audiences if audiences is None else audiences
        if wanted and not {_audience(a) for a in wanted} & {_audience(a) for a in token.audiences}:
            return AUDIENCE
        failure = verify(token, provider.keys) if provider.keys is not None else ""
        if not failure:
            self.accepted.append((provider, token, place))
            if not provider.forward and place.kind != "cookie":
                self.gone.append((place.kind, place.name))
        return failure

    def _provider_of(self, issuer: str) -> Provider | None:
        """The first provider of an issuer, else the first that takes any."""
        providers = self.config.providers.values()
        found = next((p for p in providers if p.issuer == issuer), None)
        return found or next((p for p in providers if not p.issuer), None)

    def _time(self, token: Token, provider: Provider) -> str:
        expires, begins = token.payload.get("exp"), token.payload.get("nbf")
        if provider.require_expiration and expires is None:
            return "Jwt is expired"
        if self.now is None:
            return ""
        if isinstance(begins, float) and self.now + provider.clock_skew < begins:
            return "Jwt not yet valid"
        if isinstance(expires, float) and expires and self.now > expires + provider.clock_skew:
            return "Jwt is expired"
        return ""


def _audience(text: str) -> str:
    """An audience without scheme and trailing slash, as the library compares them."""
    for scheme in ("http://", "https://"):
        text = text.removeprefix(scheme)
    return text.removesuffix("/")


def find_tokens(headers: HeaderMap, providers: list[Provider]) -> list[tuple[str, TokenPlace]]:
    """Tokens in the places of these providers: headers, then query, then cookies, each by name.

    Envoy source/extensions/filters/http/jwt_authn/extractor.cc keeps them in ordered maps.
    """
    unique = dict.fromkeys(place for p in providers for place in p.places)
    places = sorted(unique, key=lambda place: place.name + place.prefix)
    found: list[tuple[str, TokenPlace]] = []
    for place in (p for p in places if p.kind == "header"):
        value = ",".join(headers.all(place.name))
        at = value.find(place.prefix)
        if value and at >= 0:
            found.append((_token_part(value[at + len(place.prefix) :], place.prefix), place))
    query = query_parameters(headers.get(":path") or "")
    found += [(query[p.name], p) for p in places if p.kind == "query" and p.name in query]
    cookies = _cookies(headers)
    found += [(cookies[p.name], p) for p in places if p.kind == "cookie" and p.name in cookies]
    return found


def _token_part(value: str, prefix: str) -> str:
    """Behind a prefix a token ends at the first character that cannot belong to one."""
    if not prefix:
        return value
    value = value.lstrip(" ")
    end = next((i for i, c in enumerate(value) if not (c.isascii() and (c.isalnum() or c in "-_.="))), len(value))
    return value[:end]


def _cookies(headers: HeaderMap) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in (headers.get("cookie") or "").split(";"):
        name, mark, value = part.strip().partition("=")
        if mark:
            found.setdefault(name, value.strip('"'))
    return found


def check_jwt(config: JwtConfig, per_route: JwtPerRoute | None, stream: Stream, now: int | None) -> JwtVerdict:
    """The verdict on a request; `now` is the time in seconds since 1970, None leaves validity periods unchecked."""
    headers = stream.headers
    if per_route and per_route.disabled:
        return JwtVerdict("", False)
    preflight = headers.get(":method") == "OPTIONS" and "origin" in headers
    if config.bypass_preflight and preflight and "access-control-request-method" in headers:
        return JwtVerdict("", False)
    if per_route:
        requirement: Requirement | None = config.requirements.get(per_route.requirement)
        if requirement is None:
            return JwtVerdict(f"Wrong requirement_name: {per_route.requirement}", False)
    else:
        rule = next((r for r in config.rules if not r.match.why_not(stream)), None)
        requirement = rule.requirement if rule else None
    if requirement is None:
        return JwtVerdict("", False)
    check = _Check(config, headers, now, [])
    failure = check.require(requirement)
    had_token = bool(find_tokens(headers, list(config.providers.values())))
    if failure:
        return JwtVerdict(failure, had_token)
    accepted = tuple(a for i, a in enumerate(check.accepted) if a not in check.accepted[:i])
    return JwtVerdict("", had_token, accepted)


def payload_metadata(provider: Provider, token: Token) -> Json:
    """The claims as they are left in dynamic metadata: space-delimited ones as lists."""
    payload = dict(token.payload)
    for claim in provider.space_delimited:
        value = payload.get(claim)
        if isinstance(value, str) and value:
            payload[claim] = [v for v in value.split(" ") if v]
    return payload
