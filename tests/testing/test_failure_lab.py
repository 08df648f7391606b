"""The model's half of the lab, without Envoy: the whole matrix as it is written down."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshsim.testing.failure_lab import FailureLab, Seen
from meshsim.testing.failure_matrix import ROWS
from meshsim.testing.failure_rows import Row


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_model_says_what_was_measured(tmp_path: Path, row: Row) -> None:
    seen = FailureLab(tmp_path, ROWS, 1000).ask_model(row.name)
    assert seen == Seen(row.status, row.body, row.flags, row.details, row.grpc_status)
