"""Modules and functions stay small enough to be read in one go."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
MAX_MODULE: Final = 600
MAX_FUNCTION: Final = 60
LONG: Final = frozenset({"meshsim/dataplane/core.py", "tests/dataplane/test_core.py"})
"""The event core is one source file by design: numba compiles it as a whole. Its tests mirror it."""


def _sources() -> list[tuple[str, str]]:
    folders = ("meshsim", "tests", "tools")
    return [
        (path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*.py"))
    ]


def test_modules_are_short() -> None:
    lengths = {name: len(source.splitlines()) for name, source in _sources() if name not in LONG}
    too_long = [f"{name}: {count} lines" for name, count in lengths.items() if count > MAX_MODULE]
    assert not too_long, f"modules over {MAX_MODULE} lines:\n" + "\n".join(too_long)


def test_functions_are_short() -> None:
    too_long: list[str] = []
    for name, source in _sources():
        if name in LONG:
            continue
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = _length(node)
                if length > MAX_FUNCTION:
                    too_long.append(f"{name}:{node.lineno} {node.name}: {length} lines")
    assert not too_long, f"functions over {MAX_FUNCTION} lines:\n" + "\n".join(too_long)


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring."""
    body = node.body
    total = (node.end_lineno or node.lineno) - node.lineno + 1
    first = body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        total -= (first.end_lineno or first.lineno) - first.lineno + 1
    return total
