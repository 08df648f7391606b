"""Compare traces with those of their imported scenario: rates and latencies of each service, as its callers see them.

Usage: ``python tools/compare_traces.py TRACES...`` imports the traces, runs the scenario, exports its traces and
prints a table: requests a second, and median, 90th and 99th percentile of the latency, measured and simulated. Callers
without spans of their own see what the service's spans say.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from meshsim.experiment import RunSettings
from meshsim.exports.otlp_traces import traces_json
from meshsim.front.running import RunRequest, run_file
from meshsim.imports.estimating import estimate
from meshsim.imports.imported import write_imported
from meshsim.imports.linking import Linked, link
from meshsim.imports.times import quantile, short
from meshsim.imports.trace_files import read_traces
from meshsim.imports.traces import Choices, scenario_of
from meshsim.units import MINUTE, SECOND, Nanos

SHARES = (0.5, 0.9, 0.99)


class Seen(NamedTuple):
    """What callers of a service see."""

    rate: float
    """Requests a second, 0 where one trace alone says nothing of it."""
    latencies: tuple[Nanos, ...]
    """Sorted."""


def seen(linked: Linked, senders: Sequence[str] = ()) -> dict[str, Seen]:
    """Rate and latencies by service; requests of `senders` count as those of clients without spans."""
    spans: dict[str, list[Nanos]] = {}
    starts = [item.start for item in linked.handled if item.root]
    for item in linked.handled:
        outside = item.way is None or item.sender in senders
        latency = item.end - item.start + (0 if outside or item.way is None else item.way)
        spans.setdefault(item.key.service, []).append(latency)
    window = (max(starts) - min(starts)) / SECOND
    return {name: Seen(len(times) / window if window else 0.0, tuple(sorted(times))) for name, times in spans.items()}


def simulated(files: Sequence[Path], folder: Path, sidecars: bool = True) -> tuple[Linked, Linked]:
    """The requests of the traces, and those of ten minutes of their scenario."""
    measured = link(read_traces(files))
    made = scenario_of(estimate(measured), Choices("compared", 10 * MINUTE, sidecars=sidecars))
    scenario = write_imported(made, folder, overwrite=True)[0]
    outcome = run_file(scenario, RunRequest(settings=RunSettings(), results=folder / "results"))
    assert outcome.run is not None, outcome.error
    exported = folder / "traces.json"
    exported.write_text(traces_json(outcome.run), encoding="utf-8")
    return measured, link(read_traces([exported]))


def table(measured: dict[str, Seen], again: dict[str, Seen]) -> list[str]:
    """The comparison as a table in Markdown, measured / simulated."""
    lines = ["| service | requests/s | p50 | p90 | p99 |", "|---|---|---|---|---|"]
    for name, before in sorted(measured.items()):
        after = again.get(name)
        if after is None:
            lines.append(f"| {name} | {before.rate:.2f} / none | | | |")
            continue
        cells = [f"{before.rate:.2f} / {after.rate:.2f}"]
        cells += [f"{short(quantile(before.latencies, q))} / {short(quantile(after.latencies, q))}" for q in SHARES]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def main(files: Sequence[Path]) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        measured, again = simulated(files, Path(folder))
    print("\n".join(table(seen(measured), seen(again, ("clients",)))))


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
