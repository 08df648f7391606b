"""Known differences from a real Envoy: each still shows, on both sides as the list says; one that healed must go."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from meshsim.dataplane.active import load_config
from meshsim.dataplane.decide import Connection, Request, decide_direct
from meshsim.xds import type_urls
from meshsim.xds.messages import listener_pb2
from meshsim.xds.packing import from_json

LIST = Path(__file__).with_name("deviations.yaml")
FIRST_PORT = 25951
ANYTHING = [{"match": {"prefix": "/"}, "direct_response": {"status": 200}}]


def deviations() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(LIST.read_text(encoding="utf-8"))["deviations"]
    return found


def table(router: ModuleType, one: dict[str, Any], port: int) -> Any:
    hosts = [{"name": "v", "domains": ["*"], "routes": one.get("routes", ANYTHING)}]
    manager = {
        "@type": router.HCM,
        "stat_prefix": "x",
        "route_config": {"name": "r", "virtual_hosts": hosts},
        "http_filters": [
            *one.get("filters", ()),
            {"name": "envoy.filters.http.router", "typed_config": {"@type": router.ROUTER}},
        ],
        **one.get("manager", {}),
    }
    return router.Table(port, manager)


def decided(router: ModuleType, one: Any, asked: dict[str, Any]) -> tuple[int, list[str]]:
    """Status, and what the model says it leaves out."""
    packed = from_json(router.listener(one), listener_pb2.Listener).SerializeToString()
    config, refused = load_config({type_urls.LISTENER: {"l": packed}})
    assert not refused
    connection = Connection(source="127.0.0.1", destination="127.0.0.1", destination_port=one.port)
    headers = tuple(asked.get("headers", {}).items())
    decision = decide_direct(config, connection, Request(authority="h", path=asked["path"], headers=headers))
    return decision.status, [*(u.what for u in config.unmodelled()), *decision.unmodelled]


@pytest.mark.needs_envoy
def test_every_deviation_still_shows(router: ModuleType, tmp_path: Path) -> None:
    listed = deviations()
    tables = [table(router, one, FIRST_PORT + i) for i, one in enumerate(listed)]
    healed, wrong = [], []
    with router.Envoy(tmp_path, tables):
        for one, made in zip(listed, tables, strict=True):
            asked = one["request"]
            sent = router.Sent("GET", asked["path"], "h", tuple(asked.get("headers", {}).items()))
            (seen,) = router.ask(made.port, [sent])
            model, noted = decided(router, made, asked)
            if model == seen.status:
                healed.append(one["name"])
            if (seen.status, model) != (one["envoy"], one["model"]) or not noted:
                wrong.append(f"{one['name']}: real {seen.status}, model {model}, noted {noted}")
    assert not healed, f"these show no more and must go from {LIST.name}: {healed}"
    assert not wrong


def test_every_deviation_has_a_reason() -> None:
    names = [one["name"] for one in deviations()]
    assert len(set(names)) == len(names)
    assert all(one["reason"].strip() and one["envoy"] != one["model"] for one in deviations())
