"""The list of known differences: patterns, reasons, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshsim.errors import InputError
from meshsim.world.verify.deviations import Deviation, load_deviations, reason_for
from meshsim.world.verify.outcome import Difference

DIFFERENCE = Difference("w", "ns/pod", "lds", "virtualInbound", "/filter_chains[0]/name", "a", "b")


def test_a_deviation_names_what_all_its_patterns_match() -> None:
    named = Deviation("xds", "why", type="lds", path="/filter_chains[0]/*")
    assert reason_for([named], "xds", DIFFERENCE) == "why"
    assert named.seen == 1
    assert reason_for([named], "push", DIFFERENCE) == ""
    assert reason_for([Deviation("xds", "why", type="cds")], "xds", DIFFERENCE) == ""
    assert reason_for([Deviation("xds", "why", path="/filter_chains[1]/*")], "xds", DIFFERENCE) == ""


def test_a_list_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "deviations.yaml"
    file.write_text("deviations:\n  - {what: xds, reason: because, world: 'vs-*'}\n")
    (read,) = load_deviations(file)
    assert (read.what, read.reason, read.world, read.proxy) == ("xds", "because", "vs-*", "*")


def test_an_entry_without_reason_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "deviations.yaml"
    file.write_text("deviations:\n  - {what: xds}\n")
    with pytest.raises(InputError, match="reason"):
        load_deviations(file)


def test_the_shipped_list_is_readable() -> None:
    for deviation in load_deviations():
        assert deviation.reason
