"""What the comparisons with the real Envoy share."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


def beside(name: str) -> ModuleType:
    """A module beside this file."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def router() -> ModuleType:
    """The generator, process wrapper and client of the real Envoy beside this file."""
    return beside("envoy_router")


@pytest.fixture(scope="session")
def sessions() -> ModuleType:
    """The cases of TCP sessions, and what the real Envoy makes of them."""
    return beside("envoy_sessions")


@pytest.fixture(scope="session")
def player() -> ModuleType:
    """What the model makes of them."""
    return beside("model_sessions")
