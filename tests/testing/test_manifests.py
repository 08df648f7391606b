"""Manifests that tests write."""

from __future__ import annotations

from meshsim.api import load_text
from meshsim.testing.manifests import manifest


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
