from __future__ import annotations

import pytest

from meshsim.controlplane.visibility import exported_to


@pytest.mark.parametrize(
    ("export_to", "viewer", "want"),
    [
        ({"*"}, "other", True),
        ({"."}, "own", True),
        ({"."}, "other", False),
        ({"other"}, "other", True),
        ({"other"}, "own", False),
        ({"~"}, "own", False),
        ({"~", "*"}, "own", False),
    ],
)
def test_exported_to(export_to: set[str], viewer: str, want: bool) -> None:
    assert exported_to(frozenset(export_to), "own", viewer) is want
