"""The JSON Schema says the same as the model."""

from __future__ import annotations

import jsonschema
import pytest
import yaml

from meshsim.scenario.schema import schema

from .test_model import EXAMPLE


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    jsonschema.Draft202012Validator.check_schema(schema())
    return jsonschema.Draft202012Validator(schema())


def test_what_the_model_takes_the_schema_takes(validator: jsonschema.Draft202012Validator) -> None:
    # YAML cuts an unquoted distribution in a flow mapping in two, which the loader mends and an editor cannot.
    document = yaml.safe_load(EXAMPLE.replace("lognormal(8ms, 1.4)", "5ms").replace("lognormal(14ms, 1.3)", "5ms"))
    validator.validate(document)


@pytest.mark.parametrize(
    "change",
    [
        {"duration": 600},
        {"expct": []},
        {"traffic": [{"name": "t", "request": {"host": "a"}, "rate": 50, "through": "g"}]},
        {"timeline": [{"id": "a", "at": "1m", "kill": {"nod": "x"}}]},
        {"seeds": 0},
        {"workloads": [{"match": {"app": "a"}, "serve": {"style": "thread"}}]},
    ],
)
def test_what_the_model_refuses_the_schema_refuses(
    validator: jsonschema.Draft202012Validator, change: dict[str, object]
) -> None:
    minimal = {"apiVersion": "meshsim/v1alpha1", "kind": "Scenario", "name": "x", "duration": "1m"}
    validator.validate(minimal)
    assert not validator.is_valid({**minimal, **change})


def test_every_key_has_a_description() -> None:
    document = schema()
    without = [
        f"{name}.{key}"
        for name, definition in {"Scenario": document, **document["$defs"]}.items()
        for key, field in definition.get("properties", {}).items()
        if "description" not in field
    ]
    assert without == []
