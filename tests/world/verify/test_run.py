"""Which kinds and worlds can be verified."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshsim.errors import UsageError
from meshsim.world.verify import verify_folder


@pytest.mark.parametrize(
    ("kinds", "message"),
    [(["nonsense"], "unknown kind"), (["push"], "not modelled yet"), (["simulation"], "not modelled")],
)
def test_kinds_that_cannot_be_verified(tmp_path: Path, kinds: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        verify_folder(tmp_path, kinds)


@pytest.mark.needs_shared
def test_an_unknown_world_is_refused(oracle: Path) -> None:
    with pytest.raises(UsageError, match="no world 'nowhere'"):
        verify_folder(oracle, ["xds"], ["nowhere"])
