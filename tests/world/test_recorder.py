"""Log rows as named columns."""

from __future__ import annotations

from collections import Counter

from meshsim.dataplane.specs import Flag
from meshsim.units import SECOND
from meshsim.world.recorder import flag_text

from .conftest import run


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
