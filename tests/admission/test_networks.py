"""Lists of excluded ports and of CNI networks: recorded results of the template functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from meshsim.admission.networks import append_network, exclude_inbound_ports


def test_the_status_port_is_added_once() -> None:
    assert exclude_inbound_ports("15020", "80, 443") == "80,443,15020"
    assert exclude_inbound_ports("15020", "15020,80") == "15020,80"
    assert exclude_inbound_ports("0", " 80 ") == " 80 "


def test_networks_as_names_and_as_json() -> None:
    assert append_network("a", "default/istio-cni") == "a, default/istio-cni"
    assert append_network('[{"name": "a"}]', "x") == '[{"name": "a"}, {"name": "x"}]'


@pytest.mark.needs_shared
def test_recorded_functions(recording: Callable[[str], Any]) -> None:
    recorded = recording("functions.json")
    for port, ports, wanted in recorded["status_port_and_excluded_ports_to_list"]:
        assert exclude_inbound_ports(str(port), ports) == wanted, (port, ports)
    for networks, added, wanted in recorded["networks_annotation_append"]:
        assert append_network(networks, added) == wanted, (networks, added)
