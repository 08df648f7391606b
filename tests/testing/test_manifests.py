"""Manifests that tests write."""

from __future__ import annotations

import yaml

from meshsim.api import load_text, make_object
from meshsim.testing.manifests import deployment_item, manifest, namespace_item, service_item


def test_the_specification_stands_as_written() -> None:
    server = "{port: {number: 80, name: p, protocol: HTTP}, hosts: [a.org]}"
    text = manifest("Gateway", "gw", f"selector: {{a: b}}\nservers:\n- {server}")
    (item,) = load_text(text, "it.yaml").objects
    assert (str(item), item.spec.text_map("selector")) == ("Gateway shop/gw", {"a": "b"})
    position = item.position("spec.servers[0]")
    assert position is not None
    assert text.split("\n")[position.line - 1][position.column - 1 :].startswith("{port")


def test_a_later_day_is_younger() -> None:
    spec = "egress: [{hosts: ['./*']}]"
    text = manifest("Sidecar", "a", spec, 2) + manifest("Sidecar", "b", spec, 1, "other")
    young, old = load_text(text, "it.yaml").objects
    assert young.created > old.created
    assert old.namespace == "other"


def test_items_of_a_scenario_are_the_objects_they_name() -> None:
    text = "items:\n" + namespace_item("shop", injected=True) + service_item("stock", "shop", 90, 9090, "grpc")
    text += deployment_item("stock-v1", "shop", app="stock", version="v1", replicas=2, account="me", port=9090)
    text += deployment_item("plain", "shop", annotations={"a/b": "x: {y}"})
    space, service, stock, plain = (make_object(item) for item in yaml.safe_load(text)["items"])
    assert (str(space), space.labels) == ("Namespace shop", {"istio-injection": "enabled"})
    assert service.spec.value("ports") == [{"name": "grpc", "port": 90, "targetPort": 9090}]
    template = stock.spec.fields("template")
    assert template.fields("metadata").text_map("labels") == {"app": "stock", "version": "v1"}
    assert stock.spec.fields("selector").text_map("matchLabels") == {"app": "stock", "version": "v1"}
    assert service.spec.text_map("selector").items() <= template.fields("metadata").text_map("labels").items()
    assert (stock.spec.integer("replicas"), template.fields("spec").text("serviceAccountName")) == (2, "me")
    assert template.fields("spec").items("containers")[0].value("ports") == [{"containerPort": 9090}]
    bare = plain.spec.fields("template")
    assert bare.fields("metadata").text_map("annotations") == {"a/b": "x: {y}"}
    assert bare.fields("spec").items("containers")[0].value("ports") is None
