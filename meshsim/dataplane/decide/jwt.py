"""The JWT filter: which tokens a request must carry, and whether it does.

Rules: Envoy 1.40 source/extensions/filters/http/jwt_authn (filter.cc, verifier.cc, authenticator.cc).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from meshsim.dataplane.decide.headers import HeaderMap
from meshsim.dataplane.decide.jwt_config import (
    AllowMissing,
    JwtConfig,
    JwtPerRoute,
    Left,
    Needs,
    NeedsAll,
    NeedsAny,
    Provider,
    Requirement,
    wrong_requirement,
)
from meshsim.dataplane.decide.jwt_places import FoundToken, remove_token
from meshsim.dataplane.decide.jwt_token import STATUS_CODES, Token, parse_token, verify
from meshsim.dataplane.decide.metadata import Json, json_text
from meshsim.dataplane.decide.route_match import Stream

MISSING: Final = "Jwt is missing"
UNKNOWN_ISSUER: Final = "Jwt issuer is not configured"
AUDIENCE: Final = "Audiences in Jwt are not allowed"
UNVERIFIED: Final = "Jwt verification fails"
FILTER_NAME: Final = "envoy.filters.http.jwt_authn"
_LONGEST_URI: Final = 256
_LARGEST: Final = 2.0**64


class JwtVerdict(NamedTuple):
    """What the filter makes of a request; its headers were changed on the way."""

    failure: str = ""
    """Body of the refusal; empty: the request passes."""
    status: int = 200
    details: str = ""
    challenge: str = ""
    """WWW-Authenticate of the refusal."""
    metadata: Mapping[str, Json] = {}
    """What is left on the stream, whether it passes or not."""
    accepted: tuple[str, ...] = ()
    """Providers of the tokens that were good, in the order of their verification."""
    reroute: bool = False
    """Whether the route is to be chosen again."""


@dataclass(slots=True)
class _Check:
    """One request against one configuration."""

    config: JwtConfig
    headers: HeaderMap
    now: int | None
    metadata: dict[str, Json] = field(default_factory=dict)
    accepted: list[str] = field(default_factory=list)
    reroute: bool = False

    def require(self, requirement: Requirement) -> str:
        """Empty when met, else the failure."""
        if isinstance(requirement, Needs):
            provider = self.config.providers[requirement.provider]
            return _Authentication(self, provider, requirement.audiences).run()
        if isinstance(requirement, AllowMissing):
            return _Authentication(self, None, (), missing=True, failed=requirement.failed).run()
        if isinstance(requirement, NeedsAny):
            return self._any(requirement)
        if isinstance(requirement, NeedsAll):
            return next((failure for r in requirement.inner if (failure := self.require(r))), "")
        return ""

    def _any(self, requirement: NeedsAny) -> str:
        """The failure worth telling: a real one before an unknown issuer before a missing token.

        Envoy's verifier.cc, AnyVerifierImpl.
        """
        final = MISSING
        for inner in requirement.inner:
            failure = self.require(inner)
            if not failure:
                return ""
            if failure not in (MISSING, UNKNOWN_ISSUER) or final == MISSING:
                final = failure
        return "" if requirement.failed or (requirement.missing and final == MISSING) else final


@dataclass(slots=True)
class _Authentication:
    """The tokens of one requirement (Envoy's authenticator.cc); `only` is its provider, None for any."""

    check: _Check
    only: Provider | None
    audiences: tuple[str, ...]
    missing: bool = False
    failed: bool = False
    provider: Provider | None = None
    """Of the token looked at."""

    def run(self) -> str:
        """Empty when the tokens will do, else the failure.

        The last token found is tried first; all must be good. Where one may be missing, they are all looked at and
        the last looked at decides.
        """
        check, patient = self.check, self.missing or self.failed
        headers = check.headers
        for name in self.only.made_headers if self.only else check.config.made_headers:
            headers.remove(name)
        places = self.only.places if self.only else check.config.places
        status = MISSING
        found = places.extract(headers)
        for token in reversed(found):
            status = self._verified(token)
            self._tell(status)
            if status and not patient:
                break
        if not found:
            self._tell(status)
        return "" if self.failed or (self.missing and status == MISSING) else status

    def _tell(self, status: str) -> None:
        """Leave a failure in the metadata, under the name of the provider of the token or of the only one there is."""
        providers = self.check.config.providers
        provider = self.provider or (next(iter(providers.values())) if len(providers) == 1 else None)
        if status and provider and provider.left.failure:
            code = float(STATUS_CODES[status])
            self.check.metadata[provider.left.failure] = {"code": code, "message": status}

    def _verified(self, found: FoundToken) -> str:
        if self.only:
            self.provider = self.only
        token = parse_token(found.text)
        if isinstance(token, str):
            return token
        if not found.may_be_of(token.issuer):
            return UNKNOWN_ISSUER
        if not self.only:
            self.provider = self.check.config.provider_of(token.issuer)
        provider = self.provider
        if provider is None:
            return UNKNOWN_ISSUER
        failure = _out_of_time(token, provider, self.check.now)
        if failure:
            return failure
        wanted = self.audiences or provider.audiences
        if wanted and not {_audience(a) for a in wanted} & {_audience(a) for a in token.audiences}:
            return AUDIENCE
        if not _suits(token, provider, self.check.now):
            return UNVERIFIED
        failure = verify(token, provider.keys) if provider.keys is not None else ""
        if not failure:
            self._use(token, found, provider)
        return failure

    def _use(self, token: Token, found: FoundToken, provider: Provider) -> None:
        """What a good token leaves behind: headers, metadata, and itself only where it is forwarded."""
        check = self.check
        headers = check.headers
        check.accepted.append(provider.name)
        changed = bool(provider.left.payload)
        if provider.payload_header:
            text = token.payload_text
            headers.add(provider.payload_header, text + "=" * (-len(text) % 4) if provider.pad_payload else text)
        for header, claim in provider.claim_headers:
            value = claim_text(token.payload, claim)
            if value:
                headers.add(header, value)
                changed = True
        if not provider.forward:
            remove_token(headers, found.place)
        if provider.left.header:
            check.metadata[provider.left.header] = dict(token.header)
        if provider.left.payload:
            check.metadata[provider.left.payload] = payload_metadata(provider.left, token)
        check.reroute = check.reroute or (changed and provider.clear_route_cache)


def _out_of_time(token: Token, provider: Provider, now: int | None) -> str:
    expires, begins = _seconds(token, "exp"), _seconds(token, "nbf")
    if now is not None and now + provider.clock_skew < begins:
        return "Jwt not yet valid"
    if now is not None and expires and now > expires + provider.clock_skew:
        return "Jwt is expired"
    return ""


def _suits(token: Token, provider: Provider, now: int | None) -> bool:
    """Whether subject and remaining life are what the provider wants."""
    subject = token.payload.get("sub", "")
    if provider.subjects and not (isinstance(subject, str) and provider.subjects.matches(subject)):
        return False
    expires = _seconds(token, "exp")
    if provider.longest_life is None or (expires and now is None):
        return True
    return bool(expires) and now is not None and expires - now < provider.longest_life


def _seconds(token: Token, claim: str) -> int:
    value = token.payload.get(claim)
    return int(value) if isinstance(value, float) else 0


def _audience(text: str) -> str:
    """An audience without scheme and trailing slash (Envoy source/common/jwt/check_audience.cc)."""
    for scheme in ("http://", "https://"):
        if text.startswith(scheme):
            text = text[len(scheme) :]
            break
    return text.removesuffix("/")


def claim_text(payload: Mapping[str, Json], claim: str) -> str:
    """A claim as a header carries it, empty for none: dots lead into structures, structures are JSON in base64.

    Envoy writes the fields of a structure in no order; here they stand by name.
    """
    value: Json = payload
    for name in claim.split("."):
        if not isinstance(value, Mapping) or name not in value:
            return ""
        value = value[name]
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        whole = 0 <= value < _LARGEST and value == int(value)
        return str(int(value)) if whole else f"{value:f}"
    if isinstance(value, str):
        return value
    return "" if value is None else base64.b64encode(json_text(value).encode()).decode()


def payload_metadata(left: Left, token: Token) -> Json:
    """The claims as they are left in dynamic metadata: space-delimited ones as lists."""
    payload = dict(token.payload)
    for claim in left.space_delimited:
        value = payload.get(claim)
        words: list[Json] = [word for word in value.split(" ") if word] if isinstance(value, str) else []
        if words:
            payload[claim] = words
    return payload


def check_jwt(config: JwtConfig, per_route: JwtPerRoute | None, stream: Stream, now: int | None) -> JwtVerdict:
    """The verdict on a request; `now` is the time in seconds since 1970, None leaves validity periods unchecked.

    Headers that only the filter may set are taken away from every request first, even from those it does not ask
    for anything (since Envoy 1.40, runtime guard jwt_authn_sanitize_payload_headers_filter_wide).
    """
    headers = stream.headers
    for name in config.made_headers:
        headers.remove(name)
    if config.bypass_preflight and _is_preflight(headers):
        return JwtVerdict()
    if per_route:
        if per_route.disabled:
            return JwtVerdict()
        requirement: Requirement | None = config.requirements.get(per_route.requirement)
        if requirement is None:
            return _refusal_of_route(config, per_route)
    else:
        rule = next((r for r in config.rules if not r.match.why_not(stream)), None)
        requirement = rule.requirement if rule else None
    if requirement is None:
        return JwtVerdict()
    original = headers.get("x-envoy-original-path") or headers.get(":path") or ""
    uri = f"{headers.get(':scheme') or 'http'}://{headers.get(':authority') or ''}{original[:_LONGEST_URI]}"
    check = _Check(config, headers, now)
    failure = check.require(requirement)
    if failure:
        return _refusal(config, failure, uri, check.metadata)
    return JwtVerdict(metadata=check.metadata, accepted=tuple(check.accepted), reroute=check.reroute)


def _is_preflight(headers: HeaderMap) -> bool:
    asked = headers.get("origin") and headers.get("access-control-request-method")
    return bool(asked) and headers.get(":method") == "OPTIONS"


def _refusal_of_route(config: JwtConfig, per_route: JwtPerRoute) -> JwtVerdict:
    why = wrong_requirement(per_route.requirement, config.requirements)
    body = "" if config.strip_failures else f"Failed JWT authentication: {why}"
    return JwtVerdict(body, 403, _details(why))


def _refusal(config: JwtConfig, failure: str, uri: str, metadata: Mapping[str, Json]) -> JwtVerdict:
    status = 403 if failure == AUDIENCE else 401
    if config.strip_failures:
        return JwtVerdict("", status, _details(failure), "", metadata)
    challenge = f'Bearer realm="{uri}"' + ("" if failure == MISSING else ', error="invalid_token"')
    return JwtVerdict(failure, status, _details(failure), challenge, metadata)


def _details(why: str) -> str:
    return f"jwt_authn_access_denied{{{why.replace(' ', '_')}}}"
