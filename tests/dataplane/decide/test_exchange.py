"""HTTP filters on the way to the router: replies and side effects."""

from __future__ import annotations

from typing import Any

import pytest
from xds_bodies import FILTERS, http_listener, static_cluster

from meshsim.dataplane.decide import (
    Connection,
    Decision,
    ExternalAnswer,
    Fixed,
    Flag,
    PeerCertificate,
    Request,
    Surroundings,
    Transport,
    decide_direct,
)

HTTP = "type.googleapis.com/envoy.extensions.filters.http."
ROUTE = {"match": {"prefix": "/"}, "route": {"cluster": "c"}}
CLIENT = Connection(source="10.0.0.9", destination="10.0.0.1", destination_port=80)
GET = Request(authority="a")


def http_filter(kind: str, name: str = "f", **fields: Any) -> dict[str, Any]:
    return {"name": name, "typed_config": {"@type": f"{HTTP}{kind}", **fields}}


def decide(
    build: Any, *filters: dict[str, Any], request: Request = GET, route: dict[str, Any] = ROUTE, **given: Any
) -> Decision:
    one = http_listener([route], http_filters=[*filters, *FILTERS])
    return decide_direct(build((one,), (static_cluster("c", "10.0.0.5"),)), CLIENT, request, **given)


def every(action: str) -> dict[str, Any]:
    return {"action": action, "policies": {"all": {"permissions": [{"any": True}], "principals": [{"any": True}]}}}


def test_rbac_denies_by_policy_or_by_none(build: Any) -> None:
    denied = decide(build, http_filter("rbac.v3.RBAC", rules=every("DENY")))
    assert (denied.status, denied.body, denied.details, denied.flags) == (
        403,
        "RBAC: access denied",
        "rbac_access_denied_matched_policy[all]",
        (),
    )
    nothing = decide(build, http_filter("rbac.v3.RBAC", rules={}))
    assert nothing.details == "rbac_access_denied_matched_policy[none]"
    assert decide(build, http_filter("rbac.v3.RBAC")).details == "via_upstream"


