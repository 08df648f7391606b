"""The model's filter chain sieve against the real Envoy on random listeners, over loopback addresses.

MESHSIM_CHAIN_LISTENERS and MESHSIM_CHAIN_CONNECTIONS set the size of a longer run.
"""

from __future__ import annotations

import importlib.util
import os
import random
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from meshsim.dataplane.active import ActiveConfig, load_config
from meshsim.dataplane.decide import Connection, Protocol, Transport, decide_direct
from meshsim.dataplane.decide.rejected import ResourceRejectedError
from meshsim.dataplane.resource_cache import ResourceCache
from meshsim.xds import type_urls
from meshsim.xds.messages import listener_pb2
from meshsim.xds.packing import from_json

LISTENERS = int(os.environ.get("MESHSIM_CHAIN_LISTENERS", "210"))
CONNECTIONS = int(os.environ.get("MESHSIM_CHAIN_CONNECTIONS", "25"))
SEED = int(os.environ.get("MESHSIM_CHAIN_SEED", "1"))
FIRST_PORT = 23001
SAYS = {"tls": Protocol.TCP, "http": Protocol.HTTP11, "http2": Protocol.HTTP2, "bytes": Protocol.TCP}


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def chains() -> ModuleType:
    return _load("envoy_chains")


def config_of(chains: ModuleType, body: dict[str, Any]) -> ActiveConfig:
    packed = from_json(chains.modelled(body), listener_pb2.Listener).SerializeToString()
    config, refused = load_config({type_urls.LISTENER: {body["name"]: packed}})
    assert not refused
    return config


def decided(config: ActiveConfig, port: int, one: Any) -> str:
    connection = Connection(
        source=one.source,
        source_port=one.source_port,
        destination=one.destination,
        destination_port=port,
        transport=Transport.TLS if one.says == "tls" else Transport.PLAINTEXT,
        sni=one.sni,
        alpn=one.alpn,
        protocol=SAYS[one.says],
    )
    return decide_direct(config, connection, None).filter_chain


@pytest.mark.needs_envoy
def test_random_chains(router: ModuleType, chains: ModuleType, tmp_path: Path) -> None:
    rng = random.Random(SEED)
    bodies: list[dict[str, Any]] = []
    while len(bodies) < LISTENERS:
        body = chains.listener(rng, FIRST_PORT + len(bodies))
        try:
            packed = from_json(chains.modelled(body), listener_pb2.Listener).SerializeToString()
            ResourceCache().decode(type_urls.LISTENER, packed)
        except ResourceRejectedError:
            continue
        bodies.append(body)
    wrong: list[str] = []
    asked = 0
    with router.Envoy(tmp_path, [], listeners=[chains.real(b) for b in bodies], port=FIRST_PORT):
        for body in bodies:
            port = body["address"]["socket_address"]["port_value"]
            config = config_of(chains, body)
            attempts = [chains.attempt(rng) for _ in range(CONNECTIONS)]
            for one, seen in zip(attempts, chains.ask(port, attempts)):
                asked += 1
                model = decided(config, port, one)
                if model != seen:
                    wrong.append(f"{one}\n real {seen!r}, model {model!r}\n {body}")
    assert asked == LISTENERS * CONNECTIONS
    assert not wrong, f"{len(wrong)} of {asked} connections differ, the first:\n{wrong[0]}"
