"""Provenance is written and read back, whoever wrote it."""

from __future__ import annotations

import json
from pathlib import Path

from meshsim.recording.manifest import FILE, Manifest, read_manifest
from meshsim.recording.schema import SCHEMA_VERSION

MANIFEST = Manifest(
    scenario="shop",
    scenario_file="shop.yaml",
    scenario_hash="ab",
    seeds=(1, 2),
    duration=10,
    until=9,
    versions={"python": "3"},
    notes=("mind the gap",),
)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    MANIFEST.write(tmp_path)
    assert read_manifest(tmp_path) == MANIFEST


def test_fields_of_later_versions_are_passed_over(tmp_path: Path) -> None:
    MANIFEST.write(tmp_path)
    content = json.loads((tmp_path / FILE).read_text())
    (tmp_path / FILE).write_text(json.dumps({**content, "colour": "red"}))
    assert read_manifest(tmp_path) == MANIFEST


def test_the_version_of_the_tables_is_in_it(tmp_path: Path) -> None:
    MANIFEST.write(tmp_path)
    assert json.loads((tmp_path / FILE).read_text())["schema"] == SCHEMA_VERSION