def test_a_route_may_switch_a_filter_off(build: Any) -> None:
    off = {"f": {"@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBACPerRoute"}}
    assert (
        decide(build, http_filter("rbac.v3.RBAC", rules={}), route={**ROUTE, "typed_per_filter_config": off}).status
        == 0
    )
    disabled = {"f": {"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "disabled": True}}
    found = decide(build, http_filter("rbac.v3.RBAC", rules={}), route={**ROUTE, "typed_per_filter_config": disabled})
    assert found.details == "via_upstream"


def test_custom_authorization_asks_only_where_the_shadow_rules_say_so(build: Any) -> None:
    """Istio's CUSTOM action: shadow rules leave the policy in metadata, the external filter looks for it."""
    shadow = http_filter(
        "rbac.v3.RBAC",
        "envoy.filters.http.rbac",
        shadow_rules=every("DENY"),
        shadow_rules_stat_prefix="istio_ext_authz_",
    )
    enabled = {
        "filter": "envoy.filters.http.rbac",
        "path": [{"key": "istio_ext_authz_shadow_effective_policy_id"}],
        "value": {"string_match": {"prefix": "all"}},
    }
    service = {"envoy_grpc": {"cluster_name": "authz"}}
    external = http_filter("ext_authz.v3.ExtAuthz", "authz", grpc_service=service, filter_enabled_metadata=enabled)
    refuses = Surroundings(authorize=lambda cluster: ExternalAnswer(False, 401, "no"))
    found = decide(build, shadow, external, surroundings=refuses)
    assert (found.status, found.body, found.details, found.flags, found.asked) == (
        401,
        "no",
        "ext_authz_denied",
        (Flag.UNAUTHORIZED_EXTERNALLY,),
        ("authz",),
    )
    assert decide(build, external, surroundings=refuses).asked == ()


def test_faults_are_drawn_or_left_to_the_run(build: Any) -> None:
    share = {"numerator": 50}
    fault = http_filter(
        "fault.v3.HTTPFault",
        delay={"fixed_delay": "2s", "percentage": share},
        abort={"http_status": 418, "percentage": share},
    )
    hit = decide(build, fault, chance=Fixed(0))
    assert (hit.status, hit.body, hit.flag_text, hit.delay) == (418, "fault filter abort", "DI,FI", 2 * 10**9)
    missed = decide(build, fault, chance=Fixed(99))
    assert (missed.details, missed.delay) == ("via_upstream", 0)
    left = decide(build, fault)
    assert left.details == "via_upstream"
    assert left.policies.fault is not None
    assert left.policies.fault.abort_status == 418


def test_an_abort_in_grpc_terms(build: Any) -> None:
    fault = http_filter("fault.v3.HTTPFault", abort={"grpc_status": 14, "percentage": {"numerator": 100}})
    request = Request(authority="a", method="POST", headers=(("content-type", "application/grpc"),))
    found = decide(build, fault, request=request)
    assert (found.status, dict(found.response_headers)["grpc-status"]) == (200, "14")
    assert dict(found.response_headers)["grpc-message"] == "fault filter abort"
    other = decide(build, fault)
    assert (other.status, other.body) == (200, "fault filter abort")
    assert "grpc-status" not in dict(other.response_headers)


ORIGIN = ("origin", "https://shop.example")
ASKS = ("access-control-request-method", "PUT")
CORS = {
    "@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy",
    "allow_origin_string_match": [{"exact": "https://shop.example"}],
    "allow_methods": "PUT",
    "expose_headers": "x-b",
    "max_age": "60",
}


@pytest.mark.parametrize(
    ("method", "headers", "details", "origin"),
    [
        ("OPTIONS", (ORIGIN, ASKS), "cors_response", "https://shop.example"),
        ("OPTIONS", (("origin", "https://other"), ASKS), "via_upstream", None),
        ("OPTIONS", (ORIGIN,), "via_upstream", "https://shop.example"),
        ("GET", (ORIGIN,), "via_upstream", "https://shop.example"),
        ("GET", (("origin", "https://other"),), "via_upstream", None),
        ("GET", (), "via_upstream", None),
    ],
)
def test_cors(build: Any, method: str, headers: tuple[tuple[str, str], ...], details: str, origin: str | None) -> None:
    route = {**ROUTE, "typed_per_filter_config": {"cors": CORS}}
    found = decide(
        build,
        http_filter("cors.v3.Cors", "cors"),
        route=route,
        request=Request(method=method, authority="a", headers=headers),
    )
    assert found.details == details
    assert dict(found.response_headers).get("access-control-allow-origin") == origin


def test_a_missing_token(build: Any) -> None:
    keys = {"inline_string": '{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}'}
    providers = {"p": {"issuer": "i", "local_jwks": keys}}
    rules = [{"match": {"prefix": "/"}, "requires": {"provider_name": "p"}}]
    found = decide(build, http_filter("jwt_authn.v3.JwtAuthentication", providers=providers, rules=rules))
    assert (found.status, found.body, found.details) == (
        401,
        "Jwt is missing",
        "jwt_authn_access_denied{Jwt_is_missing}",
    )
    assert dict(found.response_headers)["www-authenticate"] == 'Bearer realm="http://a/"'


def test_small_filters(build: Any) -> None:
    big = decide(
        build,
        http_filter("buffer.v3.Buffer", max_request_bytes=10),
        request=Request(method="POST", authority="a", body=11),
    )
    assert (big.status, big.details) == (413, "request_payload_too_large")
    removed = decide(
        build,
        http_filter("header_mutation.v3.HeaderMutation", mutations={"request_mutations": [{"remove": "x-bad"}]}),
        request=Request(authority="a", headers=(("x-bad", "1"),)),
    )
    assert "x-bad" not in dict(removed.headers)
    lua = decide(build, http_filter("lua.v3.Lua", "script"))
    assert lua.unmodelled == ("script",)
    bucket = {"max_tokens": 10, "fill_interval": "60s"}
    full = {"default_value": {"numerator": 100}}
    limited = decide(
        build,
        http_filter(
            "local_ratelimit.v3.LocalRateLimit",
            stat_prefix="x",
            token_bucket=bucket,
            filter_enabled=full,
            filter_enforced=full,
        ),
    )
    assert limited.policies.rate_limit is not None
    assert limited.policies.rate_limit.max_tokens == 10


def test_rules_on_the_peer(build: Any) -> None:
    principal = {"authenticated": {"principal_name": {"exact": "spiffe://a"}}}
    rules = {"policies": {"p": {"permissions": [{"any": True}], "principals": [principal]}}}
    assert decide(build, http_filter("rbac.v3.RBAC", rules=rules)).status == 403
    certificate = PeerCertificate(("spiffe://a",))
    assert Connection(
        source="a", destination="b", destination_port=1, transport=Transport.MTLS, certificate=certificate
    ).uses_tls


LIMIT_RULES = {"rate_limits": [{"actions": [{"remote_address": {}}]}]}
FULL = {"default_value": {"numerator": 100}}


@pytest.mark.parametrize(
    ("more", "action", "asked"),
    [
        ({}, {}, ["", "remote_address"]),
        ({"vh_rate_limits": "IGNORE"}, {}, ["", "remote_address"]),
        ({}, {"rate_limits": []}, [""]),
        ({"stage": 1}, {}, [""]),
        ({"rate_limits": [{"actions": [{"generic_key": {"descriptor_value": "v"}}]}]}, {}, ["", "generic_key"]),
        ({"always_consume_default_token_bucket": False}, {}, ["remote_address"]),
    ],
)
def test_buckets_that_a_local_limit_asks(
    build: Any, more: dict[str, Any], action: dict[str, Any], asked: list[str]
) -> None:
    """Measured on 1.40 (rl-host-* and rl-desc-* of the recorded neighbours)."""
    bucket = {"max_tokens": 1, "fill_interval": "60s"}
    keys = (("remote_address", CLIENT.source), ("generic_key", "v"))
    own = [{"entries": [{"key": key, "value": value}], "token_bucket": bucket} for key, value in keys]
    config = {"stat_prefix": "x", "token_bucket": bucket, "filter_enabled": FULL, "filter_enforced": FULL}
    limit = http_filter("local_ratelimit.v3.LocalRateLimit", **config, descriptors=own, **more)
    found = decide(build, limit, route={**ROUTE, "route": {**ROUTE["route"], **LIMIT_RULES, **action}})
    assert found.policies.rate_limit is not None
    chain = found.policies.rate_limit.chain()
    assert sorted(one.bucket.partition(", (('")[2].partition("'")[0] for one in chain) == asked
