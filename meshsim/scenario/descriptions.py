"""What each field of the scenario file is for: the texts below the fields, read from the source when asked for.

pydantic can attach them itself, but parses a module once for each of its classes to do so, at every start.
"""

from __future__ import annotations

import ast
import inspect
import sys
from functools import cache

from meshsim.scenario.node import Node


def descriptions(node: type[Node]) -> dict[str, str]:
    """The text below each field of a mapping, its own and those it inherits."""
    found: dict[str, str] = {}
    for base in reversed(node.__mro__):
        if issubclass(base, Node):
            found |= _of_module(base.__module__).get(base.__name__, {})
    return found


def description(node: type[Node], field: str) -> str:
    """The text below one field, empty without one."""
    return descriptions(node).get(field, "")


@cache
def _of_module(name: str) -> dict[str, dict[str, str]]:
    tree = ast.parse(inspect.getsource(sys.modules[name]))
    return {statement.name: _of_class(statement) for statement in tree.body if isinstance(statement, ast.ClassDef)}


def _of_class(statement: ast.ClassDef) -> dict[str, str]:
    found: dict[str, str] = {}
    for field, text in zip(statement.body, statement.body[1:], strict=False):
        if not (isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)):
            continue
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant) and isinstance(text.value.value, str):
            found[field.target.id] = inspect.cleandoc(text.value.value)
    return found
