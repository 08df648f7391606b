"""Random load balancing policies on a real Envoy and in the event core: every kind, alone and over subsets.

MESHSIM_POLICY_EXPERIMENTS sets the size of a longer run.
"""

from __future__ import annotations

import os
import random
import tempfile
from pathlib import Path
from typing import Any

import pytest

from meshsim.api import Fields
from meshsim.testing.envoy_experiments import measured_again, recorded_experiment
from meshsim.testing.experiments import endpoint, make_experiment
from meshsim.testing.refused_policies import CLIENT_SIDE, ROUND_ROBIN, policies, policy
from meshsim.world.verify.dynamics import compare_experiment

EXPERIMENTS = int(os.environ.get("MESHSIM_POLICY_EXPERIMENTS", "3"))
PORT = 25961
HASH = {"hash_policy": [{"header": {"header_name": "x-h"}}]}

pytestmark = pytest.mark.needs_envoy


def simple(chance: random.Random) -> dict[str, Any]:
    """A policy that picks among hosts, with what it can be told about localities."""
    more: dict[str, Any] = {}
    if chance.random() < 0.4:
        more["locality_lb_config"] = {"locality_weighted_lb_config": {}}
    kind = chance.choice((ROUND_ROBIN, "least_request.v3.LeastRequest", "random.v3.Random", "hashed", "reports"))
    if kind == "hashed":
        return policy(chance.choice(("ring_hash.v3.RingHash", "maglev.v3.Maglev")))
    if kind == "reports":
        own = policy(CLIENT_SIDE)
        over = policy("wrr_locality.v3.WrrLocality", endpoint_picking_policy=policies(own))
        return chance.choice((own, over))
    if kind.startswith("least"):
        more |= chance.choice(({}, {"choice_count": 4}, {"selection_method": "FULL_SCAN"}))
    return policy(kind, **more)


def policy_experiment(number: int) -> Fields:
    chance = random.Random(number)
    hosts = chance.randint(2, 6)
    localities: dict[str, list[dict[str, Any]]] = {}
    for host in range(hosts):
        labels = {"v": chance.choice("12"), "z": chance.choice("ab")}
        one = endpoint(host, metadata={"filter_metadata": {"envoy.lb": labels}})
        if chance.random() < 0.5:
            one["load_balancing_weight"] = chance.choice((1, 2, 3))
        localities.setdefault(chance.choice("xy"), []).append(one)
    groups = [
        {"locality": {"zone": zone}, "load_balancing_weight": chance.choice((1, 2, 3)), "lb_endpoints": entries}
        for zone, entries in sorted(localities.items())
    ]
    chosen = simple(chance)
    if chance.random() < 0.4:
        selectors = [{"keys": ["v"], "fallback_policy": chance.choice(("NOT_DEFINED", "ANY_ENDPOINT"))}]
        fallback = chance.choice(("NO_FALLBACK", "ANY_ENDPOINT", "DEFAULT_SUBSET"))
        chosen = policy(
            "subset.v3.Subset",
            subset_selectors=chance.choice((selectors, selectors, [])),
            fallback_policy=fallback,
            default_subset={"z": "a"},
            locality_weight_aware=chance.random() < 0.3,
            subset_lb_policy=policies(chosen),
        )
    cluster = {
        "load_balancing_policy": policies(chosen),
        "load_assignment": {"cluster_name": "c", "endpoints": groups},
    }
    made = make_experiment([], cluster=cluster, hosts=hosts)
    manager = made.body["config"]["http_connection_manager"]  # type: ignore[index]
    (host_,) = manager["route_config"]["virtual_hosts"]
    match = {"filter_metadata": {"envoy.lb": {"v": chance.choice("123")}}}
    host_["routes"] = [
        {"match": {"prefix": "/s"}, "route": {"cluster": "c", "metadata_match": match, **HASH}},
        {"match": {"prefix": "/"}, "route": {"cluster": "c", **HASH}},
    ]
    requests = [
        {"path": chance.choice(("/s", "/")), "headers": {"x-h": str(chance.randrange(12))} if key else {}}
        for key in (chance.random() < 0.8 for _ in range(200))
    ]
    return Fields({**made.body, "client": [{"matrix": requests}]})


@pytest.mark.parametrize("number", range(EXPERIMENTS))
@measured_again
def test_a_random_policy(number: int) -> None:
    with tempfile.TemporaryDirectory(prefix="po", dir="/tmp") as folder:
        found = recorded_experiment(policy_experiment(number), Path(folder), PORT, 2)
    assert list(compare_experiment(found)) == []
