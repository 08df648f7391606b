"""Services of manifests by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from meshsim.imports.known_services import KnownService, known_services

TEXT = """\
apiVersion: v1
kind: Service
metadata: {{name: stock, namespace: shop}}
spec: {{selector: {{app: stock}}, ports: [{ports}]}}
"""


@pytest.mark.parametrize(
    ("ports", "port"),
    [
        ("{port: 80}", 80),
        ("{name: metrics, port: 9090}, {name: http-web, port: 80}", 80),
        ("{name: a, port: 1}, {name: b, port: 2, appProtocol: grpc}", 2),
        ("{name: tcp, port: 5432}", 5432),
    ],
)
def test_the_port_that_speaks_http(file: Callable[[str, str], Path], ports: str, port: int) -> None:
    found = known_services([file("it.yaml", TEXT.format(ports=ports))])
    assert found == {"stock": KnownService("stock", "shop", port, {"app": "stock"})}
    assert (found["stock"].host_from("shop"), found["stock"].host_from("web")) == (
        f"stock:{port}",
        f"stock.shop:{port}",
    )


def test_services_without_pods_are_none(file: Callable[[str, str], Path]) -> None:
    text = (
        "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {type: ExternalName, externalName: a.example.com}\n"
    )
    assert known_services([file("it.yaml", text)]) == {}


@pytest.mark.needs_shared
def test_online_boutique(shared: Path) -> None:
    found = known_services([shared / "data" / "online-boutique" / "kubernetes-manifests.yaml"])
    assert (found["frontend"].port, found["cartservice"].port) == (80, 7070)
    assert {"adservice", "checkoutservice", "currencyservice", "emailservice", "paymentservice"} <= found.keys()
