"""What one connection is sent for a request or a push."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from meshsim.controlplane.changes import ConfigKey, PushRequest
from meshsim.controlplane.connections import Connection
from meshsim.controlplane.dependencies import ScopeMemo
from meshsim.controlplane.generation import Generated, Step, generate_step, push_steps, request_steps
from meshsim.controlplane.push_context import PushContext
from meshsim.controlplane.timing import PilotTiming
from meshsim.xds import type_urls
from meshsim.xds.ads_server import AdsServerStream
from meshsim.xds.messages import discovery_pb2

HOST = "web.shop.svc.cluster.local"
CDS, EDS, LDS, RDS = type_urls.CLUSTER, type_urls.ENDPOINT, type_urls.LISTENER, type_urls.ROUTE


class Served:
    """A client's connection to a shop, with everything asked for and answered."""

    def __init__(self, mesh: Any) -> None:
        self.mesh = mesh
        self.push: PushContext = mesh.push()
        proxy = mesh.proxy("shop", "client-0")
        self.connection = Connection(proxy.id, proxy, AdsServerStream(proxy.id), ScopeMemo().of(self.push, proxy))
        self.answers = {
            type_url: self.ask(type_url, *names)
            for type_url, names in ((CDS, ()), (EDS, (f"outbound|80||{HOST}",)), (LDS, ()), (RDS, ("80",)))
        }

    def ask(self, type_url: str, *names: str, drop: tuple[str, ...] = ()) -> list[Generated]:
        """The answers to a request."""
        request = discovery_pb2.DeltaDiscoveryRequest(
            type_url=type_url, resource_names_subscribe=names, resource_names_unsubscribe=drop
        )
        return self._send(request_steps(self.connection, self.connection.stream.on_request(request)))

    def change(self, kind: str, name: str = "x", namespace: str = "shop") -> dict[str, Generated]:
        """What a push of a change sends, by short type name."""
        self.push = self.mesh.push()
        self.connection.see(ScopeMemo().of(self.push, self.connection.proxy))
        request = PushRequest({ConfigKey(kind, name, namespace): None}, {"config": 1})
        steps = push_steps(self.push, self.connection, request)
        return {
            type_urls.SHORT[step.type_url]: sent
            for step, sent in zip(steps, self._send(steps, keep_none=True), strict=True)
            if sent is not None
        }

    def _send(self, steps: list[Step], *, keep_none: bool = False) -> list[Any]:
        out = []
        for step in steps:
            made = generate_step(self.push, self.connection, step, PilotTiming())
            if made is not None:
                self.connection.stream.respond(step.type_url, made.resources, made.removed, "1")
            if made is not None or keep_none:
                out.append(made)
        return out


@pytest.fixture
def served(shop: Any) -> Served:
    return Served(shop)


def _names(generated: Generated) -> set[str]:
    return {resource.name for resource in generated.resources}


def test_requests_are_answered_with_what_was_asked_for(served: Served) -> None:
    (clusters,) = served.answers[CDS]
    assert f"outbound|80||{HOST}" in _names(clusters)
    (routes,) = served.answers[RDS]
    assert _names(routes) == {"80"}
    assert served.ask(RDS, "81")[0].resources[0].name == "81"


def test_clusters_asked_for_again_bring_their_endpoints(served: Served) -> None:
    served.connection.stream.watches.pop(CDS)
    assert len(served.ask(CDS)) == 2


def test_dropping_names_is_answered_for_extension_configurations_alone(served: Served) -> None:
    assert served.ask(RDS, drop=("80",)) == []
    served.ask(type_urls.EXTENSION, "x")
    (empty,) = served.ask(type_urls.EXTENSION, drop=("x",))
    assert (empty.resources, empty.removed) == ((), ())


def test_a_virtual_service_sends_static_clusters_and_all_listeners_and_routes(served: Served) -> None:
    sent = served.change("VirtualService")
    assert set(sent) == {"cds", "lds", "rds"}
    assert f"outbound|80||{HOST}" not in _names(sent["cds"])
    assert "PassthroughCluster" in _names(sent["cds"])
    assert "virtualInbound" in _names(sent["lds"])
    assert _names(sent["rds"]) == {"80"}


def test_endpoints_are_sent_alone(served: Served) -> None:
    sent = served.change("Endpoints", HOST)
    assert set(sent) == {"eds"}
    assert _names(sent["eds"]) == {f"outbound|80||{HOST}"}
    assert served.change("Endpoints", "other.shop.svc.cluster.local") == {}


def test_a_service_that_is_gone_is_removed(served: Served) -> None:
    served.mesh.remove("Service", "shop", "web")
    sent = served.change("ServiceEntry", HOST)
    assert sent["cds"].removed == (f"outbound|80||{HOST}",)
    assert "0.0.0.0_80" in sent["lds"].removed


def test_an_envoy_filter_sends_everything(served: Served) -> None:
    sent = served.change("EnvoyFilter")
    assert set(sent) == {"cds", "eds", "lds", "rds"}
    assert _names(sent["cds"]) == _names(served.answers[CDS][0])


def test_a_subset_appears_and_goes_with_its_rule(served: Served) -> None:
    rule = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: rule, namespace: shop}
spec: {host: web, subsets: [{name: v1, labels: {version: v1}}]}
"""
    served.mesh.put(rule)
    sent = served.change("DestinationRule", "rule")
    assert f"outbound|80|v1|{HOST}" in _names(sent["cds"])
    assert _names(sent["eds"]) == {f"outbound|80||{HOST}"}, "the subset is not asked for yet"
    served.mesh.remove("DestinationRule", "shop", "rule")
    assert served.change("DestinationRule", "rule")["cds"].removed == (f"outbound|80|v1|{HOST}",)


def test_generation_takes_time_by_what_it_makes(served: Served) -> None:
    (clusters,) = served.answers[CDS]
    assert clusters.cost == len(clusters.resources) * PilotTiming().per_cluster
    (listeners,) = served.answers[LDS]
    assert listeners.cost > PilotTiming().listeners_base


def test_types_nobody_asked_for_are_not_made(small_mesh: Callable[[str], Any], shop: Any) -> None:
    push, proxy = shop.push(), shop.proxy("shop", "client-0")
    connection = Connection(proxy.id, proxy, AdsServerStream(proxy.id), ScopeMemo().of(push, proxy))
    assert push_steps(push, connection, PushRequest(forced=True)) == []
    assert generate_step(push, connection, Step(CDS), PilotTiming()) is None
