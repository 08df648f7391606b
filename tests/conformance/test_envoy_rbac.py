"""The model's HTTP access rules against the real Envoy on random policies (allow, deny, log; nested rules).

MESHSIM_RBAC_TABLES and MESHSIM_RBAC_REQUESTS set the size of a longer run.
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from meshsim.dataplane.active import ActiveConfig, load_config
from meshsim.dataplane.decide import Connection, Request, decide_direct
from meshsim.xds import type_urls
from meshsim.xds.messages import listener_pb2
from meshsim.xds.packing import from_json

TABLES = int(os.environ.get("MESHSIM_RBAC_TABLES", "400"))
REQUESTS = int(os.environ.get("MESHSIM_RBAC_REQUESTS", "52"))
SEED = int(os.environ.get("MESHSIM_RBAC_SEED", "1"))
FIRST_PORT = 25001
RBAC = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC"
TEMPLATE = "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig"


def cidr(rng: random.Random) -> dict[str, Any]:
    prefix, length = rng.choice(
        (("127.0.0.1", 32), ("127.0.0.0", 8), ("203.0.113.0", 24), ("0.0.0.0", 0), ("::1", 128))
    )
    return {"address_prefix": prefix, "prefix_len": length}


def permission(router: ModuleType, rng: random.Random, depth: int = 0) -> dict[str, Any]:
    kinds = ["any", "header", "url_path", "url_path", "destination_ip", "destination_port", "range", "sni", "template"]
    kind = rng.choice(kinds + (["and_rules", "or_rules", "not_rule"] if depth < 2 else []))
    if kind in ("and_rules", "or_rules"):
        return {kind: {"rules": [permission(router, rng, depth + 1) for _ in range(rng.randint(1, 3))]}}
    if kind == "not_rule":
        return {kind: permission(router, rng, depth + 1)}
    if kind == "header":
        return {kind: router.header_match(rng)}
    if kind == "url_path":
        return {
            kind: {"path": {rng.choice(("exact", "prefix", "suffix")): rng.choice(("/api", "/api/v1", "/a", "x", "/"))}}
        }
    if kind == "destination_ip":
        return {kind: cidr(rng)}
    if kind == "destination_port":
        return {kind: rng.choice((FIRST_PORT, FIRST_PORT + 1, 80))}
    if kind == "range":
        return {"destination_port_range": {"start": FIRST_PORT, "end": FIRST_PORT + rng.randint(1, TABLES)}}
    if kind == "sni":
        return {"requested_server_name": {"exact": ""}}
    if kind == "template":
        config = {"@type": TEMPLATE, "path_template": rng.choice(router.TEMPLATES)}
        return {"uri_template": {"name": "t", "typed_config": config}}
    return {"any": True}


def principal(router: ModuleType, rng: random.Random, depth: int = 0) -> dict[str, Any]:
    kinds = ["any", "authenticated", "direct_remote_ip", "remote_ip", "header", "url_path", "metadata"]
    kind = rng.choice(kinds + (["and_ids", "or_ids", "not_id"] if depth < 2 else []))
    if kind in ("and_ids", "or_ids"):
        return {kind: {"ids": [principal(router, rng, depth + 1) for _ in range(rng.randint(1, 3))]}}
    if kind == "not_id":
        return {kind: principal(router, rng, depth + 1)}
    if kind in ("direct_remote_ip", "remote_ip"):
        return {kind: cidr(rng)}
    if kind == "header":
        return {kind: router.header_match(rng)}
    if kind == "url_path":
        return {kind: {"path": {"prefix": rng.choice(("/api", "/a", "/"))}}}
    if kind == "metadata":
        return {kind: {"filter": "none", "path": [{"key": "k"}], "value": {"present_match": True}}}
    return {kind: True} if kind == "any" else {kind: {}}


def filters(router: ModuleType, rng: random.Random) -> list[dict[str, Any]]:
    found = []
    for number in range(rng.randint(1, 2)):
        policies = {
            f"{rng.choice('zab')}{i}": {
                "permissions": [permission(router, rng) for _ in range(rng.randint(1, 2))],
                "principals": [principal(router, rng) for _ in range(rng.randint(1, 2))],
            }
            for i in range(rng.randint(0, 3))
        }
        action = rng.choice(("ALLOW", "ALLOW", "DENY", "LOG"))
        config = {"@type": RBAC, "rules": {"action": action, "policies": policies}}
        found.append({"name": f"rbac{number}", "typed_config": config})
    return found


def table(router: ModuleType, rng: random.Random, port: int) -> Any:
    """A listener whose only route answers 200 behind random rules."""
    route = {"match": {"prefix": ""}, "direct_response": {"status": 200}}
    manager = {
        "@type": router.HCM,
        "stat_prefix": f"t{port}",
        "normalize_path": True,
        "use_remote_address": rng.random() < 0.3,
        "route_config": {"name": "r", "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [route]}]},
        "http_filters": [
            *filters(router, rng),
            {"name": "envoy.filters.http.router", "typed_config": {"@type": router.ROUTER}},
        ],
    }
    return router.Table(port, manager)


def decided(config: ActiveConfig, port: int, sent: Any) -> int:
    headers = [(name.lower(), value) for name, value in sent.headers]
    if sent.method == "POST":
        headers.append(("content-length", "0"))
    request = Request(method=sent.method, authority=sent.host, path=sent.path, headers=tuple(headers))
    return decide_direct(
        config, Connection(source="127.0.0.1", destination="127.0.0.1", destination_port=port), request
    ).status


@pytest.mark.needs_envoy
def test_random_policies(router: ModuleType, tmp_path: Path) -> None:
    rng = random.Random(SEED)
    tables = [table(router, rng, FIRST_PORT + i) for i in range(TABLES)]
    wrong: list[str] = []
    seen_statuses: dict[int, int] = {}
    with router.Envoy(tmp_path, tables):
        for one in tables:
            packed = from_json(router.listener(one), listener_pb2.Listener).SerializeToString()
            config, refused = load_config({type_urls.LISTENER: {"l": packed}})
            assert not refused
            requests = [router.request(rng) for _ in range(REQUESTS)]
            requests = [
                r._replace(headers=(*r.headers, ("x-forwarded-for", "203.0.113.9"))) if rng.random() < 0.3 else r
                for r in requests
            ]
            for sent, seen in zip(requests, router.ask(one.port, requests)):
                model = decided(config, one.port, sent)
                seen_statuses[seen.status] = seen_statuses.get(seen.status, 0) + 1
                if model != seen.status:
                    wrong.append(f"{sent}\n real {seen.status}, model {model}\n {one.manager['http_filters']}")
    assert seen_statuses[200] > 100
    assert seen_statuses[403] > 100
    assert not wrong, f"{len(wrong)} of {TABLES * REQUESTS} decisions differ, the first:\n{wrong[0]}"
