"""The proxy of an experiment in the engine."""

from __future__ import annotations

import pytest

from meshsim.api import Fields
from meshsim.dataplane.engine import Engine
from meshsim.errors import InputError
from meshsim.testing.experiments import endpoint, make_experiment
from meshsim.world.verify.dynamics_proxy import FlowKey, ProxyModel
from meshsim.world.verify.dynamics_replay import play
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


def test_runtime_values_are_refused() -> None:
    def bootstrap(key: str) -> Fields:
        made = make_experiment([{}])
        layers = {"layers": [{"name": "s", "static_layer": {key: 1}}]}
        return Fields({**made.body, "config": {**made.fields("config").body, "bootstrap": {"layered_runtime": layers}}})

    with pytest.raises(InputError, match=r"upstream\.use_retry is not modelled"):
        play(bootstrap("upstream.use_retry"), 1)
    assert play(bootstrap("envoy.reloadable_features.x"), 1).requests[0].status == 200


def test_retries_omit_hosts_by_their_labels() -> None:
    """Measured on 1.40 (retry-omit-stage-ra): a retry goes to the host that has not all of the labels."""
    hosts = [endpoint(n, metadata={"filter_metadata": {"envoy.lb": {"stage": "ab"[n]}}}) for n in range(2)]
    labels = {"metadata_match": {"filter_metadata": {"envoy.lb": {"stage": "b"}}}}
    kind = "type.googleapis.com/envoy.extensions.retry.host.omit_host_metadata.v3.OmitHostMetadataConfig"
    policy = {
        "retry_on": "5xx",
        "host_selection_retry_max_attempts": 20,
        "retry_host_predicate": [{"name": "m", "typed_config": {"@type": kind, **labels}}],
    }
    made = make_experiment(
        [{"sequential": 60, "upstream": [{"status": 503}, {}]}],
        route={"retry_policy": policy},
        cluster={
            "lb_policy": "RANDOM",
            "load_assignment": {"cluster_name": "c", "endpoints": [{"lb_endpoints": hosts}]},
        },
        hosts=2,
    )
    found = play(made, 1).requests
    assert {sent.hosts[0] for sent in found} == {0, 1}
    assert {sent.hosts[1] for sent in found} == {0}
