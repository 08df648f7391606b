"""The sidecar template: arguments of the rules, ways of interception, hold and lifecycle."""

from __future__ import annotations

from typing import Any

import pytest

from meshsim.admission.inject import inject
from meshsim.admission.settings import DEFAULT_VALUES, InjectionSettings, overlay
from meshsim.api import Fields, make_object

CNI = InjectionSettings(values=overlay(DEFAULT_VALUES, {"pilot": {"cni": {"enabled": True}}}))


def _injected(annotations: dict[str, str] | None = None, settings: InjectionSettings | None = None) -> Fields:
    metadata = {"name": "p", "namespace": "shop", "annotations": annotations or {}}
    pod = {"kind": "Pod", "metadata": metadata, "spec": {"containers": [{"name": "app"}]}}
    return Fields(inject(make_object(pod), settings or InjectionSettings()).pod)


def _container(pod: Fields, name: str) -> Fields:
    found = [c for kind in ("initContainers", "containers") for c in pod.fields("spec").items(kind)]
    return next((c for c in found if c.text("name") == name), Fields(None))


@pytest.mark.parametrize(
    ("annotation", "value", "flag", "argument"),
    [
        ("traffic.sidecar.istio.io/includeOutboundIPRanges", "10.0.0.0/8", "-i", "10.0.0.0/8"),
        ("traffic.sidecar.istio.io/excludeOutboundIPRanges", "10.9.0.0/16", "-x", "10.9.0.0/16"),
        ("traffic.sidecar.istio.io/includeInboundPorts", "8080", "-b", "8080"),
        ("traffic.sidecar.istio.io/excludeInboundPorts", "7777", "-d", "15090,15021,7777,15020"),
        ("traffic.sidecar.istio.io/excludeOutboundPorts", "3306", "-o", "3306"),
        ("traffic.sidecar.istio.io/includeOutboundPorts", "8443", "-q", "8443"),
        ("traffic.sidecar.istio.io/excludeInterfaces", "net1", "-c", "net1"),
        ("istio.io/reroute-virtual-interfaces", "net2", "-k", "net2"),
        ("sidecar.istio.io/interceptionMode", "TPROXY", "-m", "TPROXY"),
    ],
)
def test_traffic_annotations_become_arguments(annotation: str, value: str, flag: str, argument: str) -> None:
    arguments = _container(_injected({annotation: value}), "istio-init").texts("args")
    assert arguments[arguments.index(flag) + 1] == argument


def test_the_default_arguments() -> None:
    assert _container(_injected(), "istio-init").texts("args") == (
        *("istio-iptables", "-p", "15001", "-z", "15006", "-u", "1337", "-m", "REDIRECT", "-i", "*", "-x", ""),
        *("-b", "*", "-d", "15090,15021,15020", "--log_output_level=default:info"),
    )


def test_the_cni_plugin_leaves_a_check_and_annotations() -> None:
    pod = _injected(settings=CNI)
    validation = _container(pod, "istio-validation")
    assert validation.texts("args")[-2:] == ("--run-validation", "--skip-rule-apply")
    assert not validation.fields("securityContext").fields("capabilities").texts("add")
    assert pod.fields("metadata").text_map("annotations")["sidecar.istio.io/interceptionMode"] == "REDIRECT"


def test_no_rules_without_interception() -> None:
    pod = _injected({"sidecar.istio.io/interceptionMode": "NONE"})
    assert not _container(pod, "istio-init")
    assert _container(pod, "istio-proxy")


def test_holding_matters_only_without_native_sidecars() -> None:
    note = {"proxy.istio.io/config": "holdApplicationUntilProxyStarts: true"}
    native = _container(_injected(note), "istio-proxy")
    assert "preStop" in native.fields("lifecycle")
    pod = _injected(note, InjectionSettings(native_sidecars="false"))
    assert [c.text("name") for c in pod.fields("spec").items("containers")] == ["istio-proxy", "app"]
    assert "postStart" in _container(pod, "istio-proxy").fields("lifecycle")


def test_ports_and_probes_of_the_proxy() -> None:
    proxy = _container(_injected(), "istio-proxy")
    ports: Any = proxy.value("ports")
    assert ports == [{"containerPort": 15090, "protocol": "TCP", "name": "http-envoy-prom"}]
    assert proxy.fields("startupProbe").fields("httpGet").integer("port") == 15021
    assert proxy.fields("readinessProbe").integer("periodSeconds") == 15
    assert proxy.text("restartPolicy") == "Always"
