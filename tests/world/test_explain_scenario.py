"""Requests that nobody has sent, explained in a world without traffic."""

from __future__ import annotations

import pytest

from meshsim.errors import UsageError
from meshsim.scenario import load_text
from meshsim.units import SECOND, Nanos
from meshsim.world.explain import Explanation
from meshsim.world.explain_scenario import explain_scenario

from .conftest import APP, HEAD

POLICIES = """
  - apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: stock, namespace: shop}
    spec: {host: stock, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}
  - apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: stock, namespace: shop}
    spec:
      hosts: [stock]
      http:
        - name: new
          match: [{headers: {beta: {exact: "yes"}}}]
          route: [{destination: {host: stock, subset: v2}}]
        - name: old
          route: [{destination: {host: stock, subset: v1}}]
"""
STRICT = """
timeline:
  - id: strict
    at: 2s
    apply:
      apiVersion: security.istio.io/v1
      kind: PeerAuthentication
      metadata: {name: strict, namespace: shop}
      spec: {mtls: {mode: STRICT}}
  - id: lock
    at: 2s
    apply:
      apiVersion: security.istio.io/v1
      kind: AuthorizationPolicy
      metadata: {name: readers, namespace: shop}
      spec:
        selector: {matchLabels: {app: stock}}
        rules:
          - to: [{operation: {methods: [GET]}}]
"""


def explained(
    caller: str = "front",
    url: str = "http://stock/items",
    *,
    method: str = "GET",
    at: Nanos = 0,
    headers: dict[str, str] | None = None,
) -> Explanation:
    text = HEAD.format(duration="4s", sender="front", timeline=STRICT) + APP + POLICIES
    loaded = load_text(text, "small.yaml")
    return explain_scenario(loaded, caller, url, method=method, headers=headers or {}, at=at)


def line_of(text: str) -> int:
    whole = HEAD.format(duration="4s", sender="front", timeline=STRICT) + APP + POLICIES
    return whole[: whole.index(text)].count("\n") + 1


def body(explanation: Explanation) -> str:
    return "\n".join(explanation.lines())


def test_from_the_name_to_the_application() -> None:
    explanation = explained()
    titles = [section.title.split()[0].rstrip(":") for section in explanation.sections]
    assert titles == ["name", "nat", "outbound", "nat", "inbound"]
    text = body(explanation)
    assert "stock is stock.shop.svc.cluster.local at " in text
    assert "--to-ports 15001  <- decides" in text
    assert "--to-ports 15006  <- decides" in text
    assert "over mTLS SNI outbound_.80_.v1_.stock.shop.svc.cluster.local" in text
    assert "spiffe://cluster.local/ns/shop/sa/front" in text
    assert "1 old (" in text


def test_the_line_of_the_very_route() -> None:
    assert f"route made by VirtualService shop/stock  small.yaml:{line_of('name: old')}" in body(explained())
    beta = body(explained(headers={"beta": "yes"}))
    assert f"route made by VirtualService shop/stock  small.yaml:{line_of('name: new')}" in beta
    assert "outbound|80|v2|stock.shop.svc.cluster.local" in beta
    assert "cluster made by DestinationRule shop/stock  small.yaml:" in beta
    assert "cluster made by Service shop/stock  small.yaml:" in beta


def test_a_caller_without_sidecar_is_stopped_by_strict() -> None:
    before = body(explained("plain.bare", "http://stock.shop/items"))
    assert "none: " in before
    assert "kube-proxy sends it to" in before
    assert "forwarded upstream" in before
    after = explained("plain.bare", "http://stock.shop/items", at=3 * SECOND)
    assert "filter_chain_not_found" in body(after)
    assert "filter chain made by PeerAuthentication shop/strict  small.yaml:" in body(after)


def test_the_policy_that_allows_and_the_one_that_would_have() -> None:
    rule = f"rbac made by AuthorizationPolicy shop/readers  small.yaml:{line_of('- to: [{operation')}"
    allowed = body(explained(at=3 * SECOND))
    assert "ns[shop]-policy[readers]-rule[0] (ALLOW: allowed)" in allowed
    assert rule in allowed
    denied = body(explained(at=3 * SECOND, method="POST"))
    assert "answered by the proxy: 403" in denied
    assert rule in denied


def test_an_unknown_name() -> None:
    text = body(explained(url="http://nothing:80/"))
    assert "nothing is unknown" in text
    assert "outbound" not in text


@pytest.mark.parametrize(
    ("caller", "url", "message"),
    [
        ("frnt", "http://stock/", "there is no pod 'frnt'"),
        ("front", "ftp://stock/", "is not a URL"),
        ("front", "http://stock:99999/", "is not a URL"),
        ("front", "http://[stock/", "is not a URL"),
    ],
)
def test_what_cannot_be_meant(caller: str, url: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        explained(caller, url)


def test_times_beyond_the_end() -> None:
    with pytest.raises(UsageError, match="--at must lie within"):
        explained(at=9 * SECOND)


def test_a_pod_by_its_label() -> None:
    assert "from front-" in explained("app=front").title
