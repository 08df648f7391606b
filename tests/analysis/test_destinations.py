"""Destinations that lead nowhere."""

from __future__ import annotations

from collections.abc import Callable

from meshsim.testing.manifests import manifest


def _routed(destination: str, more: str = "") -> str:
    route = f"http:\n- route:\n  - destination:\n      {destination}"
    return manifest("VirtualService", "a", f"hosts: [app]\n{more}{route}")


def test_a_host_that_is_not_there(finds: Callable) -> None:
    (found,) = finds(_routed("host: ap"), ("IST0101", "host: ap", "no service ap.shop.svc.cluster.local"))
    assert "503 (flag NC" in found.message
    assert found.hint == "did you mean 'app.shop.svc.cluster.local'?"


def test_short_names_mean_the_own_namespace(finds: Callable) -> None:
    (found,) = finds(_routed("host: plain"), ("IST0101", "host: plain", "no service plain.shop.svc.cluster.local"))
    assert found.hint.startswith("write plain.bare.svc.cluster.local")
    (found,) = finds(_routed("host: app.shop"), ("IST0101", "host: app.shop", "no service app.shop"))
    assert found.hint == "write app.shop.svc.cluster.local: a name with a dot is taken as it is"


def test_a_wildcard_entry_is_no_host_to_route_to(finds: Callable) -> None:
    entry = manifest(
        "ServiceEntry",
        "wild",
        "hosts: ['*.example.org']\nports: [{number: 80, name: http, protocol: HTTP}]\nresolution: NONE",
    )
    text = _routed("host: a.example.org") + entry
    finds(text, ("IST0101", "host: a.example.org", "needs a ServiceEntry with this very host"))


def test_ports(finds: Callable) -> None:
    finds(
        _routed("host: app\n      port:\n        number: 8080"),
        ("IST0101", "number: 8080", "app.shop.svc.cluster.local has no port 8080, only 80"),
    )
    two = (
        "---\napiVersion: v1\nkind: Service\nmetadata: {name: two, namespace: shop}\n"
        "spec: {selector: {app: app}, ports: [{name: http, port: 81}, {name: http-b, port: 82}]}\n"
    )
    finds(_routed("host: two") + two, ("IST0112", "host: two", "has no port 80"))
    finds(_routed("host: two").replace("hosts: [app]", "hosts: [two]") + two)
    finds(
        _routed("host: app").replace("hosts: [app]", "hosts: [two]") + two,
        ("MSH0506", "host: app", "has no port 81 or 82"),
    )
    gateway = "hosts: [a.example.com]\ngateways: [edge/gw]\nhttp: [{route: [{destination: {host: one}}]}]"
    one = two.replace("two", "one").replace(", {name: http-b, port: 82}", "")
    finds(manifest("VirtualService", "a", gateway) + one)


def test_a_port_of_the_match_is_that_of_the_request(finds: Callable) -> None:
    two = (
        "---\napiVersion: v1\nkind: Service\nmetadata: {name: two, namespace: shop}\n"
        "spec: {selector: {app: app}, ports: [{name: http, port: 80, targetPort: 81}, {name: http-b, port: 82}]}\n"
    )
    text = _routed("host: app").replace("hosts: [app]", "hosts: [two]") + two
    finds(text, ("MSH0506", "host: app", "has no port 82"))
    finds(text.replace("- route:", "- match: [{port: 80}]\n    route:"))


def test_who_follows_a_route_may_not_see_where_it_leads(finds: Callable) -> None:
    hidden = (
        "---\napiVersion: v1\nkind: Service\nmetadata:\n  name: hidden\n  namespace: shop\n"
        "  annotations: {networking.istio.io/exportTo: '.'}\n"
        "spec: {selector: {app: app}, ports: [{name: http, port: 80}]}\n"
    )
    mesh = _routed("host: hidden.shop.svc.cluster.local") + hidden
    (found,) = finds(mesh, ("IST0101", "host: hidden", "proxies in namespace other follow this route and do not see"))
    assert found.severity.value == "info"
    gateway = mesh.replace("hosts: [app]", "hosts: [a.example.com]\n  gateways: [edge/gw]")
    (found,) = finds(gateway, ("IST0101", "host: hidden", "proxies in namespace edge follow this route"))
    assert found.severity.value == "warning"


