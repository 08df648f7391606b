"""What the comparisons with the real Envoy share."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def router() -> ModuleType:
    """The generator, process wrapper and client of the real Envoy beside this file."""
    spec = importlib.util.spec_from_file_location("envoy_router", Path(__file__).with_name("envoy_router.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["envoy_router"] = module
    spec.loader.exec_module(module)
    return module
