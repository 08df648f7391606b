"""Who may call whom in a small mesh, for every kind of answer; the truth is in the rules written below."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshsim.errors import UsageError
from meshsim.exports.authz_check import print_authz_check
from meshsim.scenario import LoadedScenario, load_text
from meshsim.world.authz import Access, Answer, Question, listeners_of, who_may_call_whom

MESH = """
apiVersion: meshsim/v1alpha1
kind: Scenario
name: access
duration: 2s
resources:
  - {apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {istio-injection: enabled}}}
  - {apiVersion: v1, kind: Namespace, metadata: {name: bare}}
"""
WORKLOAD = """
  - apiVersion: v1
    kind: Service
    metadata: {{name: {name}, namespace: {namespace}}}
    spec: {{selector: {{app: {name}}}, ports: [{{name: http, port: 80, targetPort: 8080}}]}}
  - apiVersion: apps/v1
    kind: Deployment
    metadata: {{name: {name}, namespace: {namespace}}}
    spec:
      replicas: 1
      selector: {{matchLabels: {{app: {name}}}}}
      template:
        metadata: {{labels: {{app: {name}}}}}
        spec:
          serviceAccountName: {name}
          containers: [{{name: {name}, image: "example/{name}:1", ports: [{{containerPort: 8080}}]}}]
"""
POLICIES = """
  - apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: stock, namespace: shop}
    spec:
      selector: {matchLabels: {app: stock}}
      rules:
        - from: [{source: {principals: ["cluster.local/ns/shop/sa/front"]}}]
        - from: [{source: {principals: ["cluster.local/ns/shop/sa/robot"]}}]
          to: [{operation: {paths: ["/robots*"]}}]
  - apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: nobody-deletes, namespace: shop}
    spec:
      selector: {matchLabels: {app: front}}
      action: DENY
      rules: [{to: [{operation: {methods: [DELETE]}}]}]
  - apiVersion: security.istio.io/v1
    kind: PeerAuthentication
    metadata: {name: strict, namespace: shop}
    spec: {selector: {matchLabels: {app: robot}}, mtls: {mode: STRICT}}
"""


@pytest.fixture(scope="module")
def loaded() -> LoadedScenario:
    pods = [("shop", "front"), ("shop", "robot"), ("shop", "stock"), ("bare", "plain")]
    text = MESH + "".join(WORKLOAD.format(namespace=ns, name=name) for ns, name in pods) + POLICIES
    return load_text(text, "access.yaml")


def answer(loaded: LoadedScenario, caller: str, service: str, question: Question | None = None) -> Answer:
    (found,) = who_may_call_whom(loaded, question or Question(), caller=caller, service=service)
    return found


def line_of(text: str) -> int:
    return next(n for n, line in enumerate((MESH + "".join(_workloads()) + POLICIES).splitlines(), 1) if text in line)


def _workloads() -> list[str]:
    pods = [("shop", "front"), ("shop", "robot"), ("shop", "stock"), ("bare", "plain")]
    return [WORKLOAD.format(namespace=ns, name=name) for ns, name in pods]


def test_a_rule_lets_the_caller_through(loaded: LoadedScenario) -> None:
    found = answer(loaded, "front", "stock")
    assert (found.caller, found.service, found.destination) == ("front.shop", "stock.shop:80", "stock.shop")
    assert (found.access, found.why) == (Access.YES, "an ALLOW rule matches")
    (rule,) = found.rules
    assert rule.text == "ALLOW AuthorizationPolicy shop/stock rule 0"
    assert rule.position is not None
    assert (rule.position.file, rule.position.line) == ("access.yaml", line_of("sa/front"))


def test_a_rule_lets_other_requests_of_the_caller_through(loaded: LoadedScenario) -> None:
    found = answer(loaded, "robot", "stock")
    assert (found.access, [r.text[-6:] for r in found.rules]) == (Access.SOME, ["rule 1"])
    assert str(found.rules[0]).endswith(f"access.yaml:{line_of('sa/robot')}")
    asked = answer(loaded, "robot", "stock", Question(path="/robots/1"))
    assert (asked.access, [r.text[-6:] for r in asked.rules]) == (Access.YES, ["rule 1"])


def test_no_rule_speaks_of_the_caller(loaded: LoadedScenario) -> None:
    found = answer(loaded, "plain", "stock.shop")
    assert (found.access, found.why) == (Access.NO, "no ALLOW rule matches")
    assert [r.text[-6:] for r in found.rules] == ["rule 0", "rule 1"]


def test_a_rule_keeps_some_requests_out(loaded: LoadedScenario) -> None:
    found = answer(loaded, "stock", "front")
    assert found.access is Access.SOME
    assert [r.text for r in found.rules] == ["DENY AuthorizationPolicy shop/nobody-deletes rule 0"]
    deleted = answer(loaded, "stock", "front", Question(method="DELETE"))
    assert (deleted.access, deleted.why) == (Access.NO, "a DENY rule matches")


def test_plaintext_is_not_accepted(loaded: LoadedScenario) -> None:
    found = answer(loaded, "plain", "robot")
    assert (found.access, found.why) == (Access.NO, "plaintext is not accepted")
    assert [r.text for r in found.rules] == ["PeerAuthentication shop/strict"]
    inside = answer(loaded, "front", "robot")
    assert (inside.access, inside.why, inside.rules) == (Access.YES, "no AuthorizationPolicy applies", ())


def test_nothing_guards_a_pod_without_proxy(loaded: LoadedScenario) -> None:
    found = answer(loaded, "front", "plain")
    assert (found.access, found.why) == (Access.YES, "no proxy guards it")


def test_everybody_and_everything(loaded: LoadedScenario) -> None:
    found = who_may_call_whom(loaded, Question())
    assert len(found) == 16
    assert len({(a.caller, a.service) for a in found}) == 16


def test_the_listeners_behind_the_table_of_istioctl(loaded: LoadedScenario) -> None:
    table = print_authz_check(listeners_of(loaded, "stock"))
    assert table.splitlines()[1:] == ["ALLOW    stock.shop            2"]
    with pytest.raises(UsageError, match="has no proxy"):
        listeners_of(loaded, "plain")


def test_an_instant_outside_the_scenario(loaded: LoadedScenario, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--at"):
        who_may_call_whom(loaded, Question(), at=10**12)
