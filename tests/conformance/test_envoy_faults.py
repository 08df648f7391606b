"""Faults fixed by the filter or asked for by request headers, on a real Envoy and in the model."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from meshsim.dataplane.active import load_config
from meshsim.dataplane.decide import Connection, Fixed, Request, decide_direct
from meshsim.xds import type_urls
from meshsim.xds.messages import listener_pb2
from meshsim.xds.packing import from_json

FIRST_PORT = 25901
FAULT = "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault"
ALL, NONE = {"numerator": 100}, {"numerator": 0}
FAULTS: list[dict[str, Any]] = [
    {"abort": {"http_status": 418, "percentage": ALL}},
    {"abort": {"grpc_status": 5, "percentage": ALL}},
    {"abort": {"grpc_status": 14, "percentage": ALL}},
    {"abort": {"header_abort": {}, "percentage": ALL}},
    {"abort": {"header_abort": {}, "percentage": NONE}},
    {"delay": {"header_delay": {}, "percentage": ALL}},
    {"delay": {"header_delay": {}, "percentage": {"numerator": 1_000_000, "denominator": "MILLION"}}},
    {"delay": {"fixed_delay": "0.001s", "percentage": ALL}, "abort": {"header_abort": {}, "percentage": ALL}},
    {"delay": {"header_delay": {}, "percentage": ALL}, "abort": {"header_abort": {}, "percentage": ALL}},
]
NUMBERS = ("", "0", "2", "199", "200", "503", "599", "600", "+5", "-1", "5x", "1.5", "18446744073709551616")
SHARES = ("0", "100", "200", "-1", "x", "4294967295", "4294967296")
ABORT, GRPC, DELAY = (f"x-envoy-fault-{n}-request" for n in ("abort", "abort-grpc", "delay"))


def table(router: ModuleType, fault: dict[str, Any], port: int) -> Any:
    flags = {"header": {"key": "x-path", "value": "%RESPONSE_FLAGS%"}}
    routes = [
        {"match": {"prefix": "/"}, "direct_response": {"status": 299}, "response_headers_to_add": [flags]},
    ]
    manager = {
        "@type": router.HCM,
        "stat_prefix": "x",
        "route_config": {"name": "r", "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": routes}]},
        "http_filters": [
            {"name": "fault", "typed_config": {"@type": FAULT, **fault}},
            {"name": "envoy.filters.http.router", "typed_config": {"@type": router.ROUTER}},
        ],
    }
    return router.Table(port, manager)


def asked() -> list[tuple[tuple[str, str], ...]]:
    found: list[tuple[tuple[str, str], ...]] = [()]
    for number in NUMBERS:
        found += [
            ((ABORT, number),),
            ((GRPC, number),),
            ((ABORT, number), (GRPC, "7")),
            ((ABORT, "404"), (GRPC, number)),
        ]
        if len(number) < 4:
            found += [((DELAY, number),), ((DELAY, number), (ABORT, "503")), ((DELAY, number), (DELAY, "1"))]
    for share in SHARES:
        found += [((name, "2" if name == DELAY else "418"), (f"{name}-percentage", share)) for name in (ABORT, DELAY)]
        found.append(((GRPC, "3"), (f"{ABORT}-percentage", share)))
    found += [((ABORT, "404"), (ABORT, "418")), ((ABORT, "x"), (ABORT, "418"))]
    return found


@pytest.mark.needs_envoy
def test_faults(router: ModuleType, tmp_path: Path) -> None:
    tables = [table(router, fault, FIRST_PORT + i) for i, fault in enumerate(FAULTS)]
    sent = [router.Sent("GET", "/", "h.example", headers) for headers in asked()]
    wrong, seen_statuses, delayed = [], set(), 0
    with router.Envoy(tmp_path, tables):
        for fault, one in zip(FAULTS, tables, strict=True):
            packed = from_json(router.listener(one), listener_pb2.Listener).SerializeToString()
            config, refused = load_config({type_urls.LISTENER: {"l": packed}})
            assert not refused
            connection = Connection(source="127.0.0.1", destination="127.0.0.1", destination_port=one.port)
            for request, seen in zip(sent, router.ask(one.port, sent), strict=True):
                asking = Request(authority="h.example", path="/", headers=request.headers)
                decision = decide_direct(config, connection, asking, chance=Fixed(999_999))
                model = (decision.status, bool(decision.delay)) if decision.status == 299 else (decision.status, None)
                real = (seen.status, "DI" in seen.path) if seen.status == 299 else (seen.status, None)
                seen_statuses.add(seen.status)
                delayed += real[1] is True
                if model != real:
                    wrong.append(f"{fault} {request.headers}: real {real}, model {model}")
    assert not wrong, f"{len(wrong)} of {len(sent) * len(FAULTS)}: " + "; ".join(wrong[:12])
    assert {299, 418, 503, 404} <= seen_statuses
    assert delayed
