"""Scalars as Kubernetes reads them, and problems of whole trees."""

from __future__ import annotations

import pytest
import yaml

from meshsim.api.yaml_loader import Values, compose


def _value(text: str) -> object:
    node = compose(text)
    assert node is not None
    values = Values()
    value = values.value(node)
    assert values.problems == []
    return value


def _problems(text: str, first_line: int = 1) -> list[str]:
    node = compose(text)
    assert node is not None
    values = Values(first_line)
    values.value(node)
    return [f"{p.line}:{p.column} {p.message} ({p.hint})" for p in values.problems]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("y", True),
        ("No", False),
        ("on", True),
        ("'y'", "y"),
        ("0644", 420),
        ("0x1F", 31),
        ("1_000", 1000),
        ("-7", -7),
        ("1e3", 1000.0),
        ("1.5", 1.5),
        ("22:22", "22:22"),
        ("2024-01-01", "2024-01-01"),
        ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"),
        ("~", None),
        ("1.2.3", "1.2.3"),
        ("08", 8.0),
        ("!!str 5", "5"),
        ("=", "="),
    ],
)
def test_scalars(text: str, expected: object) -> None:
    value = _value(text)
    assert value == expected
    assert type(value) is type(expected)


def test_keys_become_text() -> None:
    assert _value("{8080: a, true: b, 1.5: c}") == {"8080": "a", "true": "b", "1.5": "c"}


def test_bare_words_that_become_boolean_keys_are_refused() -> None:
    assert _problems("{x: 1, y: 2}") == ["0:7 the key y is read as the boolean true (put it in quotes: 'y')"]
    assert _value("{'y': 2}") == {"y": 2}


def test_merges_do_not_override() -> None:
    text = "a: &a {x: 1, w: 2}\nb: &b {w: 3, z: 4}\nc: {<<: [*a, *b], x: 0}\nd: {<<: *a}\n"
    value = _value(text)
    assert isinstance(value, dict)
    assert value["c"] == {"x": 0, "w": 2, "z": 4}
    assert value["d"] == {"x": 1, "w": 2}


def test_a_key_given_twice_names_the_first_line() -> None:
    assert _problems("a: 1\nb: {c: 1, c: 2}\na: 3\n", 11) == [
        "1:10 the key 'c' is given twice (first in line 12)",
        "2:0 the key 'a' is given twice (first in line 11)",
    ]


def test_a_merged_mapping_may_override_its_own_base() -> None:
    assert _problems("a: &a {x: 1}\nb: &b {<<: *a, x: 2}\nc: {<<: *b, x: 3}\n") == []


def test_all_problems_are_collected() -> None:
    found = _problems("a: !Ref x\n? [1]\n: b\n~: c\nd: .inf\n")
    assert [line.split(" (")[0] for line in found] == [
        "0:3 the YAML tag '!Ref' is not used in manifests",
        "1:2 a mapping key must be text",
        "3:0 a mapping key must not be null",
        "4:3 '.inf' is not a value of the type float",
    ]


def test_the_python_parser_is_asked_when_the_c_parser_fails() -> None:
    with pytest.raises(yaml.YAMLError):
        compose("a: [::1]")
    assert _value("a: [b::c]") == {"a": ["b::c"]}
