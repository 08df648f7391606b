"""Redirects that a real Envoy follows by itself, and what the model follows."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from meshsim.dataplane.active import ActiveConfig, load_config
from meshsim.dataplane.decide import Connection, Disposition, Request, decide_direct
from meshsim.dataplane.decide.redirects import follow_redirect
from meshsim.xds import type_urls
from meshsim.xds.messages import cluster_pb2, listener_pb2
from meshsim.xds.packing import from_json

FRONT, BACK = 25801, 25802
POLICIES: list[dict[str, Any]] = [
    {},
    {"max_internal_redirects": 2},
    {"redirect_response_codes": [301, 303, 304, 307]},
    {"allow_cross_scheme_redirect": True},
]
LOCATIONS = (
    "http://other.example/up/x?q=1",
    "http://other.example:8080/up#part",
    "http://o/again0",
    "http://o/direct",
    "http://o/none",
    "http://o",
    "https://o/up",
    "/up",
    "",
)
STATUSES = (301, 302, 303, 304, 307)


def manager(router: ModuleType, routes: list[dict[str, Any]], **table: Any) -> dict[str, Any]:
    hosts = [{"name": "v", "domains": ["*"], "routes": routes}]
    return {
        "@type": router.HCM,
        "stat_prefix": "x",
        "route_config": {"name": "r", "virtual_hosts": hosts, **table},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": router.ROUTER}}],
    }


def front(router: ModuleType) -> dict[str, Any]:
    routes: list[dict[str, Any]] = []
    for number, policy in enumerate(POLICIES):
        for path in (f"/start{number}", f"/again{number}"):
            action = {"cluster": "echo", "internal_redirect_policy": policy}
            routes.append({"match": {"prefix": path}, "route": action})
    routes.append({"match": {"prefix": "/up"}, "route": {"cluster": "echo"}})
    routes.append({"match": {"prefix": "/direct"}, "direct_response": {"status": 299}})
    return router.listener(router.Table(FRONT, manager(router, routes)))  # type: ignore[no-any-return]


def back(router: ModuleType) -> dict[str, Any]:
    """An upstream that answers with the redirect its header asks for, and says what reached it."""
    seen = {"header": {"key": "x-path", "value": "%REQ(:METHOD)% %REQ(:AUTHORITY)% %REQ(:PATH)%"}}
    location = {"header": {"key": "location", "value": "%REQ(x-to)%"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    routes: list[dict[str, Any]] = []
    for status in STATUSES:
        match = {"safe_regex": {"regex": "/(start|again).*"}}
        asked = [{"name": "x-status", "string_match": {"exact": str(status)}}]
        answer = {"direct_response": {"status": status}, "response_headers_to_add": [location]}
        routes.append({"match": {**match, "headers": asked}, **answer})
    routes.append({"match": {"prefix": ""}, "direct_response": {"status": 200}})
    table = manager(router, routes, response_headers_to_add=[seen])
    return router.listener(router.Table(BACK, table))  # type: ignore[no-any-return]


def model(config: ActiveConfig, sent: Any) -> tuple[int, str]:
    """Status, and what reached the upstream last, following redirects as the proxy does."""
    headers = [*sent.headers, *([("content-length", "0")] if sent.method == "POST" else [])]
    connection = Connection(source="127.0.0.1", destination="127.0.0.1", destination_port=FRONT)
    request = Request(method=sent.method, authority=sent.host, path=sent.path, headers=tuple(headers))
    decision = decide_direct(config, connection, request)
    answers = dict(sent.headers)
    followed: list[tuple[str, str]] = []
    while len(followed) < 9:
        reached = f"{decision.method} {decision.authority} {decision.path}"
        if decision.disposition is not Disposition.FORWARDED:
            return decision.status, ""
        if not decision.path.startswith(("/start", "/again")):
            return 200, reached
        status = int(answers["x-status"])
        # An Envoy whose direct response has no location names the request itself.
        location = answers["x-to"] or f"http://{decision.authority}{decision.path}"
        found = follow_redirect(decide_direct, config, connection, decision, status, location, followed=followed)
        if found is None:
            return status, reached
        followed.append((decision.route, found.route))
        decision = found
    raise AssertionError("redirects without end")


@pytest.mark.needs_envoy
def test_redirects(router: ModuleType, tmp_path: Path) -> None:
    listeners = [front(router), back(router)]
    cluster = router.cluster(BACK)
    path = tmp_path / "bootstrap.json"
    path.write_text(json.dumps({"static_resources": {"listeners": listeners, "clusters": [cluster]}}))
    packed = {
        type_urls.LISTENER: {"l": from_json(listeners[0], listener_pb2.Listener).SerializeToString()},
        type_urls.CLUSTER: {"echo": from_json(cluster, cluster_pb2.Cluster).SerializeToString()},
    }
    config, refused = load_config(packed)
    assert not refused
    requests = [
        router.Sent(method, f"/start{number}", "h.example", (("x-status", str(status)), ("x-to", location)))
        for number in range(len(POLICIES))
        for status in STATUSES
        for location in LOCATIONS
        for method in ("GET", "POST")
    ]
    arguments = ["-c", str(path), "--concurrency", "1", "--use-dynamic-base-id", "--log-level", "critical"]
    process = subprocess.Popen([str(router.envoy_binary()), *arguments])
    try:
        _wait(process)
        wrong = []
        for sent, seen in zip(requests, router.ask(FRONT, requests)):
            real = (seen.status, seen.path)
            if real != model(config, sent):
                wrong.append(f"{sent}: real {real}, model {model(config, sent)}")
    finally:
        process.terminate()
        process.wait(10)
    assert not wrong, f"{len(wrong)} of {len(requests)} differ, the first:\n{wrong[0]}"


def _wait(process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", FRONT), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("Envoy did not start")
