"""Log rows as named columns."""

from __future__ import annotations

from meshsim.dataplane.specs import Flag
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
