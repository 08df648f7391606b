"""A small mesh: a shop with sidecars that calls two versions of a stock, and a client without sidecar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from meshsim.recording import ColumnData, Record
from meshsim.scenario import load_text
from meshsim.testing.manifests import deployment_item, namespace_item, service_item
from meshsim.units import SECOND, Nanos
from meshsim.world.model import RunOptions, RunOutcome, World

APP = (
    namespace_item("shop", injected=True)
    + namespace_item("bare")
    + service_item("stock", "shop")
    + deployment_item("stock-v1", "shop", app="stock", version="v1", replicas=2, account="stock", port=8080)
    + deployment_item("stock-v2", "shop", app="stock", version="v2", account="stock", port=8080)
    + deployment_item("front", "shop", version="v1", account="front")
    + deployment_item("plain", "bare", version="v1")
)

HEAD = """
apiVersion: meshsim/v1alpha1
kind: Scenario
name: small
duration: {duration}
seeds: [7]
workloads:
  - match: {{app: stock}}
    serve: {{time: 5ms}}
traffic:
  - name: ask
    from: {{match: {{app: {sender}}}}}
    request: {{host: "stock.shop:80", path: /items}}
    rate: 100/s
    arrivals: constant
{timeline}
resources:
"""


@dataclass
class MemorySink:
    """Keeps what a run hands over."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    cells: list[dict[str, Any]] = field(default_factory=list)
    counters: list[dict[str, Any]] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    config: list[tuple[Nanos, str, str, str, bytes | None]] = field(default_factory=list)

    def add_requests(self, columns: Mapping[str, ColumnData]) -> None:
        self.rows += _rows(columns, "root")

    def add_series(self, columns: Mapping[str, ColumnData]) -> None:
        self.cells += _rows(columns, "second")

    def add_counters(self, columns: Mapping[str, ColumnData]) -> None:
        self.counters += _rows(columns, "value")

    def add_record(self, record: Record) -> None:
        self.records.append(record)

    def add_config(
        self, time: Nanos, proxy: str, type_url: str, changed: Mapping[str, bytes], removed: Sequence[str]
    ) -> None:
        self.config += [(time, proxy, type_url, name, body) for name, body in changed.items()]
        self.config += [(time, proxy, type_url, name, None) for name in removed]

    def of(self, kind: type) -> list[Any]:
        return [record for record in self.records if isinstance(record, kind)]


def _rows(columns: Mapping[str, ColumnData], plain: str) -> list[dict[str, Any]]:
    size = len(np.asarray(columns[plain]))
    return [{name: _value(data, index) for name, data in columns.items()} for index in range(size)]


def _value(data: Any, index: int) -> Any:
    if hasattr(data, "codes"):
        code = int(data.codes[index])
        return data.names[code] if code >= 0 else ""
    value = data if isinstance(data, str | int) else data[index]
    return value.item() if hasattr(value, "item") else value


@dataclass
class Ran:
    """A world after its run."""

    world: World
    sink: MemorySink
    outcome: RunOutcome


def build(
    *,
    istio: str = "",
    timeline: str = "",
    sender: str = "front",
    duration: str = "4s",
    more: str = "",
    sampling: float = 1.0,
    workloads: str = "",
    mode: str = "plain",
) -> tuple[World, MemorySink]:
    """The small mesh with further Istio objects (YAML list items), a timeline and other workloads."""
    text = HEAD.format(duration=duration, sender=sender, timeline=timeline) + APP + istio + more
    text = text.replace("traffic:\n", f"{workloads}traffic:\n", 1)
    sink = MemorySink()
    loaded = load_text(text, "small.yaml")
    return World(loaded, 7, sink, RunOptions(mode=mode, steps=4, sampling=sampling)), sink


def run(**parts: Any) -> Ran:
    """Build the small mesh and run it."""
    world, sink = build(**parts)
    return Ran(world, sink, world.run())


def seconds(count: float) -> Nanos:
    return round(count * SECOND)
