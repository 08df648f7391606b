"""Capture options of pods: istio-init's own arguments, and the CNI plugin's reading of annotations."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from meshsim.api import ApiObject, make_object
from meshsim.errors import InputError
from meshsim.netfilter.capture import build_rules
from meshsim.netfilter.options import CaptureOptions
from meshsim.netfilter.pods import capture_by_plugin, capture_of_pod

_REDIRECT = {
    "dnsRedirect": "redirect_dns",
    "dualStack": "dual_stack",
    "excludeIPCidrs": "outbound_ranges_exclude",
    "excludeInboundPorts": "inbound_ports_exclude",
    "excludeInterfaces": "exclude_interfaces",
    "excludeOutboundPorts": "outbound_ports_exclude",
    "includeIPCidrs": "outbound_ranges_include",
    "includeInboundPorts": "inbound_ports_include",
    "includeOutboundPorts": "outbound_ports_include",
    "invalidDrop": "drop_invalid",
    "noRedirectGID": "proxy_gid",
    "noRedirectUID": "proxy_uid",
    "redirectMode": "inbound_interception_mode",
    "rerouteVirtualInterfaces": "kube_virt_interfaces",
    "targetPort": "proxy_port",
}


def _pod(
    *init: dict[str, Any], annotations: dict[str, str] | None = None, ips: Sequence[str] = ("10.244.1.7/24",)
) -> ApiObject:
    proxy = {"name": "istio-proxy", "args": ["proxy", "sidecar"]}
    return make_object(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "p", "namespace": "shop", "annotations": annotations or {}},
            "spec": {"initContainers": list(init), "containers": [{"name": "app"}, proxy]},
            "status": {"podIPs": [{"ip": ip.partition("/")[0]} for ip in ips]},
        }
    )


def test_a_pod_without_rules_is_not_captured() -> None:
    assert capture_of_pod(_pod()) is None


def test_istio_init_says_it_itself() -> None:
    init = {
        "name": "istio-init",
        "args": ["istio-iptables", "-b", "8080", "-i", "*"],
        "env": [{"name": "ISTIO_META_DNS_CAPTURE", "value": "true"}],
    }
    options = capture_of_pod(_pod(init), ["10.96.0.10"])
    assert options is not None
    assert (options.inbound_ports_include, options.dns_servers_v4) == ("8080", ("10.96.0.10",))
    assert options.host_address == "10.244.1.7"


def test_a_pod_with_istio_validation_was_served_by_the_plugin() -> None:
    annotations = {"sidecar.istio.io/status": "{}", "traffic.sidecar.istio.io/excludeInboundPorts": "7777"}
    options = capture_of_pod(_pod({"name": "istio-validation"}, annotations=annotations))
    assert options is not None
    assert options.inbound_ports_exclude == "7777,15020,15021,15090"
    assert options.outbound_ports_exclude == "15020"


@pytest.mark.needs_shared
def test_recorded_pods_of_istio_init(
    recording: Callable[[str], Any], options_of: Callable[[dict[str, Any]], CaptureOptions]
) -> None:
    """The arguments of every injected pod lead to the recorded configuration and rules."""
    cases: list[dict[str, Any]] = recording("annotations-to-arguments.json.gz")["cases"]
    assert len(cases) == 246
    for case in cases:
        if case["container"] != "istio-init" or "--native-nftables" in case["args"]:
            continue
        environment = [{"name": name, "value": value} for name, value in case["env"].items()]
        pod = _pod({"name": "istio-init", "args": case["args"], "env": environment}, ips=case["host_addresses"])
        options = capture_of_pod(pod, case["resolv_conf_nameservers"])
        assert options == options_of(case["config"]), case["name"]
        rules = build_rules(options)
        assert (rules.restore_v4, rules.restore_v6) == (case["restore_v4"], case["restore_v6"]), case["name"]


@pytest.mark.needs_shared
def test_recorded_pods_of_the_plugin(oracle: Path, recording: Callable[[str], Any]) -> None:
    recorded = recording("cni-redirect.json.gz")
    assert len(recorded["cases"]) == 392
    for case in recorded["cases"]:
        body = case.get("pod")
        if body is None:
            file = oracle / "injection" / "pods" / "cases" / f"{case['name'].removeprefix('pods/')}.json"
            body = json.loads(file.read_text())["result"]
        pod = make_object(body, None, case["namespace"])
        given = (pod, case["host_addresses"], recorded["excluded_namespaces"])
        if case["error"]:
            with pytest.raises(InputError):
                capture_by_plugin(*given)
            continue
        options = capture_by_plugin(*given)
        assert (options is not None) is case["programmed"], case["name"]
        if options is None:
            continue
        for key, value in case["redirect"].items():
            assert getattr(options, _REDIRECT[key]) == value, (case["name"], key)
        rules = build_rules(options)
        lines = [line for line in case["commands_and_rules"] if not line.startswith(("iptables", "ip6tables"))]
        assert (rules.restore_v4 + rules.restore_v6).splitlines() == lines, case["name"]
