"""Folders of recordings, and what is wrong with others."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from meshsim.errors import InputError, MeshsimError
from meshsim.world.verify.folder import read_json, read_mapping, read_proxies, read_world, world_names


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
