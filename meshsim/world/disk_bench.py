"""What it costs to record every request: the load-test mesh with all rows on disk beside one that records a hundredth.

Both run in turn on the same machine. Rows go the way of a run: translated into names and written as a recording's
parquet file beside the engine.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypedDict

from meshsim.dataplane.bench import build_mesh
from meshsim.dataplane.engine import Engine
from meshsim.network import OUTSIDE_PARTY
from meshsim.recording import RunWriter
from meshsim.units import SECOND, Nanos
from meshsim.world.behaviour import Behaviour
from meshsim.world.counting import CountedCluster
from meshsim.world.directory import Directory, Group, PodEntry
from meshsim.world.flows import Flow, Way
from meshsim.world.handing import RowHand, Rows
from meshsim.world.recorder import RequestRecorder

NAME: Final = "rows-to-disk"
_SERVICES: Final = 50
_RATE: Final = 70.0
_PODS: Final = 2
_NOBODY: Final = Behaviour(-1, ())


class DiskCase(TypedDict):
    """What the case gave."""

    name: str
    requests_per_s: float
    """With all rows on disk."""
    requests_per_s_without: float
    """With the rows of a hundredth of the requests, which are thrown away."""
    cost_percent: float
    """How much longer all rows take."""
    rows: int
    bytes_per_row: float


@dataclass(slots=True)
class _Side:
    """One of the two meshes, and where its rows go."""

    engine: Engine
    hand: RowHand

    def run(self, span: Nanos) -> float:
        """Seconds for so much simulated time, until its rows are where they go."""
        begin = time.perf_counter()
        until = self.engine.now + span
        while self.engine.now < until:
            self.engine.run_until(min(self.engine.now + span // 8, until))
            self.engine.hand_rows()
        self.engine.drain_series()
        self.hand.finish()
        return time.perf_counter() - begin


def named_mesh(engine: Engine, services: int) -> RequestRecorder:
    """Names for the load-test mesh of so many services in an engine."""
    directory = Directory()
    for number in range(services * _PODS):
        service = number // _PODS
        entry = PodEntry(
            name=f"service-{service}-{number % _PODS}",
            namespace="bench",
            uid=str(number),
            address=f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}",
            party=OUTSIDE_PARTY,
            group=Group("bench", f"service-{service}", "v1"),
            service_account="default",
            has_proxy=True,
            is_gateway=False,
            number=number,
            proxy_number=number,
            behaviour=_NOBODY,
        )
        directory.add(entry)
    flows = [
        _flow(number, directory.all[number % len(directory.all)]) for number in range(engine.tables.length("flow"))
    ]
    recorder = RequestRecorder(engine, directory, flows, [f"gateway-{number}" for number in range(4)])
    for number in range(engine.tables.length("cluster_row")):
        recorder.note_cluster(CountedCluster("", f"outbound|80||service-{number % services}.bench.svc.cluster.local"))
    return recorder


def _flow(number: int, entry: PodEntry) -> Flow:
    service = f"{entry.group.app}.bench.svc.cluster.local"
    return Flow(
        number, entry, entry, entry.group, entry.name, service, 80, service, "GET", "/", {}, service=service,
        expected=entry.group, ways=[Way("default")],
    )  # fmt: skip


def run_disk_case(*, mode: str | None = None, rounds: int = 10, span: Nanos | None = None) -> DiskCase:
    """Measure the case: the best of `rounds` stretches of each side, in turn."""
    plain = Engine(1, mode=mode, stations=False, sample_rate=0.01)
    full = Engine(1, mode=mode, stations=False, sample_rate=1.0)
    for engine in (plain, full):
        build_mesh(engine, _SERVICES)
    recorder = named_mesh(full, _SERVICES)
    if span is None:
        wall = 20_000 if full.mode == "plain" else 600_000
        span = round(wall / (_RATE * _SERVICES) * SECOND)
    with tempfile.TemporaryDirectory() as folder:
        writer = RunWriter(Path(folder), 1)

        def write(rows: Rows) -> None:
            recorder.write(rows, writer)
            full.reuse_rows(rows)

        with RowHand(lambda rows: None) as nowhere, RowHand(write) as disk:
            sides = (_Side(plain, nowhere), _Side(full, disk))
            for side in sides:
                side.engine.on_rows = side.hand.add
                side.run(span // 4)
            finished = full.counters.finished
            times = [[side.run(span) for side in sides] for _ in range(rounds)]
        writer.close()
        size = (Path(folder) / "requests.parquet").stat().st_size
    requests = (full.counters.finished - finished) / rounds
    without, with_rows = (min(side) for side in zip(*times, strict=True))
    return DiskCase(
        name=NAME,
        requests_per_s=round(requests / with_rows, 1),
        requests_per_s_without=round(requests / without, 1),
        cost_percent=round(100 * (with_rows / without - 1), 1),
        rows=writer.rows,
        bytes_per_row=round(size / writer.rows, 1),
    )
