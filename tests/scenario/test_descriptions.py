"""Texts below the fields are found, inherited ones included."""

from __future__ import annotations

from meshsim.scenario.descriptions import description, descriptions
from meshsim.scenario.expectations import SuccessRate
from meshsim.scenario.schema import nodes


def test_inherited_fields_keep_their_text() -> None:
    found = descriptions(SuccessRate)
    assert found["min"] == "Not less than this."
    assert found["during"] == "Only what began in these windows."
    assert found["of"].startswith("Name of a traffic")


def test_every_field_of_every_mapping_has_one() -> None:
    without = [
        f"{node.__name__}.{name}" for node in nodes() for name in node.model_fields if not description(node, name)
    ]
    assert without == []
