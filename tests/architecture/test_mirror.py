"""Every module has the test file that its name promises, and every test file a module."""

from __future__ import annotations

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]

WITHOUT_TESTS: Final = {
    "meshsim/__main__.py": "calls the command line, which tests/cli runs as a process",
    "meshsim/api/schema/tables/gateway_api.py": "data; tests/api/schema/test_tables.py reads all tables",
    "meshsim/api/schema/tables/istio_networking.py": "data; tests/api/schema/test_tables.py reads all tables",
    "meshsim/api/schema/tables/istio_policies.py": "data; tests/api/schema/test_tables.py reads all tables",
    "meshsim/api/schema/tables/kubernetes_cluster.py": "data; tests/api/schema/test_tables.py reads all tables",
    "meshsim/api/schema/tables/kubernetes_meta.py": "data; tests/api/schema/test_tables.py reads all tables",
    "meshsim/api/schema/tables/kubernetes_pods.py": "data; tests/api/schema/test_tables.py reads all tables",
    "meshsim/api/schema/tables/kubernetes_volumes.py": "data; tests/api/schema/test_tables.py reads all tables",
    "meshsim/api/schema/tables/kubernetes_workloads.py": "data; tests/api/schema/test_tables.py reads all tables",
    "meshsim/api/schema/tables/mesh.py": "data; tests/api/schema/test_mesh_config.py reads it",
}
"""Modules without a test file of their own, each with the reason."""

BESIDE_THE_MIRROR: Final = frozenset(
    {"architecture", "benchmarks", "conformance", "notebooks", "properties", "scenarios", "statistics", "tools", "docs"}
)
"""Folders of tests that belong to no single module."""
WITHOUT_MODULE: Final = {
    "tests/api/schema/test_tables.py": "reads all field tables together",
}
"""Test files for several modules together, each with the reason."""


def _modules() -> list[str]:
    return sorted(
        path.relative_to(ROOT).as_posix() for path in (ROOT / "meshsim").rglob("*.py") if path.name != "__init__.py"
    )


def _test_of(module: str) -> str:
    folder, _, name = module.removeprefix("meshsim/").rpartition("/")
    return f"tests/{folder}/test_{name}" if folder else f"tests/test_{name}"


def test_every_module_has_its_test_file() -> None:
    missing = [
        f"{_test_of(module)} (for {module})"
        for module in _modules()
        if module not in WITHOUT_TESTS and not (ROOT / _test_of(module)).is_file()
    ]
    assert not missing, f"{len(missing)} test files are missing:\n" + "\n".join(missing)


def test_every_test_file_has_its_module() -> None:
    wanted = {_test_of(module) for module in _modules()} | set(WITHOUT_MODULE)
    strays = [
        name
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        if (name := path.relative_to(ROOT).as_posix()).split("/")[1] not in BESIDE_THE_MIRROR and name not in wanted
    ]
    assert not strays, f"{len(strays)} test files mirror no module:\n" + "\n".join(strays)


def test_exceptions_are_still_needed() -> None:
    modules = _modules()
    gone = [module for module in WITHOUT_TESTS if module not in modules]
    tested = [module for module in WITHOUT_TESTS if (ROOT / _test_of(module)).is_file()]
    absent = [name for name in WITHOUT_MODULE if not (ROOT / name).is_file()]
    assert (gone, tested, absent) == ([], [], [])
