"""The proxy of an experiment in the engine."""

from __future__ import annotations

import pytest

from meshsim.dataplane.engine import Engine
from meshsim.errors import InputError
from meshsim.testing.experiments import make_experiment
from meshsim.world.verify.dynamics_proxy import FlowKey, ProxyModel
from meshsim.world.verify.dynamics_script import hosts_of


def test_requests_of_one_kind_share_a_flow() -> None:
    experiment = make_experiment([], route={"retry_policy": {"retry_on": "5xx", "num_retries": 4}})
    proxy = ProxyModel(Engine(1, mode="plain"), experiment, hosts_of(experiment))
    first, again, other = (proxy.flow(FlowKey("GET", "test", path, ())) for path in ("/a", "/a", "/b"))
    assert first == again != other
    policy = proxy.retry[first]
    assert policy is not None
    assert (policy.retry_on, policy.retries) == (("5xx",), 4)
    assert list(proxy.clusters) == ["c"]


def test_what_envoy_refuses_is_refused() -> None:
    experiment = make_experiment([], cluster={"connect_timeout": "-1s"})
    with pytest.raises(InputError, match="made-up"):
        ProxyModel(Engine(1, mode="plain"), experiment, {})