def test_a_subset_is_looked_for_where_the_clients_look(finds: Callable) -> None:
    finds(_routed("host: app\n      subset: v1"), ("IST0101", "subset: v1", "no DestinationRule for app.shop"))
    rule = "host: app.shop.svc.cluster.local\nsubsets: [{name: v1, labels: {version: v1}}]"
    finds(_routed("host: app\n      subset: v1") + manifest("DestinationRule", "a", rule))
    (found,) = finds(
        _routed("host: app\n      subset: v2") + manifest("DestinationRule", "a", rule),
        ("IST0101", "subset: v2", "has a subset 'v2'"),
    )
    assert found.hint == "the subsets are v1"
    replaced = manifest("DestinationRule", "mine", rule.replace("v1", "mine").replace("mine}", "v1}"), 2, "other")
    finds(
        _routed("host: app\n      subset: v1") + manifest("DestinationRule", "a", rule) + replaced,
        ("IST0101", "subset: v1", "that proxies in namespace other follow has a subset 'v1'"),
    )


def test_a_route_of_a_gateway_is_looked_at_from_the_gateway(finds: Callable) -> None:
    rule = "host: app.shop.svc.cluster.local\nexportTo: [.]\nsubsets: [{name: v1, labels: {version: v1}}]"
    bound = "gateways: [mesh, edge/gw]\nexportTo: [., edge]\n"
    text = (_routed("host: app\n      subset: v1", bound)).replace("hosts: [app]", "hosts: [app, a.example.com]")
    finds(
        text + manifest("DestinationRule", "a", rule),
        ("IST0101", "subset: v1", "that proxies in namespace edge follow has a subset 'v1'"),
    )
    only = text.replace("- route:", "- match: [{gateways: [mesh]}]\n    route:")
    finds(only + manifest("DestinationRule", "a", rule))


def test_a_delegate_is_looked_at_from_where_its_root_is_followed(finds: Callable) -> None:
    rule = "host: app.shop.svc.cluster.local\nexportTo: [.]\nsubsets: [{name: v1, labels: {version: v1}}]"
    root = "hosts: [a.example.com]\ngateways: [edge/gw]\nhttp: [{delegate: {name: part}}]"
    part = "http:\n- route:\n  - destination:\n      host: app\n      subset: v1"
    text = manifest("VirtualService", "root", root) + manifest("VirtualService", "part", part)
    finds(
        text + manifest("DestinationRule", "a", rule),
        ("IST0101", "subset: v1", "no DestinationRule for app.shop.svc.cluster.local has a subset 'v1'"),
    )


def test_a_gateway_does_not_follow_what_is_for_sidecars(finds: Callable) -> None:
    rule = "host: app.shop.svc.cluster.local\nsubsets: [{name: v1, labels: {version: v1}}]"
    text = (
        _routed("host: app\n      subset: v1")
        + manifest("DestinationRule", "a", rule)
        + manifest(
            "VirtualService",
            "b",
            "hosts: [a.example.com]\ngateways: [edge/gw]\nhttp:\n- route:\n  - destination: {host: app}",
        )
    )
    finds(text, ("IST0140", "host: app", "sends requests for app.shop.svc.cluster.local to subsets for sidecars only"))


def test_a_gateway_has_no_original_destination(finds: Callable) -> None:
    entry = manifest(
        "ServiceEntry",
        "out",
        "hosts: [out.example.org]\nports: [{number: 80, name: http, protocol: HTTP}]\nresolution: NONE",
    )
    route = "hosts: [a.example.com]\ngateways: [edge/gw]\nhttp:\n- route:\n  - destination: {host: out.example.org}"
    finds(entry + manifest("VirtualService", "b", route), ("MSH0505", "host: out", "resolution NONE"))
