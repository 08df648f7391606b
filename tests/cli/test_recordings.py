"""Recordings and proxies by what people call them."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshsim.cli.recordings import newest_recording, proxy_named, recording_at
from meshsim.errors import InputError, UsageError


def test_the_newest_recording(small: Path, tmp_path: Path) -> None:
    assert newest_recording(small.parent / "results").manifest.scenario == "small"
    with pytest.raises(InputError, match="there is no recording in"):
        newest_recording(tmp_path)


def test_names_of_proxies(small: Path) -> None:
    run = recording_at(small.parent / "results" / "small")
    full = proxy_named(run, "front")
    assert full.startswith("front-")
    assert full.endswith(".shop")
    for text in (full, full.removesuffix(".shop"), "front.shop"):
        assert proxy_named(run, text) == full
    with pytest.raises(UsageError, match="has no proxy 'nobody'"):
        proxy_named(run, "nobody")
