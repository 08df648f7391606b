"""`meshsim doctor`: what is there, what is missing, what was overwritten."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from meshsim.cli import doctor


def test_this_installation_is_fine(meshsim: Callable) -> None:
    done = meshsim("doctor")
    assert done.code == 0
    assert "ok       Python" in done.out
    assert "ok       xds-protos" in done.out
    assert "MISSING" not in done.out


def test_files_that_another_package_overwrote(monkeypatch: pytest.MonkeyPatch, meshsim: Callable) -> None:
    monkeypatch.setattr(doctor, "_importable", lambda name: "opentelemetry" not in name)
    done = meshsim("doctor")
    assert done.code == 2
    assert "MISSING  xds-protos" in done.out
    assert "force-reinstall" in done.out


def test_what_is_optional_is_only_absent(monkeypatch: pytest.MonkeyPatch, meshsim: Callable) -> None:
    real = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda name: None if name in ("numba", "pandas") else real(name))
    done = meshsim("doctor")
    assert done.code == 0
    assert "absent   numba" in done.out
