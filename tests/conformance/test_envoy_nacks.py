"""The model refuses what a real Envoy refuses, with the same reason, over ADS.

MESHSIM_TWISTED and MESHSIM_TWISTED_SEED set the size of a longer run of random resources.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf import any_pb2
from google.protobuf.message import Message

from meshsim.errors import InternalError
from meshsim.testing.ads_resources import (
    assignment,
    name_of,
    rds_listener,
    route_table,
    static_cluster,
    type_of,
)
from meshsim.testing.ads_scripts import SimulatedProxy
from meshsim.testing.config_oracle import EDS, TABLE, EnvoyOracle, ModelOracle, Verdict, base_resources, reason_class
from meshsim.testing.refusals import Case, cases
from meshsim.testing.refused_parts import part_cases
from meshsim.testing.refused_policies import policy_cases
from meshsim.testing.twisted import Twisted, TwistedResources
from meshsim.xds import type_urls
from meshsim.xds.messages import discovery_pb2
from meshsim.xds.packing import pack
from meshsim.xds.snapshot_server import Response, SnapshotServer

PORT = 24061
CASES = [*cases(PORT + 1, PORT), *part_cases(PORT + 1), *policy_cases()]
TWISTED = int(os.environ.get("MESHSIM_TWISTED", "600"))
SEED = int(os.environ.get("MESHSIM_TWISTED_SEED", "1"))

pytestmark = pytest.mark.needs_envoy


@pytest.fixture(name="config_oracle", scope="module")
def _config_oracle() -> Iterator[EnvoyOracle]:
    """A real Envoy that says of a resource whether it takes it; one process for the module."""
    with tempfile.TemporaryDirectory(prefix="ads") as folder, EnvoyOracle(Path(folder), PORT) as oracle:
        yield oracle


@pytest.fixture(name="model", scope="module")
def _model() -> ModelOracle:
    return ModelOracle(PORT)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_model_refuses_what_envoy_refuses(config_oracle: EnvoyOracle, model: ModelOracle, case: Case) -> None:
    real = config_oracle.judge(case.resources, case.type_url)
    ours = model.judge(case.resources, case.type_url)
    assert real.accepted is case.accepted, f"Envoy says {real.reason!r}"
    assert ours.accepted is case.accepted, f"the model says {ours.reason!r}, Envoy {real.reason!r}"
    assert reason_class(ours.reason) == reason_class(real.reason)


def twisted(count: int, lost: list[Twisted]) -> Iterator[tuple[Twisted, Verdict]]:
    """Resources with Envoy's verdict; those after which a process says nothing any more are `lost` with it."""
    drawn = TwistedResources(SEED, PORT)
    while count:
        with tempfile.TemporaryDirectory(prefix="ads") as folder, EnvoyOracle(Path(folder), PORT) as oracle:
            for left in range(count, 0, -1):
                one, count = drawn.next(), left - 1
                try:
                    verdict = oracle.judge({one.name: one.body}, one.type_url)
                except InternalError:
                    lost.append(one)
                    break
                yield one, verdict


@pytest.mark.usefixtures("config_oracle")
def test_twisted_resources_are_taken_and_refused_alike(model: ModelOracle) -> None:
    """In more than 99 % of them; the rest needs files, free ports or socket options, or is a name of nobody."""
    lost: list[Twisted] = []
    wrong: list[str] = []
    taken = 0
    for one, real in twisted(TWISTED, lost):
        ours = model.judge({one.name: one.body}, one.type_url)
        taken += real.accepted
        if ours.accepted is not real.accepted:
            wrong.append(f"{type_urls.SHORT[one.type_url]}: Envoy {real.reason[-300:]!r}, the model {ours.reason!r}")
    assert TWISTED // 4 < taken < TWISTED * 3 // 4
    assert len(lost) * 500 <= TWISTED
    assert len(wrong) * 100 <= TWISTED, "\n".join(wrong)


C, E, L, R = type_urls.CLUSTER, type_urls.ENDPOINT, type_urls.LISTENER, type_urls.ROUTE
RAW: dict[str, tuple[str, tuple[tuple[str, Message], ...], tuple[str, ...]]] = {
    # name: type, resources by the name they are sent under, removed names
    "a cluster twice": (C, (("x", static_cluster("x")), ("x", static_cluster("x"))), ()),
    "two clusters of one name": (C, (("x", static_cluster("x")), ("x", static_cluster("x", 3))), ()),
    "a listener twice": (L, (("z", rds_listener("z", PORT + 2, TABLE)),) * 2, ()),
    "a table twice": (R, ((TABLE, route_table(TABLE)), (TABLE, route_table(TABLE, "b"))), ()),
    "endpoints twice": (E, ((EDS, assignment(EDS)), (EDS, assignment(EDS, 5))), ()),
    "a cluster under another name": (C, (("other", static_cluster("q")),), ()),
    "a table under another name": (R, ((TABLE, route_table("other")),), ()),
    "endpoints under another name": (E, ((EDS, assignment("other")),), ()),
    "a table that is none, of nobody": (R, (("nobody", assignment("nobody")),), ()),
    "a table that is none": (R, ((TABLE, assignment(TABLE)),), ()),
    "added and removed": (C, (("q", static_cluster("q")),), ("q",)),
    "removed twice": (C, (), ("q", "q")),
    "a cluster without a name": (C, (("", static_cluster("")),), ()),
}
"""Responses as no honest server writes them."""


def raw_response(name: str, delta: bool) -> Response:
    type_url, resources, removed = RAW[name]
    packed = [any_pb2.Any(type_url=type_url, value=message.SerializeToString()) for _, message in resources]
    if not delta:
        base = [pack(m) for m in base_resources(PORT) if type_of(m) == type_url and type_url in type_urls.WILDCARD]
        return discovery_pb2.DiscoveryResponse(
            type_url=type_url, nonce=name, version_info=name, resources=[*base, *packed]
        )
    return discovery_pb2.DeltaDiscoveryResponse(
        type_url=type_url,
        nonce=name,
        resources=[discovery_pb2.Resource(name=n, resource=p) for (n, _), p in zip(resources, packed, strict=True)],
        removed_resources=removed,
    )


@pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])
def test_responses_that_break_the_protocol(delta: bool) -> None:
    """Both protocols; a response in the middle of others, which leaves the stream as good as before."""
    server = SnapshotServer()
    for message in base_resources(PORT):
        server.put(type_of(message), name_of(message), message.SerializeToString())
    model = SimulatedProxy(server, delta=delta)
    model.connect()
    with tempfile.TemporaryDirectory(prefix="ads") as folder, EnvoyOracle(Path(folder), PORT, delta=delta) as oracle:
        for name, (_, _, removed) in RAW.items():
            if removed and not delta:
                continue
            response = raw_response(name, delta)
            real = oracle.answer(response)
            answers = [r for r in model.take(response) if r.response_nonce == name]
            assert answers, name
            reason = answers[-1].error_detail.message
            assert (name, reason_class(reason)) == (name, reason_class(real.reason))
            assert bool(reason) is not real.accepted


def test_a_refused_resource_leaves_the_one_before_it(config_oracle: EnvoyOracle) -> None:
    """Trials do not disturb each other: the same case twice, with a good one between."""
    by_name = {case.name: case for case in CASES}
    for name in ("no domains", "a domain with two stars", "no domains"):
        case = by_name[name]
        assert config_oracle.judge(case.resources, case.type_url).accepted is case.accepted
