"""The file format as a whole, and the example of the documentation."""

from __future__ import annotations

import pytest
import yaml
from pydantic import ValidationError

from meshsim.scenario import Scenario

EXAMPLE = """
apiVersion: meshsim/v1alpha1
kind: Scenario
name: canary
description: Shift 10 % of reviews to v2, make v2 slow for a minute, roll back.
duration: 10m
seeds: 5
mesh:
  istio: "1.31"
  meshConfig: {outboundTrafficPolicy: {mode: ALLOW_ANY}}
  inject: [default]
resources:
  - bookinfo/
  - networking/gateway.yaml
workloads:
  - match: {app: productpage}
    serve: {time: lognormal(8ms, 1.4)}
    calls: [details:9080, reviews:9080]
  - match: {app: reviews, version: v2}
    serve: {time: lognormal(14ms, 1.3), concurrency: 8}
    calls: [ratings:9080]
traffic:
  - name: shoppers
    through: istio-ingressgateway
    request: {host: bookinfo.example.com, path: /productpage}
    rate: 50/s
    start: 10s
timeline:
  - id: shift
    at: 1m
    apply: networking/virtual-service-reviews-90-10.yaml
  - id: lose-istiod
    at: 7m
    for: 30s
    kill: {deployment: istiod, namespace: istio-system}
expect:
  - name: split is 90/10
    share: {of: {app: reviews, version: v2}, among: {app: reviews}, during: [shift+5s, lose-istiod], near: 10%}
  - name: nothing is rejected
    nacks: {max: 0}
"""


def document(**changes: object) -> dict[str, object]:
    return {**yaml.safe_load(EXAMPLE), **changes}


def test_the_example_is_valid() -> None:
    scenario = Scenario.model_validate(document())
    assert scenario.seeds == (1, 2, 3, 4, 5)
    assert scenario.mesh.mesh_config == {"outboundTrafficPolicy": {"mode": "ALLOW_ANY"}}
    assert scenario.workloads[1].serve.concurrency == 8
    assert scenario.expect[0].share is not None


@pytest.mark.parametrize(("seeds", "found"), [(1, (1,)), (3, (1, 2, 3)), ([7, 0], (7, 0))])
def test_seeds_are_a_count_or_a_list(seeds: object, found: tuple[int, ...]) -> None:
    assert Scenario.model_validate(document(seeds=seeds)).seeds == found


@pytest.mark.parametrize("seeds", [0, -1, [], [1, 1], [-1], "3", True, 1.5, 10**30, [2**31]])
def test_what_are_no_seeds(seeds: object) -> None:
    with pytest.raises(ValidationError):
        Scenario.model_validate(document(seeds=seeds))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mesh": {"istio": 1.31}}, "write the release in quotes"),
        ({"mesh": {"istio": "1.20"}}, "the only one modelled"),
        ({"name": "My Canary"}, "pattern"),
        ({"apiVersion": "meshsim/v2"}, "meshsim/v1alpha1"),
        ({"duration": 600}, "bare number"),
    ],
)
def test_wrong_values(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Scenario.model_validate(document(**change))
    assert message in str(caught.value)
