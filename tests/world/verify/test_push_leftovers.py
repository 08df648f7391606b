"""Which clusters may stand for one another: those of a port that is gone, and no others."""

from __future__ import annotations

import pytest

from meshsim.world.verify.push_leftovers import Leftovers
from meshsim.world.verify.push_recording import Event

PORT, SUBSET, SNI = "outbound|80||h", "outbound|80|v1|h", "outbound_.80_.v1_.h"


def _clusters(*, sent: tuple[str, ...] = (), removed: tuple[str, ...] = ()) -> Event:
    return Event("CDS", False, {"sent": sent, "changed": (), "added": (), "removed": removed})


def _after(*events: Event) -> Leftovers:
    leftovers = Leftovers()
    leftovers.lose(events)
    return leftovers


def test_clusters_of_a_port_that_is_gone_count_alone() -> None:
    left = _after(_clusters(removed=(PORT,)))
    assert left.alike([PORT, "x"], ["x", SUBSET])
    assert left.alike([PORT], [SNI])
    assert not left.alike([PORT, SUBSET], [PORT])
    assert not left.alike([PORT], [])


@pytest.mark.parametrize("other", ["outbound|81||h", "outbound|80||i", "inbound|80||", "x"])
def test_another_port_or_host_is_another(other: str) -> None:
    assert not _after(_clusters(removed=(PORT,))).alike([PORT], [other])


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(_clusters(), id="nothing"),
        pytest.param(_clusters(sent=(PORT,), removed=(SUBSET,)), id="a subset of a port that stays"),
        pytest.param(Event("EDS", True, {"subscribe": (), "unsubscribe": (PORT,)}), id="a question"),
        pytest.param(
            Event("EDS", False, {"sent": (), "changed": (), "added": (), "removed": (PORT,)}), id="another type"
        ),
    ],
)
def test_a_port_that_is_not_gone_has_all_its_clusters_known(event: Event) -> None:
    assert not _after(event).alike([PORT], [SUBSET])


def test_a_port_that_came_back_is_known_again_from_the_next_step_on() -> None:
    left = _after(_clusters(removed=(PORT,)))
    back = [_clusters(sent=(PORT, SUBSET))]
    left.lose(back)
    assert left.alike([PORT], [SUBSET]), "which of them were left shows in what is added"
    left.regain(back)
    assert not left.alike([PORT], [SUBSET])
