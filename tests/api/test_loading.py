"""Manifests to objects: every file, however broken, ends in objects or in one clear error each."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from meshsim.api import Loaded, Origin, load_file, load_paths, load_text, object_from_body, read_text
from meshsim.errors import InputError, InputErrors, Position

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: NAME}\nspec: {containers: [{name: a, image: a}]}\n"
MANIFESTS = ("bookinfo", "online-boutique", "train-ticket", "deathstarbench-hotel", "teastore")


def _documents(files: list[Path]) -> int:
    """Objects in files, counted without our loader: each has its kind at the start of a line."""
    texts = [path.read_text(encoding="utf-8") for path in files]
    return sum(text.startswith("kind: ") + text.count("\nkind: ") for text in texts)


def _lines(error: InputErrors) -> list[str]:
    return str(error).splitlines()


@pytest.mark.needs_shared
@pytest.mark.parametrize("application", MANIFESTS)
def test_upstream_manifests_load_unchanged(shared: Path, application: str) -> None:
    folder = shared / "data" / application
    loaded = load_paths([str(folder)])
    files = [path for suffix in ("yaml", "yml") for path in sorted(folder.rglob(f"*.{suffix}"))]
    assert len({item.origin.file for item in loaded.objects if item.origin}) == len(files)
    assert len(loaded.objects) == _documents(files)


@pytest.mark.needs_shared
def test_all_recorded_worlds_load_unchanged(oracle: Path) -> None:
    files = sorted(path for name in ("world", "istio") for path in (oracle / "worlds").glob(f"*/{name}.yaml"))
    assert len({path.parent for path in files}) == 75
    assert sum(len(load_file(path).objects) for path in files) == _documents(files)


def test_identity_and_origin(load: Callable[[str], Loaded]) -> None:
    (item,) = load("# x\n---\n" + POD.replace("NAME", "web")).objects
    assert str(item) == "Pod default/web"
    assert item.origin is not None
    assert item.origin.line == 2
    assert item.position("spec.containers[0].image") == Position("m.yaml", 6, 31)


def test_all_errors_come_at_once(errors: Callable[[str], list[str]]) -> None:
    text = (
        "apiVersion: v1\nkind: Service\nmetadata: {name: web, lables: {a: b}}\nspec:\n  ports:\n  - prot: 80\n"
        "---\na: [\n---\napiVersion: v1\nkind: Servce\nmetadata: {name: x}\n"
    )
    assert errors(text) == [
        "m.yaml:9:1: error: not valid YAML: expected the node content, but found '<stream end>'",
        "m.yaml:3:23: error: unknown field 'metadata.lables' (did you mean 'labels'?)  [Service default/web]",
        "m.yaml:6:5: error: unknown field 'spec.ports[0].prot' (did you mean 'port'?)  [Service default/web]",
        "m.yaml:6:5: error: the field 'port' is required  [Service default/web]",
        "m.yaml:11:1: error: there is no kind 'Servce' in 'v1' (did you mean 'Service'?)  [Servce default/x]",
    ]


def test_booleans_and_numbers_where_text_is_needed(errors: Callable[[str], list[str]]) -> None:
    text = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: a\n  labels: {app: y, version: 1, ok: 'yes'}\n"
    assert errors(text) == [
        "m.yaml:5:12: error: 'metadata.labels.app' must be text, y is read as a boolean (put it in quotes: \"y\")"
        "  [Namespace a]",
        "m.yaml:5:20: error: 'metadata.labels.version' must be text, 1 is read as a number (put it in quotes: \"1\")"
        "  [Namespace a]",
    ]


def test_a_bare_y_as_a_name(errors: Callable[[str], list[str]]) -> None:
    (line,) = errors("apiVersion: v1\nkind: Namespace\nmetadata: {name: y}\n")
    assert "metadata.name must be text, 'y' is read as a boolean (put it in quotes: \"y\")" in line


def test_lists_are_unwrapped(load: Callable[[str], Loaded], errors: Callable[[str], list[str]]) -> None:
    items = "".join("- " + POD.replace("NAME", name).replace("\n", "\n  ").rstrip() + "\n" for name in ("a", "b"))
    loaded = load("apiVersion: v1\nkind: List\nitems:\n" + items)
    assert [item.name for item in loaded.objects] == ["a", "b"]
    assert loaded.objects[1].position("metadata.name") == Position("m.yaml", 10, 14)
    assert errors("apiVersion: v1\nkind: PodList\nitems:\n- 5\n")[0].startswith("m.yaml:4:3")


def test_kinds_without_effect_are_reported_once_a_file(load: Callable[[str], Loaded]) -> None:
    text = "".join(
        f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: {name}}}\n---\n"
        for version, kind, name in (
            ("v1", "ConfigMap", "a"),
            ("v1", "ConfigMap", "b"),
            ("cert-manager.io/v1", "Certificate", "c"),
        )
    )
    loaded = load(text)
    assert len(loaded.objects) == 3
    assert [str(finding) for finding in loaded.findings] == [
        "m.yaml:1:1: info: ConfigMap (v1) is accepted, not simulated (2 objects in this file)  [ConfigMap default/a]",
        "m.yaml:9:1: info: Certificate (cert-manager.io/v1) is accepted, not simulated  [Certificate default/c]",
    ]


def test_what_is_simulated_in_part_says_so(load: Callable[[str], Loaded]) -> None:
    text = "apiVersion: telemetry.istio.io/v1\nkind: Telemetry\nmetadata: {name: t}\nspec: {}\n"
    assert [finding.message for finding in load(text).findings] == [
        "Telemetry (telemetry.istio.io/v1) is in force in the proxies' configuration; nothing is sent to a collector"
    ]


def test_snake_case_of_istio_is_read_and_reported(load: Callable[[str], Loaded]) -> None:
    text = (
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: a}\nspec:\n  host: a\n"
        "  traffic_policy:\n    load_balancer: {simple: RANDOM}\n"
    )
    loaded = load(text)
    assert loaded.objects[0].spec.fields("trafficPolicy").fields("loadBalancer").text("simple") == "RANDOM"
    assert [finding.code for finding in loaded.findings] == ["MSH0104", "MSH0104"]
    assert loaded.findings[1].position == Position("m.yaml", 7, 5)
    assert loaded.objects[0].position("spec.trafficPolicy.loadBalancer") == Position("m.yaml", 7, 5)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- 1\n", "is a mapping with apiVersion and kind, this is a list"),
        ("5\n", "is a mapping with apiVersion and kind, this is the value 5"),
        ("a: 1\n", "it has neither apiVersion nor kind"),
        ("kind: Pod\nmetadata: {name: a}\n", "the field 'apiVersion' is missing"),
        ("apiVersion: v1\nkind: 5\n", "the field 'kind' is missing or not text"),
        ("apiVersion: v1\nkind: Pod\n", "the field 'metadata' is missing"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {}\n", "the field 'metadata.name' is missing"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: [a]}\n", "metadata.name must be text"),
        ("apiVersion: apps/v1beta1\nkind: Deployment\nmetadata: {name: a}\n", "(use apps/v1)"),
    ],
)
def test_what_is_no_object(errors: Callable[[str], list[str]], text: str, expected: str) -> None:
    (line,) = errors(text)
    assert expected in line


def test_inline_objects_point_into_their_document() -> None:
    text = "timeline:\n- apply:\n    apiVersion: v1\n    kind: Namespace\n    metadata: {nam: x, name: a}\n"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"nam": "x", "name": "a"}}
    with pytest.raises(InputErrors) as caught:
        object_from_body(body, Origin("s.yaml", 1, text, "timeline[0].apply"))
    assert _lines(caught.value)[0].startswith("s.yaml:5:16: error: unknown field 'metadata.nam'")


def test_unreadable_files_give_one_error_each(tmp_path: Path) -> None:
    (tmp_path / "binary.yaml").write_bytes(b"\x7fELF\x00\x00\xff\xfe")
    (tmp_path / "latin.yaml").write_bytes(b"a: 1\nb: caf\xe9\n")
    (tmp_path / "nul.yaml").write_bytes(b"a: \x00\n")
    (tmp_path / "empty.yaml").write_bytes(b"")
    (tmp_path / "dir.yaml").mkdir()
    with pytest.raises(InputErrors) as caught:
        load_paths(["binary.yaml", "latin.yaml", "nul.yaml", "missing-file", "latn.yaml", "*.nope"], tmp_path)
    found = [line.replace(str(tmp_path) + os.sep, "") for line in _lines(caught.value)]
    assert found == [
        "missing-file: error: there is no file 'missing-file'",
        "latn.yaml: error: there is no file 'latn.yaml' (did you mean 'latin.yaml'?)",
        "*.nope: error: no file matches '*.nope'",
        "binary.yaml: error: this is a binary file, not a manifest",
        "latin.yaml:2:7: error: the byte 0xE9 is not UTF-8 text (save the file as UTF-8)",
        "nul.yaml: error: this is a binary file, not a manifest",
    ]
    assert [finding.code for finding in load_file(tmp_path / "empty.yaml").findings] == ["MSH0101"]
    with pytest.raises(InputError, match="is a folder, a file is needed"):
        read_text(tmp_path / "dir.yaml")


def test_a_file_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: 1")

    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(InputErrors, match="cannot be read: Permission denied"):
        load_file(path)


def test_folders_globs_and_repeated_objects(tmp_path: Path) -> None:
    (tmp_path / "deep" / ".hidden").mkdir(parents=True)
    for name in ("deep/b.yml", "a.yaml", "deep/.hidden/c.yaml"):
        (tmp_path / name).write_text(POD.replace("NAME", "web"))
    (tmp_path / "notes.txt").write_text("no manifest")
    loaded = load_paths([".", "a.yaml", "deep/*.yml"], tmp_path)
    assert [Path(item.origin.file).name for item in loaded.objects if item.origin] == ["a.yaml", "b.yml"]
    assert [finding.code for finding in loaded.findings] == ["MSH0102"]
    assert "replaces that of" in loaded.findings[0].message


def test_a_missing_path_is_reported_where_it_was_asked_for(tmp_path: Path) -> None:
    with pytest.raises(InputErrors) as caught:
        load_paths(["nope/"], tmp_path, {"nope/": Position("scenario.yaml", 12, 5)})
    assert _lines(caught.value)[0].startswith("scenario.yaml:12:5: error: there is no file")


def test_a_name_no_file_can_have_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputErrors) as caught:
        load_paths(["x" * 5000], tmp_path)
    assert "cannot be read: File name too long" in _lines(caught.value)[0]


def test_a_template_is_one_error(errors: Callable[[str], list[str]]) -> None:
    assert len(errors("{{- range .Values.apps }}\n---\nname: {{ .name }}\n---\n{{- end }}\n")) == 1


def test_texts_that_are_files_elsewhere() -> None:
    assert load_text("", "m.yaml") == Loaded((), ())


def _broken(draws: random.Random, body: Any) -> Any:
    """A copy of a document with one value somewhere replaced by something odd."""
    copy = json.loads(json.dumps(body))
    here: Any = copy
    while True:
        keys = list(here) if isinstance(here, dict) else list(range(len(here)))
        key = draws.choice(keys)
        inner = here[key]
        if not isinstance(inner, dict | list) or not inner or draws.random() < 0.2:
            here[key] = draws.choice(
                [None, True, 0, -1, 70_000, 1.5, "", "*", "a/b", "%", "(", [], [None], {}, {"a": None}]
            )
            return copy
        here = inner


@pytest.mark.needs_shared
def test_no_document_leads_to_another_exception(recorded_cases: list[dict[str, Any]]) -> None:
    draws = random.Random(11)
    accepted = refused = 0
    for _ in range(2_000):
        body = _broken(draws, draws.choice(recorded_cases)["object"])
        try:
            object_from_body(body, Origin("m.json", 1, json.dumps(body)))
        except InputErrors:
            refused += 1
        else:
            accepted += 1
    assert refused > 1_000
    assert accepted > 20
