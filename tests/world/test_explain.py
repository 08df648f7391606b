"""An explanation as text, made of what an evidence says."""

from __future__ import annotations

from collections.abc import Sequence

from meshsim.dataplane.active import ActiveConfig
from meshsim.dataplane.decide.values import Request
from meshsim.netfilter import CaptureOptions, PodRules, PodRulesFactory, Verdict
from meshsim.units import Nanos
from meshsim.world.explain import Ask, Named, PodPlace, explain_request
from meshsim.world.sources import ConfigName, Sources

FRONT = PodPlace("front-1.shop", "shop", "10.0.0.1", "front", True)
STOCK = PodPlace("stock-1.shop", "shop", "10.0.0.2", "stock", False)
ALL = CaptureOptions(inbound_ports_include="*", outbound_ranges_include="*")


class MadeUp:
    """A caller whose proxy may be away, and a peer without sidecar."""

    time: Nanos = 1_500_000_000
    trust_domain = "cluster.local"
    sources = Sources()

    def __init__(self, *, captured: bool, addresses: Sequence[str] = ("10.96.0.1",)) -> None:
        self._rules: PodRules | None = PodRulesFactory().of_options(ALL, [FRONT.address]) if captured else None
        self._addresses = tuple(addresses)

    def config(self, pod_id: str) -> ActiveConfig | None:
        return None

    def resolve(self, host: str, namespace: str) -> Named | None:
        return Named(f"{host}.{namespace}.svc.cluster.local", self._addresses, host, namespace)

    def walk_outbound(self, pod_id: str, address: str, port: int) -> Verdict | None:
        return self._rules.outbound(address, port) if self._rules is not None else None

    def walk_inbound(self, pod_id: str, source: str, address: str, port: int) -> Verdict | None:
        return None

    def pod_at(self, address: str) -> PodPlace | None:
        return STOCK if address == STOCK.address else None

    def backends(self, address: str, port: int) -> tuple[tuple[str, int], ...]:
        return ((STOCK.address, 8080), ("10.0.0.3", 8080))

    def peer_policies(self, pod_id: str) -> tuple[ConfigName, ...]:
        return ()


def ask(reached: str = "") -> Ask:
    return Ask(caller=FRONT, host="stock", port=80, request=Request(authority="stock", path="/items"), reached=reached)


def titles(evidence: MadeUp, asked: Ask) -> list[str]:
    return [section.title for section in explain_request(evidence, asked).sections]


def test_a_proxy_that_is_away_refuses() -> None:
    explanation = explain_request(MadeUp(captured=True), ask())
    assert explanation.sections[-1].lines == ("it does not run: connections are refused",)
    assert any("ISTIO_REDIRECT" in line for line in explanation.sections[1].lines)


def test_what_is_not_captured_goes_by_kube_proxy() -> None:
    explanation = explain_request(MadeUp(captured=False), ask())
    assert explanation.sections[1].lines == ("none: 10.96.0.1:80 is reached as it is",)
    assert explanation.sections[2].lines == ("kube-proxy sends it to 10.0.0.2:8080, 10.0.0.3:8080",)
    assert explanation.sections[-1].lines == ("the application answers",)


def test_the_endpoint_it_reached_is_followed() -> None:
    assert titles(MadeUp(captured=False), ask("10.0.0.3:8080"))[-1] == "destination 10.0.0.3:8080"


def test_a_name_without_endpoints_ends_there() -> None:
    assert titles(MadeUp(captured=True, addresses=()), ask()) == ["name"]


def test_lines_begin_with_what_was_asked() -> None:
    lines = list(explain_request(MadeUp(captured=False), ask()).lines())
    assert lines[0] == "GET http://stock/items from front-1.shop (10.0.0.1) at 1.5s"
    assert lines[3].startswith("  stock is stock.shop.svc.cluster.local at 10.96.0.1")
