"""`meshsim sweep`: grids from the command line."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

RATES = "traffic.shoppers.rate=20/s,50"


def test_a_table(meshsim: Callable, shop: Path) -> None:
    done = meshsim("sweep", shop, "--over", RATES, "--seeds", 2, "--jobs", 1)
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0].split() == ["traffic.shoppers.rate", "seed", "ok", "requests", "served", "served:", "met"]
    assert [line.split()[:4] for line in lines[1:]] == [
        ["20/s", "1", "yes", "3600"],
        ["20/s", "2", "yes", "3600"],
        ["50", "1", "yes", "9000"],
        ["50", "2", "yes", "9000"],
    ]


def test_json_and_csv(meshsim: Callable, shop: Path) -> None:
    rows = json.loads(meshsim("sweep", shop, "--over", RATES, "--jobs", 1, "-o", "json").out)
    assert [row["requests"] for row in rows] == [3600, 9000]
    text = meshsim("sweep", shop, "--over", RATES, "--jobs", 1, "-o", "csv").out
    assert [row["requests"] for row in csv.DictReader(io.StringIO(text))] == ["3600", "9000"]


def test_codes(meshsim: Callable, shop: Path) -> None:
    limit = "expect.served.success_rate.min=90%,99.99%"
    assert meshsim("sweep", shop, "--over", limit, "--jobs", 1).code == 1
    assert meshsim("sweep", shop, "--over", "nothing").code == 2
    assert meshsim("sweep", shop, "--over", "traffic.nobody.rate=1").code == 2


def test_distributions_hold_commas(meshsim: Callable, shop: Path) -> None:
    done = meshsim("sweep", shop, "--over", "duration=50s", "--jobs", 1, "-o", "json")
    assert json.loads(done.out)[0]["duration"] == "50s"
    from meshsim.cli.sweep import _values

    assert _values("a.b=lognormal(8ms, 1.4),5ms") == ("a.b", ["lognormal(8ms, 1.4)", "5ms"])
