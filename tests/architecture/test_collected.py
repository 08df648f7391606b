"""Nothing looks like a test that pytest never runs."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
_FUNCTION: Final = ast.FunctionDef | ast.AsyncFunctionDef


def _uncollected(name: str, source: str) -> list[str]:
    """What of a test module pytest would pass over, each with its place and the reason."""
    tree = ast.parse(source)
    found: list[str] = []
    is_test_file = Path(name).name.startswith("test_")
    found.extend(_in_scope(name, tree.body, in_test_file=is_test_file))
    for node in ast.walk(tree):
        if isinstance(node, _FUNCTION):
            found.extend(
                f"{name}:{inner.lineno} {inner.name}: nested in {node.name}"
                for inner in ast.walk(node)
                if isinstance(inner, _FUNCTION) and inner is not node and inner.name.startswith("test_")
            )
    return found


def _in_scope(name: str, body: list[ast.stmt], *, in_test_file: bool) -> list[str]:
    found: list[str] = []
    counts = Counter(node.name for node in body if isinstance(node, _FUNCTION | ast.ClassDef))
    for node in body:
        if isinstance(node, _FUNCTION):
            if node.name.startswith("test") and not in_test_file:
                found.append(f"{name}:{node.lineno} {node.name}: the file is not named test_*.py")
            if node.name.startswith("test") and counts[node.name] > 1:
                found.append(f"{name}:{node.lineno} {node.name}: defined {counts[node.name]} times, the last one wins")
            if node.name.endswith("_test"):
                found.append(f"{name}:{node.lineno} {node.name}: named *_test instead of test_*")
        elif isinstance(node, ast.ClassDef):
            methods = [inner for inner in node.body if isinstance(inner, _FUNCTION)]
            tests = [inner for inner in methods if inner.name.startswith("test")]
            if tests and not node.name.startswith("Test") and "TestCase" not in ast.unparse(node):
                found.append(f"{name}:{node.lineno} class {node.name}: holds tests but is not named Test*")
            if node.name.startswith("Test") and tests and any(inner.name == "__init__" for inner in methods):
                found.append(f"{name}:{node.lineno} class {node.name}: has __init__, so pytest skips it")
            found.extend(_in_scope(name, list(node.body), in_test_file=in_test_file))
    return found


def test_every_test_is_collected() -> None:
    found = [
        line
        for path in sorted((ROOT / "tests").rglob("*.py"))
        for line in _uncollected(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
    ]
    assert not found, "\n".join(found)


def test_the_finder_sees_planted_tests() -> None:
    source = (
        "def test_a(): ...\n"
        "def test_a(): ...\n"
        "class ValidateSchemas:\n    def test_b(self): ...\n"
        "class TestC:\n    def __init__(self): ...\n    def test_c(self): ...\n"
        "def helper():\n    def test_d(): ...\n"
        "def checks_test(): ...\n"
    )
    reasons = " ".join(_uncollected("tests/test_planted.py", source))
    for expected in ("defined 2 times", "not named Test*", "has __init__", "nested in helper", "named *_test"):
        assert expected in reasons
    assert "not named test_*.py" in " ".join(_uncollected("tests/planted.py", "def test_a(): ...\n"))
