"""The JSON Schema of scenario files, made from the model."""

from __future__ import annotations

import json
from typing import Any, Final

from meshsim.scenario.model import Scenario

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """The schema as a document."""
    made = Scenario.model_json_schema(by_alias=True)
    return {"$schema": DIALECT, **made, "title": "meshsim scenario"}


def schema_text() -> str:
    """The schema as text."""
    return json.dumps(schema(), indent=2, ensure_ascii=False)
