"""`meshsim proxy-config` on a recording."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def recording(small: Path) -> Path:
    return small.parent / "results" / "small"


def test_clusters_in_istioctls_columns(meshsim: Callable, recording: Path) -> None:
    done = meshsim("proxy-config", "cluster", "front", recording)
    assert done.code == 0
    assert done.out.splitlines()[0].split("  ")[0] == "SERVICE FQDN"
    (row,) = [line.split() for line in done.out.splitlines() if line.startswith("stock.shop.svc.cluster.local")]
    assert row == ["stock.shop.svc.cluster.local", "80", "-", "outbound", "EDS"]


def test_the_other_kinds(meshsim: Callable, recording: Path) -> None:
    assert "Route: 80" in meshsim("proxy-config", "listener", "front.shop", recording).out
    assert "HTTP+TCP" in meshsim("proxy-config", "listener", "front.shop", recording, "--no-verbose").out
    assert "stock.shop.svc.cluster.local:80" in meshsim("proxy-config", "routes", "front", recording).out
    assert "HEALTHY" in meshsim("proxy-config", "ep", "front", recording).out
    assert meshsim("proxy-config", "ecds", "front", recording).out == "ECDS NAME     TYPE\n"


def test_the_newest_recording_by_itself(meshsim: Callable, recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(recording.parent.parent)
    assert meshsim("proxy-config", "cluster", "front").code == 0


def test_json(meshsim: Callable, recording: Path) -> None:
    found = json.loads(meshsim("proxy-config", "cluster", "front", recording, "-o", "json").out)
    assert "outbound|80||stock.shop.svc.cluster.local" in [item["name"] for item in found]


def test_secrets_and_the_whole_dump(meshsim: Callable, recording: Path) -> None:
    assert "ROOTCA" in meshsim("proxy-config", "secret", "front", recording).out
    assert "default" in meshsim("proxy-config", "s", "front", recording, "-o", "json").out
    dump = json.loads(meshsim("proxy-config", "all", "front", recording, "-o", "json").out)
    clusters = next(item for item in dump["configs"] if item["@type"].endswith("ClustersConfigDump"))
    names = [item["cluster"]["name"] for item in clusters["dynamic_active_clusters"]]
    assert "outbound|80||stock.shop.svc.cluster.local" in names
    text = meshsim("proxy-config", "all", "front", recording).out
    assert all(title in text for title in ("SERVICE FQDN", "Route: 80", "VHOST NAME", "LOCALITY"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("clustre", "front"), "is not one of cluster, listener"),
        (("cluster", "frnt"), "did you mean 'front'?"),
    ],
)
def test_what_is_wrong(meshsim: Callable, recording: Path, arguments: tuple[str, ...], message: str) -> None:
    done = meshsim("proxy-config", *arguments, recording)
    assert done.code == 2
    assert message in done.err
