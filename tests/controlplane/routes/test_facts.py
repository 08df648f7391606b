from __future__ import annotations

from collections.abc import Callable
from typing import Any

from meshsim.controlplane.routes.facts import RouteFacts


def test_facts(virtual_service: Callable[..., Any]) -> None:
    found = RouteFacts.of(
        virtual_service(
            "{hosts: [A.com, '*.B.com'], http: [{match: [{sourceLabels: {app: x}}, {sourceNamespace: n}],"
            " route: [{destination: {host: d.com}}], mirror: {host: m.com}},"
            " {match: [{sourceLabels: {app: y, v: z}}], route: [{destination: {host: d.com}}],"
            " mirrors: [{destination: {host: n.com}}]}]}"
        )
    )
    assert found.exact_hosts == (("A.com", "a.com"),)
    assert found.wildcard_hosts == ("*.b.com",)
    assert found.source_labels == ("app", "v")
    assert found.source_namespace
    assert set(found.destinations) == {"d.com", "m.com", "n.com"}


def test_a_plain_one_asks_nothing(virtual_service: Callable[..., Any]) -> None:
    found = RouteFacts.of(virtual_service("{hosts: [a.com], http: [{directResponse: {status: 200}}]}"))
    assert (found.source_labels, found.source_namespace, found.destinations) == ((), False, ())
