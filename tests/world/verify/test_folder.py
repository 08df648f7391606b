"""Folders of recordings, and what is wrong with others."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from meshsim.errors import InputError, MeshsimError
from meshsim.world.verify.folder import (
    read_json,
    read_mapping,
    read_proxies,
    read_proxy,
    read_recording,
    read_world,
    recorded_names,
    world_names,
)


def test_a_folder_without_worlds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="worlds"):
        world_names(tmp_path)


def test_a_minimal_folder(tmp_path: Path) -> None:
    world = tmp_path / "worlds" / "w"
    world.mkdir(parents=True)
    (world / "world.yaml").write_text("apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n")
    (world / "meshconfig.yaml").write_text("trustDomain: td\n")
    recording = tmp_path / "xds" / "w"
    recording.mkdir(parents=True)
    body = {"node": {"id": "x"}, "cds": [{"name": "c"}]}
    (recording / "ns__pod.json.gz").write_bytes(gzip.compress(json.dumps(body).encode()))
    assert world_names(tmp_path) == ["w"]
    read = read_world(tmp_path, "w")
    assert [o.kind for o in read.objects] == ["Namespace"]
    assert read.mesh_overrides == {"trustDomain": "td"}
    (proxy,) = read_proxies(tmp_path, "xds", "w")
    assert (proxy.id, proxy.node, dict(proxy.resources)) == ("ns/pod", {"id": "x"}, {"cds": [{"name": "c"}]})


@pytest.mark.parametrize(
    "data",
    [b"not gzip", gzip.compress(b"{"), gzip.compress(b"\xff")],
    ids=["no gzip", "cut short", "no text"],
)
def test_broken_recordings_are_input_errors(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.json.gz"
    path.write_bytes(data)
    with pytest.raises(InputError):
        read_json(path)


@pytest.mark.parametrize("text", ["- 1\n", "a: 1\n---\nb: 2\n", "a: [\n"], ids=["list", "two", "broken"])
def test_a_mesh_configuration_is_one_mapping(tmp_path: Path, text: str) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(text)
    with pytest.raises(MeshsimError):
        read_mapping(path)


def test_one_proxy_and_the_names_of_a_kind(tmp_path: Path) -> None:
    (tmp_path / "xds" / "w").mkdir(parents=True)
    (tmp_path / "xds" / "w" / "ns__pod.json").write_text('{"node": {"id": "x"}, "cds": []}')
    assert read_proxy(tmp_path, "xds", "w", "ns/pod").node == {"id": "x"}
    with pytest.raises(InputError, match="cannot read"):
        read_proxy(tmp_path, "xds", "w", "ns/other")
    (tmp_path / "calls").mkdir()
    (tmp_path / "calls" / "b.json").write_text("[1]")
    (tmp_path / "calls" / "a.json.gz").write_bytes(gzip.compress(b"[2]"))
    (tmp_path / "calls" / "README.md").write_text("")
    assert recorded_names(tmp_path, "calls") == ["a", "b"]
    assert recorded_names(tmp_path, "none") == []
    assert [read_recording(tmp_path, "calls", name) for name in ("a", "b")] == [[2], [1]]
