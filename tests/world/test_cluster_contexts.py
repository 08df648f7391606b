"""Contexts of clusters as routes ask for them."""

from __future__ import annotations

from meshsim.api import Fields
from meshsim.testing.experiments import assignment, make_experiment
from meshsim.world.verify.dynamics_recording import played_run
from meshsim.world.verify.dynamics_replay import play


def labelled(*values: str) -> dict[str, object]:
    """An assignment whose hosts have a label `v` each."""
    found = assignment(*range(len(values)))
    for host, value in zip(found["endpoints"][0]["lb_endpoints"], values, strict=True):
        host["metadata"] = {"filter_metadata": {"envoy.lb": {"v": value}}}
    return found


def hosts_of(experiment: Fields) -> set[int]:
    return {host for hosts in played_run(play(experiment, 1)).reached.values() for host in hosts}


def test_a_subset_follows_the_endpoints_of_its_cluster() -> None:
    cluster = {
        "load_assignment": labelled("1", "1", "2"),
        "lb_subset_config": {"subset_selectors": [{"keys": ["v"]}]},
    }
    route = {"metadata_match": {"filter_metadata": {"envoy.lb": {"v": "1"}}}}
    assert hosts_of(make_experiment([{"sequential": 8}], route=route, cluster=cluster, hosts=3)) == {0, 1}
    eds = {
        "type": "EDS",
        "load_assignment": None,
        "eds_cluster_config": {"eds_config": {"path_config_source": {"path": "./c.json"}}},
        "lb_subset_config": cluster["lb_subset_config"],
    }
    steps = [
        {"eds_update": {"file": "c.json", "assignment": labelled("2", "1", "1")}, "at": 50},
        {"at": 100, "sequential": 8},
    ]
    made = make_experiment(steps, route=route, cluster=eds, hosts=3)
    made.body["config"]["eds"] = {"c.json": labelled("1", "1", "2")}  # type: ignore[index]
    assert hosts_of(made) == {1, 2}
