"""Log rows as named columns."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from meshsim.dataplane.specs import Flag
from meshsim.dataplane.storage import Mode
from meshsim.dataplane.tables import choose_mode
from meshsim.recording import RunSink, RunWriter
from meshsim.units import SECOND, Nanos
from meshsim.world.directory import Group
from meshsim.world.flows import Flow
from meshsim.world.model import RunOptions, World
from meshsim.world.recorder import RequestRecorder, flag_text

from .conftest import build, run


def test_flags_are_spelled_as_in_access_logs() -> None:
    assert flag_text(0) == ""
    assert flag_text(Flag.URX | Flag.UT) == "URX,UT"


def test_every_row_is_complete() -> None:
    ran = run(duration="2s")
    for row in ran.sink.rows:
        assert row["start"] <= row["attempt_start"] <= row["arrived"] <= row["served"] <= row["done"]
        assert row["done"] <= row["end"] <= row["request_end"]
        assert row["service"] == "stock.shop.svc.cluster.local"
        assert row["call"] == "GET /items"
        assert row["source_pod"].startswith("front-")
        assert row["pod"].startswith("stock-")


SPLIT_TRAFFIC = """  - name: wrong
    from: {match: {app: front}}
    request: {host: "stock.shop:80", path: /none}
    rate: 50/s
"""
FAULT = """
  - apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: stock, namespace: shop}
    spec:
      hosts: [stock]
      http:
        - match: [{uri: {exact: /none}}]
          directResponse: {status: 404}
        - route: [{destination: {host: stock}}]
"""
NAMES = (
    "traffic",
    "source",
    "source_namespace",
    "source_version",
    "destination",
    "destination_namespace",
    "destination_version",
    "service",
    "status",
    "flags",
)


def test_the_series_counts_every_request_whatever_is_recorded() -> None:
    full = run(duration="4s", timeline=SPLIT_TRAFFIC, istio=FAULT)
    part = run(duration="4s", timeline=SPLIT_TRAFFIC, istio=FAULT, sampling=0.01)
    assert 0 < len(part.sink.rows) < 40 < len(full.sink.rows)
    assert part.sink.cells == full.sink.cells
    counted: Counter[tuple[object, ...]] = Counter()
    total = 0
    for cell in full.sink.cells:
        counted[(cell["second"], *(cell[name] for name in NAMES))] += cell["count"]
        total += cell["total"]
    seen = [row for row in full.sink.rows if row["last"] and not row["mirror"]]
    assert counted == Counter((row["request_end"] // SECOND, *(row[name] for name in NAMES)) for row in seen)
    assert total == sum(row["request_end"] - row["start"] for row in seen)
    assert {row["traffic"] for row in full.sink.cells} == {"ask", "wrong"}


CHANGES = """
timeline:
  - {id: gone, at: 1s, for: 1s, delete: {kind: Service, name: stock, namespace: shop}}
  - id: bare
    at: 5s
    apply:
      apiVersion: networking.istio.io/v1
      kind: DestinationRule
      metadata: {name: stock, namespace: shop}
      spec: {host: stock, trafficPolicy: {tls: {mode: DISABLE}}}
"""


Said = tuple[Flow, Nanos, str, Group]


def _named(world: World, row: dict[str, Any], meanings: list[Said]) -> dict[str, object]:
    """What a recording says of a log row, looked up one by one."""
    flow = world.router.flows[row["flow"]]
    service, meant = [(said[2], said[3]) for said in meanings if said[0] is flow and said[1] <= row["start"]][-1]
    pod = world.directory.all[row["pod"]] if row["pod"] >= 0 else None
    group = pod.group if pod is not None else meant._replace(version="")
    return {
        **{name: row[name] for name in ("root", "request", "attempt", "start", "status")},
        **{name: row[name] or -1 for name in ("parent", "attempt_start", "arrived", "served", "done", "end")},
        "request_end": row["request_end"] or -1,
        "last": bool(row["last"]),
        "mirror": bool(row["mirror"]),
        "traffic": ("ask", "wrong", "")[row["source"]],
        "source": flow.source.app,
        "source_namespace": flow.source.namespace,
        "source_version": flow.source.version,
        "source_pod": flow.source_pod,
        "destination": group.app,
        "destination_namespace": group.namespace,
        "destination_version": group.version,
        "service": service,
        "pod": pod.name if pod is not None else "",
        "endpoint": str(world.engine.host_name(row["host"])[1]) if row["host"] >= 0 else "",
        "call": f"{flow.method} {flow.path}",
        "route": flow.way(row["route_version"]).route,
        "session": flow.way(row["route_version"]).session,
        "cluster": world.recorder.clusters[row["cluster"]].name if row["cluster"] >= 0 else "",
        "flags": flag_text(row["flags"]),
        "seed": 7,
    }


@pytest.mark.parametrize("mode", ["plain", "numba"])
def test_the_file_has_every_row_of_the_engine_in_order_with_its_names(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if choose_mode("numba") is Mode.PLAIN:
        pytest.skip("numba is not installed")
    monkeypatch.setattr("meshsim.dataplane.engine._LOG_ROWS", 256)
    loaded = build(duration="9s", timeline=SPLIT_TRAFFIC + CHANGES, istio=FAULT)[0].loaded
    writer = RunWriter(tmp_path, 7)
    meanings: list[Said] = []
    note = RequestRecorder.note_meaning

    def hear(recorder: RequestRecorder, flow: Flow, since: Nanos) -> None:
        meanings.append((flow, since, flow.service, flow.expected))
        note(recorder, flow, since)

    monkeypatch.setattr(RequestRecorder, "note_meaning", hear)
    world = World(loaded, 7, writer, RunOptions(mode=mode, steps=9))
    seen: list[dict[str, Any]] = []
    write = world.recorder.write

    def look(rows: Any, sink: RunSink) -> None:
        seen.extend(dict(zip(rows.dtype.names, row)) for row in rows.tolist())
        write(rows, sink)

    monkeypatch.setattr(world.recorder, "write", look)
    outcome = world.run()
    writer.close()
    found = pq.read_table(tmp_path / "requests.parquet").to_pylist()
    security = [row.pop("security") for row in found]
    assert found == [_named(world, row, meanings) for row in seen]
    assert {row["service"] for row in found} == {"stock.shop", "stock.shop.svc.cluster.local"}
    assert sum(row["attempt"] > 0 for row in found) == outcome.attempts > 800
    assert sum(row["last"] and not row["mirror"] for row in found) == outcome.requests
    assert outcome.digest == run(duration="9s", timeline=SPLIT_TRAFFIC + CHANGES, istio=FAULT).outcome.digest
    assert 0 in {row["status"] for row in found}
    known = [
        (kind, row["attempt_start"]) for kind, row in zip(security, found) if row["cluster"].startswith("outbound")
    ]
    assert {kind for kind, start in known if start < 5 * SECOND} == {"mutual_tls"}
    assert {kind for kind, start in known if start > 6 * SECOND} == {"none"}
