"""The failure matrix on a real Envoy: status, body, response flags and response code details, and the model's."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from meshsim.testing.failure_lab import FailureLab, Seen
from meshsim.testing.failure_matrix import ROWS
from meshsim.testing.failure_rows import Row

FIRST_PORT = 24301
pytestmark = pytest.mark.needs_envoy


@pytest.fixture(name="lab", scope="module")
def _lab() -> Iterator[FailureLab]:
    with tempfile.TemporaryDirectory(prefix="lab") as folder, FailureLab(Path(folder), ROWS, FIRST_PORT) as lab:
        yield lab


@pytest.fixture(name="seen", scope="module")
def _seen(lab: FailureLab) -> dict[str, Seen]:
    """What the real Envoy answered to every row."""
    return lab.ask_envoy()


def expected(row: Row) -> Seen:
    return Seen(row.status, row.body, row.flags, row.details, row.grpc_status)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_matrix_is_what_envoy_does(seen: dict[str, Seen], row: Row) -> None:
    assert seen[row.name] == expected(row)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_model_does_the_same(lab: FailureLab, seen: dict[str, Seen], row: Row) -> None:
    assert lab.ask_model(row.name) == seen[row.name]
