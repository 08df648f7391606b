"""A recorded run of a small mesh: a shop that calls a stock, with metrics overrides and everything a label tells."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshsim.experiment import RunSettings
from meshsim.front.running import RunRequest, run_loaded
from meshsim.recording import InstanceInfo, Run
from meshsim.scenario import load_text

APPS = """\
  - {apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {istio-injection: enabled}}}
  - {apiVersion: v1, kind: Namespace, metadata: {name: bare}}
  - apiVersion: v1
    kind: Service
    metadata: {name: stock, namespace: shop}
    spec: {selector: {app: stock}, ports: [{name: http, port: 80, targetPort: 8080}]}
  - apiVersion: v1
    kind: Service
    metadata: {name: plain, namespace: bare}
    spec: {selector: {app: plain}, ports: [{name: http, port: 80, targetPort: 8080}]}
  - apiVersion: apps/v1
    kind: Deployment
    metadata: {name: stock-v1, namespace: shop}
    spec:
      replicas: 1
      selector: {matchLabels: {app: stock}}
      template:
        metadata:
          labels: {app: stock, version: v1}
          annotations:
            sidecar.istio.io/statsInclusionPrefixes: "http.inbound_0.0.0.0"
        spec:
          serviceAccountName: stock
          containers: [{name: stock, image: "example/stock:1", ports: [{containerPort: 8080}]}]
  - apiVersion: apps/v1
    kind: Deployment
    metadata: {name: front, namespace: shop}
    spec:
      replicas: 1
      selector: {matchLabels: {app: front}}
      template:
        metadata:
          labels: {app: front}
          annotations:
            proxy.istio.io/config: |
              proxyStatsMatcher: {inclusionRegexps: [".*upstream_rq_[0-9].*"]}
        spec: {serviceAccountName: front, containers: [{name: front, image: "example/front:1"}]}
  - apiVersion: apps/v1
    kind: Deployment
    metadata: {name: plain, namespace: bare}
    spec:
      replicas: 1
      selector: {matchLabels: {app: plain}}
      template:
        metadata: {labels: {app: plain, version: v1}}
        spec: {containers: [{name: plain, image: "example/plain:1", ports: [{containerPort: 8080}]}]}
"""

SCENARIO = """\
apiVersion: meshsim/v1alpha1
kind: Scenario
name: small
duration: 5s
seeds: [7]
workloads:
  - match: {app: stock}
    serve: {time: 5ms}
traffic:
  - {name: ask, from: {match: {app: front}}, request: {host: "stock.shop:80", path: /items}, rate: 50/s}
  - {name: out, from: {match: {app: front}}, request: {host: "plain.bare:80", path: /}, rate: 20/s}
  - {name: bare, from: {match: {app: plain}}, request: {host: "stock.shop:80", path: /items}, rate: 10/s}
resources:
"""


def record(folder: Path, istio: str = "", sampling: float = 1.0, until: int | None = None, traffic: str = "") -> Run:
    """Run the small mesh with these Istio objects and more traffic, and record it."""
    text = SCENARIO.replace("resources:\n", f"{traffic}resources:\n") + APPS + istio
    loaded = load_text(text, str(folder / "small.yaml"), folder)
    outcome = run_loaded(loaded, RunRequest(settings=RunSettings(sampling=sampling, until=until), results=folder))
    assert outcome.run is not None
    return outcome.run


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The mesh as it is."""
    return record(tmp_path_factory.mktemp("small"))


def pod(run: Run, app: str) -> InstanceInfo:
    """The pod of an application."""
    (row,) = [row for row in run.instances().to_pylist() if row["app"] == app]
    return InstanceInfo(*(row[name] for name in InstanceInfo._fields))
