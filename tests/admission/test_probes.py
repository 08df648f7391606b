"""Probe rewriting: what the kubelet asks the agent, and what the agent asks the application."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from meshsim.admission.probes import add_probers, dump_probers, rewrite_container, should_rewrite, status_port
from meshsim.api import Fields

CONTAINER = {
    "name": "app",
    "ports": [{"name": "http", "containerPort": 8080}],
    "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 3},
    "livenessProbe": {"grpc": {"port": 9000}, "timeoutSeconds": 4},
    "startupProbe": {"exec": {"command": ["true"]}},
    "lifecycle": {"preStop": {"httpGet": {"path": "/bye", "port": 8080}}},
}


def test_probes_of_all_kinds() -> None:
    assert dump_probers(Fields({"containers": [CONTAINER]}), 15020) == {
        "/app-health/app/livez": {"grpc": {"port": 9000, "service": None}, "timeoutSeconds": 4},
        "/app-health/app/readyz": {"httpGet": {"path": "/ready", "port": 8080}},
        "/app-lifecycle/app/prestopz": {"httpGet": {"path": "/bye", "port": 8080}},
    }
    rewritten = rewrite_container(CONTAINER, 15020)
    assert rewritten["readinessProbe"] == {
        "periodSeconds": 3,
        "httpGet": {"path": "/app-health/app/readyz", "port": 15020},
    }
    assert rewritten["livenessProbe"] == {
        "timeoutSeconds": 4,
        "httpGet": {"path": "/app-health/app/livez", "port": 15020},
    }
    assert rewritten["startupProbe"] == CONTAINER["startupProbe"]


def test_a_port_name_that_the_container_lacks_gets_no_prober() -> None:
    container = {"name": "app", "readinessProbe": {"httpGet": {"port": "nope"}}}
    assert dump_probers(Fields({"containers": [container]}), 15020) == {}


def test_https_goes_to_the_agent_as_http() -> None:
    container = {"name": "a", "livenessProbe": {"httpGet": {"port": 8443, "scheme": "HTTPS", "path": "/"}}}
    probe: Any = rewrite_container(container, 15020)["livenessProbe"]
    assert probe["httpGet"]["scheme"] == "HTTP"


def test_a_second_injection_keeps_older_probers() -> None:
    env = add_probers([], {"/a": {"x": 1}}, False)
    assert add_probers(env, {"/a": {"x": 2}, "/b": {}}, True)[0]["value"] == '{"/a":{"x":1},"/b":{}}'


def test_the_status_port_annotation_wins() -> None:
    assert status_port({"status.sidecar.istio.io/port": "0"}, 15020) == 0
    assert status_port({}, 15026) == 15026


@pytest.mark.needs_shared
def test_recorded_switch(recording: Callable[[str], Any]) -> None:
    for annotation, default, wanted in recording("functions.json")["probe_rewrite_annotation_and_default"]:
        given = {} if annotation == "<absent>" else {"sidecar.istio.io/rewriteAppHTTPProbers": annotation}
        assert should_rewrite(given, default) is wanted
