"""Files to scenarios: everything that is wrong is said at once, with its place; nothing ends in another exception."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshsim.errors import InputError, InputErrors
from meshsim.scenario import load_scenario, load_text
from meshsim.units import SECOND

from .conftest import Complain, Load

SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 80}]}\n"
HEAD = "apiVersion: meshsim/v1alpha1\nkind: Scenario\nname: x\nduration: 60s\n"
NAMES = (
    *("empty", "comment", "list", "words", "manifest", "two"),
    *("version", "syntax", "twice", "template", "deep", "bomb"),
)
BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 10)
)


def errors_of(path: Path) -> list[InputError]:
    with pytest.raises(InputErrors) as caught:
        load_scenario(path)
    return list(caught.value.errors)


def scenario(folder: Path, body: str) -> Path:
    path = folder / "scenario.yaml"
    path.write_text(HEAD + body)
    return path


def test_files_folders_globs_and_inline_objects(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "b.yaml").write_text(SERVICE.replace("name: a", "name: b"))
    (tmp_path / "a.yaml").write_text(SERVICE)
    (tmp_path / "c1.yaml").write_text(SERVICE.replace("name: a", "name: c"))
    inline = "{apiVersion: v1, kind: Service, metadata: {name: d}, spec: {ports: [{port: 80}]}}"
    loaded = load_scenario(scenario(tmp_path, f"resources: [a.yaml, more/, 'c*.yaml', {inline}]\n"))
    assert [item.name for item in loaded.objects] == ["a", "b", "c", "d"]
    where = loaded.objects[3].position("metadata.name")
    assert where is not None
    assert (where.file, where.line) == (str(tmp_path / "scenario.yaml"), 5)


def test_actions_come_in_the_order_of_their_times(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SERVICE)
    body = "timeline:\n  - {id: b, at: 20s, apply: a.yaml, for: 10s}\n  - {id: a, at: b-5s, delete: a.yaml}\n"
    loaded = load_scenario(scenario(tmp_path, body))
    found = [(action.id, action.at, action.until, action.detail) for action in loaded.actions]
    assert found == [
        ("a", 15 * SECOND, None, "delete Service default/a"),
        ("b", 20 * SECOND, 30 * SECOND, "apply Service default/a"),
    ]


def test_all_errors_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(SERVICE.replace("ports", "prts"))
    path = scenario(
        tmp_path,
        "seeds: 0\nresources: [bad.yaml, missing.yaml]\nworkloads:\n  - {mach: {app: a}}\n"
        "expect:\n  - {name: it, x: 1}\n",
    )
    found = [(error.position.line if error.position else 0, error.message) for error in errors_of(path)]
    text = "\n".join(message for _, message in found)
    assert "at least 1 replication" in text
    assert "unknown field 'mach'" in text
    assert "unknown field 'x'" in text
    assert "prts" in text
    assert "there is no file" in text
    own = [line for line, message in found if "prts" not in message]
    assert own[:3] == sorted(own[:3])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("# nothing\n", "the file is empty"),
        ("[1, 2]", "a scenario is a mapping, this is a list"),
        ("just words", "a scenario is a mapping, this is 'just words'"),
        (SERVICE, "this is a Service, not a scenario"),
        (HEAD + "---\n" + SERVICE, "a scenario file holds one document"),
        (HEAD.replace("v1alpha1", "v7"), "the version 'meshsim/v7' of the scenario format is not known"),
        ("a: [1, 2", "not valid YAML"),
        (HEAD + "name: again\n", "the key 'name' is given twice"),
        (HEAD + "description: {{ .Values.text }}\n", "template"),
        (HEAD + "description: " + "[" * 5000 + "]" * 5000, "nest"),
        (BOMB, "alias"),
    ],
    ids=NAMES,
)
def test_what_is_no_scenario(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_text(text)
    found = errors_of(path)
    assert message in found[0].message
    assert found[0].position is not None
    assert found[0].position.file == str(path)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert "there is no file" in errors_of(tmp_path / "nothing.yaml")[0].message
    assert "is a folder" in errors_of(tmp_path)[0].message
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\0\1\2")
    assert "binary" in errors_of(binary)[0].message


def test_a_scenario_of_text() -> None:
    assert load_text(HEAD, "memory.yaml").name == "x"


def test_a_mesh_config_is_checked(complain: Complain, load: Load) -> None:
    errors = complain("mesh: {meshConfig: {outboundTrafficPolicy: {mode: ALLOW}}}\n")
    assert [(error.message, error.hint) for error in errors] == [
        ("'ALLOW' is not a choice here", "did you mean 'ALLOW_ANY'?")
    ]
    assert errors[0].position is not None
    assert errors[0].position.column > 40
    loaded = load("mesh: {meshConfig: {outboundTrafficPolcy: {mode: REGISTRY_ONLY}}}\n")
    (finding,) = loaded.findings
    assert finding.message == "unknown field 'outboundTrafficPolcy', it is not read"
    assert finding.hint == "did you mean 'outboundTrafficPolicy'?"
