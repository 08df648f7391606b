"""Configuration of the JWT filter: providers of tokens, and what requests require of them.

Rules: Envoy 1.40 source/extensions/filters/http/jwt_authn (filter_config.cc, verifier.cc, matcher.cc, jwks_cache.cc).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, TypeAlias

from meshsim.dataplane.decide.jwt_places import DEFAULT_PLACES, PlaceKind, Places, TokenPlace, places_of
from meshsim.dataplane.decide.jwt_token import Key, key_set_fault, parse_key_set
from meshsim.dataplane.decide.rejected import ResourceRejectedError
from meshsim.dataplane.decide.route_match import RouteMatch, decode_match
from meshsim.dataplane.decide.strings import Notes, StringMatcher, decode_string_matcher
from meshsim.xds.messages import jwt_authn_pb2, route_components_pb2

_CLOCK_SKEW: Final = 60
"""Seconds, where a provider names none."""


class Left(NamedTuple):
    """Names under which a provider leaves things in dynamic metadata; empty: not left."""

    payload: str = ""
    header: str = ""
    failure: str = ""
    space_delimited: tuple[str, ...] = ()
    """Claims whose words are left as a list."""


@dataclass(frozen=True, slots=True)
class Provider:
    """An issuer whose tokens are accepted."""

    name: str
    issuer: str
    """Empty: any."""
    audiences: tuple[str, ...]
    keys: tuple[Key, ...] | None
    """None: the keys are fetched from elsewhere, which is not modelled."""
    places: Places
    forward: bool
    payload_header: str
    pad_payload: bool
    left: Left
    claim_headers: tuple[tuple[str, str], ...]
    """(header, claim)."""
    clock_skew: int
    """Seconds."""
    subjects: StringMatcher | None
    longest_life: float | None
    """Seconds that a token may still live; infinite: it must end at some time."""
    clear_route_cache: bool

    @property
    def made_headers(self) -> tuple[str, ...]:
        """Headers that only the filter may set."""
        claims = tuple(header for header, _ in self.claim_headers)
        return (self.payload_header, *claims) if self.payload_header else claims


@dataclass(frozen=True, slots=True)
class Needs:
    """A token of this provider; `audiences` replace the provider's own."""

    provider: str
    audiences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NeedsAny:
    """One of these; a missing token will do with `missing`, anything with `failed`."""

    inner: tuple[Requirement, ...]
    missing: bool = False
    failed: bool = False


@dataclass(frozen=True, slots=True)
class NeedsAll:
    """All of these."""

    inner: tuple[Requirement, ...]


@dataclass(frozen=True, slots=True)
class AllowMissing:
    """No token, or a good one of any provider; with `failed` a bad one too."""

    failed: bool


@dataclass(frozen=True, slots=True)
class NeedsNothing:
    """A requirement that says nothing."""


Requirement: TypeAlias = Needs | NeedsAny | NeedsAll | AllowMissing | NeedsNothing


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
    strip_failures: bool
    places: Places
    """Where any provider looks."""
    made_headers: tuple[str, ...]
    """Headers that only the filter may set, of all providers."""

    def provider_of(self, issuer: str) -> Provider | None:
        """The first provider of an issuer, else the first that takes any."""
        providers = self.providers.values()
        found = next((p for p in providers if p.issuer == issuer), None)
        return found or next((p for p in providers if not p.issuer), None)


class JwtPerRoute(NamedTuple):
    """What a route asks instead of the rules."""

    disabled: bool
    requirement: str


def decode_jwt(message: jwt_authn_pb2.JwtAuthentication, notes: Notes) -> JwtConfig:
    """A JwtAuthentication; raises `ResourceRejectedError` for what Envoy refuses."""
    providers = {name: _provider(name, message.providers[name], notes) for name in sorted(message.providers)}
    if message.filter_state_rules.requires:
        notes.append("JWT requirements by filter state")
    named = {name: _checked(message.requirement_map[name], message) for name in sorted(message.requirement_map)}
    return JwtConfig(
        providers,
        tuple(JwtRule(_match(rule.match, notes), _of_rule(rule, message, named)) for rule in message.rules),
        named,
        message.bypass_cors_preflight,
        message.strip_failure_response,
        places_of((p.issuer, _places(message.providers[p.name])) for p in providers.values()),
        tuple(header for provider in providers.values() for header in provider.made_headers),
    )


def _match(message: route_components_pb2.RouteMatch, notes: Notes) -> RouteMatch:
    """A route match as the filter's own matcher knows it: path, headers and query (matcher.cc)."""
    return replace(
        decode_match(message, notes),
        fraction=None,
        grpc=False,
        certificate_presented=None,
        certificate_validated=None,
        metadata=(),
        unmodelled="",
    )


