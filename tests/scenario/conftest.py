"""A small scenario with everything in it, and a way to load texts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from meshsim.errors import InputError, InputErrors
from meshsim.scenario import LoadedScenario, load_text

HEAD = """\
apiVersion: meshsim/v1alpha1
kind: Scenario
name: shop
duration: 10m
"""

_SERVICE = """\
  - apiVersion: v1
    kind: Service
    metadata: {{name: {name}, namespace: {namespace}}}
    spec: {{selector: {{app: {name}}}, ports: [{{port: {port}}}]}}
"""
_POD = """\
  - apiVersion: v1
    kind: Pod
    metadata: {{name: {name}, namespace: {namespace}, labels: {{app: {app}, version: {version}}}}}
    spec: {{containers: [{{name: app, image: app}}]}}
"""
OBJECTS = (
    "resources:\n"
    + _SERVICE.format(name="gateway", namespace="istio-system", port=80)
    + _SERVICE.format(name="cart", namespace="default", port=8080)
    + _SERVICE.format(name="stock", namespace="depot", port=8080)
    + _POD.format(name="cart-1", namespace="default", app="cart", version="v1")
    + _POD.format(name="cart-2", namespace="default", app="cart", version="v2")
    + _POD.format(name="stock-1", namespace="depot", app="stock", version="v1")
)

Load = Callable[[str], LoadedScenario]
Complain = Callable[[str], list[InputError]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """The scenario of a text that goes on after the head and the objects."""

    def load_body(body: str) -> LoadedScenario:
        return load_text(HEAD + OBJECTS + body, "shop.yaml", tmp_path)

    return load_body


@pytest.fixture
def complain(load: Load) -> Complain:
    """The errors of a text that goes on after the head and the objects."""

    def errors_of(body: str) -> list[InputError]:
        with pytest.raises(InputErrors) as caught:
            load(body)
        return list(caught.value.errors)

    return errors_of


@pytest.fixture
def first_line() -> int:
    """Line of the file on which the body of `load` begins."""
    return (HEAD + OBJECTS).count("\n") + 1
