"""Sessions as both sides report them: opened when the peer is known at a report, or when they close."""

from __future__ import annotations

from collections import Counter

from meshsim.metrics.connections import CLOSED, NO_SESSION, OPENED, connection_groups
from meshsim.metrics.requests import Side
from meshsim.recording import Run
from meshsim.units import SECOND, Nanos

from .conftest import pod


def reported(run: Run, side: Side, interval: Nanos, traffic_port: str) -> dict[str, Counter[tuple[int, str]]]:
    """Sessions of one port by second and flags, for each metric, with every report so far apart."""
    found: dict[str, Counter[tuple[int, str]]] = {OPENED: Counter(), CLOSED: Counter()}

    def reports(namespace: str, name: str, there: str, session: str) -> Nanos:
        return interval if traffic_port in there else NO_SESSION

    for metric, group in connection_groups(run, side, run.duration + 1, reports, SECOND):
        found[metric][group.second, group.flags] += group.requests
    return found


def rows(run: Run, traffic: str) -> list[dict[str, int]]:
    return [row for row in run.requests().to_pylist() if row["traffic"] == traffic]


def test_a_lasting_session_opens_at_the_first_report(tcp_run: Run) -> None:
    found = reported(tcp_run, Side.SOURCE, 5 * SECOND, "|5434|")
    lasting = rows(tcp_run, "slow")
    assert len(lasting) > 3
    assert found[OPENED] == Counter(((row["start"] + 5 * SECOND) // SECOND + 1, "") for row in lasting)
    assert found[CLOSED] == Counter((row["end"] // SECOND + 1, "") for row in lasting)


def test_reports_come_at_multiples_of_the_interval(tcp_run: Run) -> None:
    found = reported(tcp_run, Side.SOURCE, 2 * SECOND, "|5434|")
    assert found[OPENED] == Counter(((row["start"] + 2 * SECOND) // SECOND + 1, "") for row in rows(tcp_run, "slow"))


def test_without_reports_it_opens_when_it_closes(tcp_run: Run) -> None:
    found = reported(tcp_run, Side.SOURCE, 0, "|5434|")
    assert found[OPENED] == found[CLOSED]


def test_who_never_hears_of_a_host_opens_when_it_closes_with_its_flags(tcp_run: Run) -> None:
    found = reported(tcp_run, Side.SOURCE, SECOND // 1000, "|5433|")
    assert (
        found[OPENED] == found[CLOSED] == Counter((row["end"] // SECOND + 1, "UH") for row in rows(tcp_run, "nobody"))
    )


def test_servers_report_what_arrives(tcp_run: Run) -> None:
    arrived = [row for name in ("sql", "bare-sql") for row in rows(tcp_run, name)]
    found = reported(tcp_run, Side.DESTINATION, 5 * SECOND, f"{pod(tcp_run, 'stock').address}:5432")
    assert found[CLOSED] == Counter((row["done"] // SECOND + 1, "") for row in arrived)
