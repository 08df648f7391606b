"""Services and ServiceEntries."""

from __future__ import annotations

from collections.abc import Callable

from meshsim.testing.manifests import manifest


def _service(ports: str, selector: str = "{app: app}", name: str = "it") -> str:
    spec = f"selector: {selector}\nports:\n{ports}"
    return manifest("Service", name, spec, version="v1")


def _entry(name: str, spec: str, created: int = 1) -> str:
    return manifest("ServiceEntry", name, spec, created)


def test_ports_that_name_no_protocol(finds: Callable) -> None:
    finds(_service("- {name: http-a, port: 80}\n- {name: web, port: 81, appProtocol: http}"))
    (found,) = finds(_service("- {name: web, port: 81}"), ("IST0118", "{name: web", "the name 'web' does not say"))
    assert found.severity.value == "info"


def test_a_selector_that_fits_nothing(finds: Callable) -> None:
    (found,) = finds(
        _service("- {name: http, port: 80}", "{app: app, version: v3}"),
        ("MSH0561", "version: v3", "requests get 503 (flag UH)"),
    )
    assert found.hint == "there is version=v1 or v2; istiod counts it as pilot_eds_no_instances"


def test_static_entries_without_endpoints(finds: Callable) -> None:
    spec = "hosts: [a.org]\nports: [{number: 80, name: http, protocol: HTTP}]\nresolution: STATIC"
    finds(_entry("a", spec), ("MSH0562", "resolution", "pilot_eds_no_instances"))
    finds(_entry("a", spec + "\nendpoints: [{address: 1.2.3.4}]"))
    finds(
        _entry("a", spec + "\nworkloadSelector: {labels: {app: vm}}"),
        ("MSH0562", "workloadSelector", "no workload of namespace shop has the labels app=vm"),
    )
    vm = manifest("WorkloadEntry", "vm", "address: 1.2.3.4\nlabels: {app: vm}")
    finds(_entry("a", spec + "\nworkloadSelector: {labels: {app: vm}}") + vm)


def test_one_host_and_port_with_two_protocols(finds: Callable) -> None:
    spec = "hosts: [a.org]\nports:\n- number: 80\n  name: p\n  protocol: %s\nresolution: DNS"
    text = _entry("a", spec % "HTTP") + _entry("b", spec % "HTTPS", 2)
    finds(text, ("IST0177", "protocol: HTTPS", "ServiceEntry shop/a, which is older, has port 80 of a.org as HTTP"))
    finds(_entry("a", spec % "HTTP") + _entry("b", spec % "HTTP", 2))
