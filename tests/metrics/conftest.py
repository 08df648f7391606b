"""A recorded run of a small mesh: a shop that calls a stock, with metrics overrides and everything a label tells."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshsim.experiment import RunSettings
from meshsim.front.running import RunRequest, run_loaded
from meshsim.recording import InstanceInfo, Run
from meshsim.scenario import load_text
from meshsim.testing.manifests import deployment_item, namespace_item, service_item

_KEPT = {"sidecar.istio.io/statsInclusionPrefixes": "http.inbound_0.0.0.0"}
_MATCHER = {"proxy.istio.io/config": 'proxyStatsMatcher: {inclusionRegexps: [".*upstream_rq_[0-9].*"]}'}
APPS = (
    namespace_item("shop", injected=True)
    + namespace_item("bare")
    + service_item("stock", "shop")
    + service_item("plain", "bare")
    + deployment_item("stock-v1", "shop", app="stock", version="v1", account="stock", port=8080, annotations=_KEPT)
    + deployment_item("front", "shop", account="front", annotations=_MATCHER)
    + deployment_item("plain", "bare", version="v1", port=8080)
)

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


STORES = """\
  - apiVersion: v1
    kind: Service
    metadata: {name: store, namespace: shop}
    spec: {selector: {app: stock}, ports: [{name: tcp-store, port: 5432, targetPort: 5432}]}
  - apiVersion: v1
    kind: Service
    metadata: {name: empty, namespace: shop}
    spec: {selector: {app: nobody}, ports: [{name: tcp-store, port: 5433, targetPort: 5432}]}
  - apiVersion: v1
    kind: Service
    metadata: {name: slow, namespace: shop}
    spec: {selector: {app: slow}, ports: [{name: tcp-slow, port: 5434, targetPort: 5432}]}
  - apiVersion: v1
    kind: Service
    metadata: {name: idle, namespace: shop}
    spec: {selector: {app: slow}, ports: [{name: tcp-idle, port: 5435, targetPort: 5433}]}
  - apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: idle, namespace: shop}
    spec: {host: idle, trafficPolicy: {connectionPool: {tcp: {idleTimeout: 1s}}}}
"""
NOWHERE = """\
  - apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: store, namespace: shop}
    spec: {hosts: [store], tcp: [{route: [{destination: {host: nowhere.shop.svc.cluster.local, port: {number: 99}}}]}]}
"""
SQL = '  - {name: sql, from: {match: {app: front}}, request: {host: "store.shop:5432", path: /}, rate: 10/s}\n'
SESSIONS = """\
  - {name: sql, from: {match: {app: front}}, request: {host: "store.shop:5432", path: /}, rate: 20/s}
  - {name: bare-sql, from: {match: {app: plain}}, request: {host: "store.shop:5432", path: /}, rate: 5/s}
  - {name: nobody, from: {match: {app: front}}, request: {host: "empty.shop:5433", path: /}, rate: 3/s}
  - {name: slow, from: {match: {app: front}}, request: {host: "slow.shop:5434", path: /}, rate: 5/s}
  - {name: idle, from: {match: {app: front}}, request: {host: "idle.shop:5435", path: /}, rate: 5/s}
"""


def record_alone(folder: Path, traffic: str, objects: str, duration: str = "5s", timeline: str = "") -> Run:
    """Run the small mesh with this traffic and no other, and with more objects."""
    head, _, _ = SCENARIO.partition("traffic:\n")
    text = head.replace("duration: 5s", f"duration: {duration}") + f"traffic:\n{traffic}{timeline}resources:\n"
    loaded = load_text(text + APPS + objects, str(folder / "small.yaml"), folder)
    outcome = run_loaded(loaded, RunRequest(settings=RunSettings(), results=folder))
    assert outcome.run is not None
    return outcome.run


@pytest.fixture(scope="session")
def tcp_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The mesh with sessions of TCP proxies besides: short ones, ones of 7 s, and ones that are cut when idle."""
    more = STORES + deployment_item("slow", "shop", account="slow", port=5432)
    slow = "  - match: {app: slow}\n    serve: {time: 7s}\ntraffic:\n"
    text = SCENARIO.replace("duration: 5s", "duration: 10s").replace("traffic:\n", slow + SESSIONS)
    folder = tmp_path_factory.mktemp("tcp")
    loaded = load_text(text + APPS + more, str(folder / "small.yaml"), folder)
    outcome = run_loaded(loaded, RunRequest(settings=RunSettings(), results=folder))
    assert outcome.run is not None
    return outcome.run
