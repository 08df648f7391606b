"""Experiments made up for tests."""

from __future__ import annotations

from meshsim.testing.experiments import make_experiment


def test_an_experiment_has_the_form_of_a_recorded_one() -> None:
    experiment = make_experiment([{"burst": 2}], hosts=2, scripts={1: {"down": True}}, route={"timeout": "1s"})
    hosts = experiment.fields_map("hosts")
    assert [entry.text("address") for entry in hosts.values()] == ["127.0.0.11:8080", "127.0.0.12:8080"]
    assert hosts["1"].fields("script").flag("down")
    manager = experiment.fields("config").fields("http_connection_manager")
    (virtual_host,) = manager.fields("route_config").items("virtual_hosts")
    (route,) = virtual_host.items("routes")
    assert route.fields("route").body == {"cluster": "c", "timeout": "1s"}