def _of_rule(
    rule: jwt_authn_pb2.RequirementRule, message: jwt_authn_pb2.JwtAuthentication, named: Mapping[str, Requirement]
) -> Requirement | None:
    kind = rule.WhichOneof("requirement_type")
    if kind == "requires":
        return _checked(rule.requires, message)
    if kind is None:
        return None
    if rule.requirement_name not in named:
        raise ResourceRejectedError(wrong_requirement(rule.requirement_name, named))
    return named[rule.requirement_name]


def wrong_requirement(name: str, named: Iterable[str]) -> str:
    """What Envoy says of a requirement that there is not."""
    return f"Wrong requirement_name: {name}. It should be one of [{','.join(sorted(named))}]"


def _checked(requires: jwt_authn_pb2.JwtRequirement, message: jwt_authn_pb2.JwtAuthentication) -> Requirement:
    for name in _provider_names(requires):
        if name not in message.providers:
            raise ResourceRejectedError(f"Required provider ['{name}'] is not configured.")
    return _requirement(requires)


def _provider_names(requires: jwt_authn_pb2.JwtRequirement) -> list[str]:
    kind = requires.WhichOneof("requires_type")
    if kind == "provider_name":
        return [requires.provider_name]
    if kind == "provider_and_audiences":
        return [requires.provider_and_audiences.provider_name]
    inner = requires.requires_any if kind == "requires_any" else requires.requires_all
    return [name for requirement in inner.requirements for name in _provider_names(requirement)]


def decode_jwt_per_route(message: jwt_authn_pb2.PerRouteConfig) -> JwtPerRoute:
    """A PerRouteConfig."""
    return JwtPerRoute(message.disabled, message.requirement_name)


def _provider(name: str, message: jwt_authn_pb2.JwtProvider, notes: Notes) -> Provider:
    life = message.max_lifetime
    least = float("inf") if message.require_expiration else None
    return Provider(
        name,
        message.issuer,
        tuple(message.audiences),
        _keys(name, message, notes),
        places_of([(message.issuer, _places(message))]),
        message.forward,
        message.forward_payload_header.lower(),
        message.pad_forward_payload_header,
        Left(
            message.payload_in_metadata,
            message.header_in_metadata,
            message.failed_status_in_metadata,
            tuple(message.normalize_payload_in_metadata.space_delimited_claims),
        ),
        tuple((c.header_name.lower(), c.claim_name) for c in message.claim_to_headers),
        message.clock_skew_seconds or _CLOCK_SKEW,
        decode_string_matcher(message.subjects, notes) if message.HasField("subjects") else None,
        life.seconds + life.nanos / 1e9 if message.HasField("max_lifetime") else least,
        message.clear_route_cache,
    )


def _keys(name: str, message: jwt_authn_pb2.JwtProvider, notes: Notes) -> tuple[Key, ...] | None:
    if not message.HasField("local_jwks"):
        notes.append(f"JWT provider {name}: remote JWKS")
        return None
    text = message.local_jwks.inline_string or message.local_jwks.inline_bytes.decode("latin-1")
    keys = parse_key_set(text)
    if not keys:
        why = key_set_fault(text)
        raise ResourceRejectedError(f"Provider '{name}' in jwt_authn config has invalid local jwks: {why}")
    return keys


def _places(message: jwt_authn_pb2.JwtProvider) -> tuple[TokenPlace, ...]:
    places = [TokenPlace(PlaceKind.HEADER, h.name.lower(), h.value_prefix) for h in message.from_headers]
    places += [TokenPlace(PlaceKind.QUERY, p) for p in message.from_params]
    places += [TokenPlace(PlaceKind.COOKIE, c) for c in message.from_cookies]
    return tuple(places) or DEFAULT_PLACES


def _requirement(message: jwt_authn_pb2.JwtRequirement) -> Requirement:
    kind = message.WhichOneof("requires_type")
    if kind is None:
        return NeedsNothing()
    if kind == "provider_name":
        return Needs(message.provider_name)
    if kind == "provider_and_audiences":
        pair = message.provider_and_audiences
        return Needs(pair.provider_name, tuple(pair.audiences))
    if kind == "requires_any":
        return _any([_requirement(r) for r in message.requires_any.requirements])
    if kind == "requires_all":
        return NeedsAll(tuple(_requirement(r) for r in message.requires_all.requirements))
    return AllowMissing(failed=kind != "allow_missing")


def _any(inner: list[Requirement]) -> Requirement:
    """What may be missing is no requirement of its own beside others, only a leniency towards them."""
    lenient = [r for r in inner if isinstance(r, AllowMissing)]
    failed, missing = any(r.failed for r in lenient), any(not r.failed for r in lenient)
    asked = tuple(r for r in inner if not isinstance(r, AllowMissing))
    return NeedsAny(asked or (AllowMissing(failed),), missing, failed)
