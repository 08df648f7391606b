"""A small kube for faults to act on."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from meshsim.api.loading import load_text
from meshsim.kernel import Environment
from meshsim.kube import Kube
from meshsim.network import Network

MANIFEST = """
apiVersion: v1
kind: Node
metadata: {name: a, labels: {topology.kubernetes.io/zone: z1}}
---
apiVersion: v1
kind: Node
metadata: {name: b, labels: {topology.kubernetes.io/zone: z2}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 4
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "example/web:1"}]}
"""


@dataclass
class SmallMesh:
    env: Environment
    kube: Kube
    network: Network


@pytest.fixture
def mesh() -> SmallMesh:
    env = Environment()
    network = Network()
    kube = Kube(env, seed=1, network=network)
    kube.load(load_text(MANIFEST, "small.yaml").objects)
    kube.settle()
    return SmallMesh(env, kube, network)
