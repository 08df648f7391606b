"""Made manifests are what the API server takes."""

from __future__ import annotations

from meshsim.api import load_text
from meshsim.imports.manifests import deployment, namespace, service, text_of


def test_objects_are_valid_and_fit_together() -> None:
    labels = {"app": "cart"}
    made = [
        namespace("shop"),
        deployment("cart", "shop", labels, image="example/cart", port=7070, replicas=3),
        service("cart", "shop", labels, 7070),
        namespace("outside", injected=False),
    ]
    loaded = load_text(text_of(made, "a shop\nof two lines"), "shop.yaml")
    assert loaded.findings == ()
    shop, pods, cart, outside = loaded.objects
    assert (shop.labels, outside.labels) == ({"istio-injection": "enabled"}, {})
    assert pods.spec.integer("replicas") == 3
    template = pods.spec.fields("template").fields("metadata").text_map("labels")
    assert cart.spec.text_map("selector") == template == labels


def test_the_comment_is_on_top() -> None:
    assert text_of([namespace("shop")], "of a test").startswith("# of a test\napiVersion: v1\n")
