"""Checking of a MeshConfig: names, types and choices of what it says."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from meshsim.api.schema.notation import parse_table
from meshsim.api.schema.reading import Family, Problem, Reading
from meshsim.api.schema.tables.istio_networking import TRAFFIC
from meshsim.api.schema.tables.mesh import MESH
from meshsim.api.schema.types import Message


class MeshProblems(NamedTuple):
    """What is wrong with a MeshConfig."""

    values: tuple[Problem, ...]
    """Fields whose value is none of theirs."""
    names: tuple[Problem, ...]
    """Fields that there are not: istiod refuses the file, unless it is of another release."""


def check_mesh_config(body: Mapping[str, object]) -> MeshProblems:
    """Check a MeshConfig as it stands in a file; fields without a value count as left out."""
    reading = Reading(Family.BUILT_IN)
    _schema().read(body, None, reading)
    names = [problem for problem in reading.problems if problem.message.startswith("unknown field ")]
    return MeshProblems(tuple(p for p in reading.problems if p not in names), tuple(names))


@cache
def _schema() -> Message:
    messages = parse_table(TRAFFIC)
    return parse_table(MESH, messages)["MeshConfig"]
