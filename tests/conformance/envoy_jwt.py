"""Random JWT requirements and requests for the real Envoy: what a filter asks, and what a client sends.

A case is plain JSON. Times and tokens stand in it as what they are to be, ``{"now": -30}`` and ``{"claims": ...}``, and
become text when they are sent, so that a kept case does not grow old.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
from typing import Any

from meshsim.api.fields import Fields
from meshsim.controlplane.authn import jwt_authentication
from meshsim.xds.packing import to_json

JWT = "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication"
PER_ROUTE = "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig"
ACCESS_LOG = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog"
RBAC = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC"
KEYS = {name: hashlib.sha256(name.encode()).digest() for name in ("k0", "k1", "k2")}
ISSUERS = ("one", "two", "three")
AUDIENCES = ("web", "web/", "http://web", "https://web/", "api", "nobody")
PROVIDERS = ("p0", "p1", "p2")
PATHS = ("/", "/a", "/a/b", "/b", "/a%2fb", "/A")
CLAIMS = ("sub", "role.name", "count", "list", "admin", "missing", "role", "share", "scope")
MADE_HEADERS = ("x-payload", "x-sub", "x-claim", "x-client-trace-id")
ECHO = {
    "e-path": "%REQ(:PATH)%",
    "e-authorization": "%REQ(AUTHORIZATION)%",
    "e-token": "%REQ(X-TOKEN)%",
    "e-cookie": "%REQ(COOKIE)%",
    "e-metadata": "%DYNAMIC_METADATA(envoy.filters.http.jwt_authn)%",
    **{f"e-{name}": f"%REQ({name.upper()})%" for name in MADE_HEADERS},
}


def encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


# -- what is sent ------------------------------------------------------------------------------------------------------


def token(rng: random.Random) -> Any:
    """A token of a random issuer, key and audience, sometimes spoiled."""
    if rng.random() < 0.08:
        return rng.choice(
            ("", "x", "a.b", "a.b.c", "e30.e30.", "e30.e30.e30", ".e30.e30.", "Bearer", "a..b.c", "?.?.?")
        )
    claims: dict[str, Any] = {"sub": rng.choice(("somebody", "admin", "a b"))}
    if rng.random() < 0.9:
        claims["iss"] = rng.choice(ISSUERS)
    if rng.random() < 0.6:
        count = rng.choice((1, 1, 2))
        chosen = rng.sample(AUDIENCES, count)
        claims["aud"] = chosen[0] if count == 1 and rng.random() < 0.5 else chosen
    for name, offsets in (("exp", (-4000, -300, -30, 30, 300, 4000)), ("nbf", (-300, 30, 300, 4000))):
        if rng.random() < (0.35 if name == "exp" else 0.1):
            claims[name] = {"now": rng.choice(offsets)}
    if rng.random() < 0.4:
        claims |= {"role": {"name": rng.choice(("x", "<y>"))}, "count": rng.choice((3, 2.5, -1, 0, 1e20))}
        claims |= {"list": ["a", 1, True], "admin": rng.random() < 0.5, "share": 0.25, "scope": "read  write"}
    if rng.random() < 0.03:
        name, value = rng.choice(
            (("iss", 1), ("sub", []), ("exp", -5), ("nbf", "x"), ("iat", 1e30), ("jti", 3), ("aud", [1]))
        )
        claims[name] = value
    made: dict[str, Any] = {"claims": claims, "key": rng.choice(tuple(KEYS))}
    if rng.random() < 0.4:
        made["kid"] = rng.choice(tuple(KEYS))
    if rng.random() < 0.15:
        made["spoil"] = rng.choice(("bit", "padded", "tail", "tail", "dots", "blank", "alg", "cut"))
    return made


def rendered(part: Any, now: int) -> str:
    """A part of a header or path as text."""
    if isinstance(part, str):
        return part
    claims = {name: now + v["now"] if isinstance(v, dict) and "now" in v else v for name, v in part["claims"].items()}
    spoil = part.get("spoil")
    head = {"alg": "none" if spoil == "alg" else "HS256", **({"kid": part["kid"]} if "kid" in part else {})}
    parts = [encoded(json.dumps(part).encode()) for part in (head, claims)]
    signature = bytearray(hmac.digest(KEYS[part["key"]], ".".join(parts).encode(), "sha256"))
    if spoil == "bit":
        signature[3] ^= 1
    text = ".".join([*parts, encoded(bytes(signature))])
    endings = {"padded": "=", "tail": " and more", "dots": ".", "blank": " ="}
    return text[:-3] if spoil == "cut" else text + endings.get(str(spoil), "")


def request(rng: random.Random) -> dict[str, Any]:
    """A request with tokens in up to three places."""
    headers: list[list[Any]] = []
    path: list[Any] = [rng.choice(PATHS)]
    query: list[list[Any]] = [["z=1"]] if rng.random() < 0.1 else []
    places = ("authorization", "x-token", "param", "cookie")
    for place in rng.sample(places, rng.choice((0, 1, 1, 1, 2, 3))):
        text = token(rng)
        if place == "authorization":
            prefix = rng.choice(("Bearer ", "Bearer ", "Bearer ", "bearer ", "", "Bearer", "Basic x, Bearer  "))
            headers.append([place, [prefix, text]])
        elif place == "x-token":
            headers.append([place, [rng.choice(("", "Token ", "Token  ", "jwt,Token ")), text]])
            if rng.random() < 0.15:
                headers.append([place, [rng.choice(("", "Token ")), token(rng)]])
        elif place == "cookie":
            quote = rng.choice(("", "", '"'))
            headers.append([place, [rng.choice(("other=1; ", "", "session2=x;")), f"session={quote}", text, quote]])
            if rng.random() < 0.3:
                headers.insert(rng.randint(0, len(headers)), [place, [rng.choice(("session=", "last=")), token(rng)]])
        else:
            name = rng.choice(("token", "token", "access_token", "t%6fken"))
            query.append([f"{name}=", text])
            if rng.random() < 0.1:
                query.append([f"{name}=", token(rng)])
    for number, item in enumerate(query):
        path += ["&" if number else "?", *item]
    if rng.random() < 0.15:
        headers.append([rng.choice(MADE_HEADERS), ["forged"]])
    if rng.random() < 0.1:
        headers.append(["x-a", [rng.choice("12")]])
    method = "GET"
    if rng.random() < 0.06:
        method = "OPTIONS"
        headers += [["origin", [rng.choice(("http://o", ""))]], ["access-control-request-method", ["GET"]]]
    return {"method": method, "path": path, "headers": headers}


# -- what is asked -----------------------------------------------------------------------------------------------------


def key_set(rng: random.Random) -> str:
    names = rng.sample(tuple(KEYS), rng.choice((1, 1, 2, 3)))
    return json.dumps({"keys": [{"kty": "oct", "kid": name, "k": encoded(KEYS[name])} for name in names]})


def provider(rng: random.Random, issuer: str) -> dict[str, Any]:
    """A provider; no two have one issuer, or none, since Envoy keeps them in no order."""
    made: dict[str, Any] = {"local_jwks": {"inline_string": key_set(rng)}}
    if issuer:
        made["issuer"] = issuer
    if rng.random() < 0.4:
        made["audiences"] = rng.sample(AUDIENCES[:5], rng.choice((1, 2)))
    if rng.random() < 0.4:
        prefixes = rng.sample(("", "Token ", "Bearer "), rng.choice((1, 1, 2)))
        made["from_headers"] = [{"name": rng.choice(("x-token", "X-Token")), "value_prefix": p} for p in prefixes]
    if rng.random() < 0.3:
        made["from_params"] = ["token"]
    if rng.random() < 0.3:
        made["from_cookies"] = ["session"]
    if rng.random() < 0.4:
        made["forward"] = True
    if rng.random() < 0.3:
        made["forward_payload_header"] = rng.choice(("x-payload", "X-Client-Trace-Id"))
        made["pad_forward_payload_header"] = rng.random() < 0.5
    if rng.random() < 0.3:
        made["claim_to_headers"] = [
            {"header_name": rng.choice(("x-sub", "x-claim", "x-client-trace-id")), "claim_name": rng.choice(CLAIMS)}
            for _ in range(rng.choice((1, 2)))
        ]
    if rng.random() < 0.4:
        made["clear_route_cache"] = True
    return made | limits(rng) | left(rng)


def limits(rng: random.Random) -> dict[str, Any]:
    """What a provider asks of times and subjects."""
    made: dict[str, Any] = {}
    if rng.random() < 0.15:
        made["clock_skew_seconds"] = rng.choice((5, 1000))
    if rng.random() < 0.1:
        made["require_expiration"] = True
    if rng.random() < 0.1:
        made["max_lifetime"] = f"{rng.choice((100, 1000))}s"
    if rng.random() < 0.1:
        made["subjects"] = {rng.choice(("exact", "prefix")): rng.choice(("admin", "a", "somebody"))}
    return made


def left(rng: random.Random) -> dict[str, Any]:
    """What a provider leaves in metadata."""
    made: dict[str, Any] = {}
    if rng.random() < 0.3:
        made["payload_in_metadata"] = rng.choice(("payload", "data"))
        if rng.random() < 0.5:
            made["normalize_payload_in_metadata"] = {"space_delimited_claims": rng.sample(("scope", "sub", "iss"), 2)}
    if rng.random() < 0.1:
        made["header_in_metadata"] = "head"
    if rng.random() < 0.2:
        made["failed_status_in_metadata"] = "failure"
    return made


def requirement(rng: random.Random, depth: int = 0) -> dict[str, Any]:
    kind = rng.choice(
        ("provider", "provider", "provider", "audiences", "any", "any", "all", "missing", "failed", "none")
    )
    if depth > 1 and kind in ("any", "all"):
        kind = "provider"
    if kind == "none" and rng.random() < 0.7:
        kind = "provider"
    if kind == "provider":
        return {"provider_name": rng.choice(PROVIDERS)}
    if kind == "audiences":
        chosen = rng.sample(AUDIENCES, rng.choice((0, 1, 2)))
        return {"provider_and_audiences": {"provider_name": rng.choice(PROVIDERS), "audiences": chosen}}
    if kind in ("any", "all"):
        inner = [requirement(rng, depth + 1) for _ in range(rng.choice((2, 2, 3)))]
        return {f"requires_{kind}": {"requirements": inner}}
    if kind == "none":
        return {}
    return {"allow_missing" if kind == "missing" else "allow_missing_or_failed": {}}


def rule_match(rng: random.Random) -> dict[str, Any]:
    match: dict[str, Any] = rng.choice(
        (
            *({"prefix": "/"}, {"prefix": "/"}, {"prefix": "/"}, {"prefix": "/a"}, {"path": "/b"}),
            *({"path": "/a", "case_sensitive": False}, {"safe_regex": {"regex": "/[ab].*"}}),
            {"path_separated_prefix": "/a"},
        )
    ).copy()
    if rng.random() < 0.1:
        match["headers"] = [{"name": "x-a", "string_match": {"exact": "1"}, "invert_match": rng.random() < 0.5}]
    if rng.random() < 0.1:
        match["query_parameters"] = [{"name": "token", "present_match": rng.random() < 0.5}]
    if rng.random() < 0.03:
        match[rng.choice(("grpc", "tls_context"))] = {}
    return match


def plain_filter(rng: random.Random) -> dict[str, Any]:
    """A filter whose rules ask anything of three providers."""
    issuers = rng.sample((*ISSUERS, ""), len(PROVIDERS))
    made: dict[str, Any] = {
        "providers": {name: provider(rng, issuer) for name, issuer in zip(PROVIDERS, issuers)},
        "requirement_map": {name: requirement(rng) for name in ("r0", "r1")},
        "rules": [],
    }
    for _ in range(rng.choice((1, 1, 2, 3))):
        rule: dict[str, Any] = {"match": rule_match(rng)}
        which = rng.random()
        if which < 0.8:
            rule["requires"] = requirement(rng)
        elif which < 0.9:
            rule["requirement_name"] = rng.choice(("r0", "r1"))
        made["rules"].append(rule)
    if rng.random() < 0.2:
        made["bypass_cors_preflight"] = True
    if rng.random() < 0.1:
        made["strip_failure_response"] = True
    return made


def istio_filter(rng: random.Random) -> dict[str, Any]:
    """The filter that RequestAuthentications make."""
    rules: list[dict[str, Any]] = []
    for issuer in rng.sample(ISSUERS, rng.choice((1, 2, 3))):
        rule: dict[str, Any] = {"issuer": issuer, "jwks": key_set(rng), "forwardOriginalToken": rng.random() < 0.5}
        if rng.random() < 0.4:
            rule["audiences"] = rng.sample(AUDIENCES[:5], rng.choice((1, 2)))
        if rng.random() < 0.3:
            rule["fromHeaders"] = [{"name": "x-token", "prefix": rng.choice(("", "Token "))}]
        if rng.random() < 0.3:
            rule["fromParams"] = ["token"]
        if rng.random() < 0.2:
            rule["fromCookies"] = ["session"]
        if rng.random() < 0.3:
            rule["outputPayloadToHeader"] = "x-payload"
        if rng.random() < 0.3:
            rule["outputClaimToHeaders"] = [{"header": "x-sub", "claim": rng.choice(CLAIMS)}]
        rules.append(rule)
    made: dict[str, Any] = to_json(jwt_authentication([Fields(rule) for rule in rules], rng.random() < 0.5))
    return made


def case(rng: random.Random) -> dict[str, Any]:
    """A filter with the routes and rules around it."""
    istio = rng.random() < 0.25
    made: dict[str, Any] = {"filter": istio_filter(rng) if istio else plain_filter(rng), "routes": []}
    if rng.random() < 0.6:
        seen = rng.choice(
            (
                *({"headers": [{"name": "x-sub", "present_match": True}]}, {"query_parameters": [{"name": "token"}]}),
                {"headers": [{"name": "authorization", "present_match": True}]},
                {"dynamic_metadata": [claim_match("payload", "iss", rng.choice(ISSUERS))]},
            )
        )
        made["routes"].append({"match": {"prefix": "/", **seen}})
    if not istio and rng.random() < 0.3:
        own: dict[str, Any] = (
            {"disabled": True} if rng.random() < 0.4 else {"requirement_name": rng.choice(("r0", "r1", "r2"))}
        )
        made["routes"].append({"match": {"prefix": "/a"}, "own": own})
    if rng.random() < 0.3:
        made["asked"] = {"key": rng.choice(("payload", "data")), "claim": "sub", "value": "admin"}
    return made


def manager(case: dict[str, Any], router: Any, port: int, log: str = "") -> dict[str, Any]:
    """The connection manager of a case; its routes answer themselves and say what the request was by then.

    `log` is the file for the details of every answer.
    """
    routes = []
    for number, route in enumerate([*case["routes"], {"match": {"prefix": ""}}]):
        said = {"x-route": str(number), **ECHO}
        made: dict[str, Any] = {
            "match": route["match"],
            "direct_response": {"status": 200},
            "response_headers_to_add": [{"header": {"key": k, "value": v}} for k, v in said.items()],
        }
        if "own" in route:
            made["typed_per_filter_config"] = {"envoy.filters.http.jwt_authn": {"@type": PER_ROUTE, **route["own"]}}
        routes.append(made)
    filters = [{"name": "envoy.filters.http.jwt_authn", "typed_config": {"@type": JWT, **case["filter"]}}]
    if "asked" in case:
        filters.append({"name": "envoy.filters.http.rbac", "typed_config": access(**case["asked"])})
    line = {"text_format_source": {"inline_string": f"{port} %RESPONSE_CODE_DETAILS%\n"}}
    written = {"name": "file", "typed_config": {"@type": ACCESS_LOG, "path": log, "log_format": line}}
    return {
        "@type": router.HCM,
        "stat_prefix": f"j{port}",
        "access_log": [written] if log else [],
        "route_config": {"name": "r", "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": routes}]},
        "http_filters": [*filters, {"name": "envoy.filters.http.router", "typed_config": {"@type": router.ROUTER}}],
    }


def claim_match(key: str, claim: str, value: str) -> dict[str, Any]:
    where = {"filter": "envoy.filters.http.jwt_authn", "path": [{"key": key}, {"key": claim}]}
    return {**where, "value": {"string_match": {"exact": value}}}


def access(key: str, claim: str, value: str) -> dict[str, Any]:
    """A rule that asks for a claim in the metadata, as an AuthorizationPolicy does."""
    denied = {"permissions": [{"any": True}], "principals": [{"metadata": claim_match(key, claim, value)}]}
    return {"@type": RBAC, "rules": {"action": "DENY", "policies": {"claims": denied}}}


def sent(router: Any, request: dict[str, Any], now: int) -> Any:
    """A request as the client sends it."""
    path = "".join(rendered(part, now) for part in request["path"])
    headers = tuple((name, "".join(rendered(part, now) for part in parts)) for name, parts in request["headers"])
    return router.Sent(request["method"], path.replace(" ", "%20"), "h", headers)
