"""The exception tree."""

from __future__ import annotations

import pytest

from meshsim.errors import InputError, InputErrors, InternalError, LimitError, MeshsimError, Position, UsageError


def test_text_of_one_error() -> None:
    assert str(InputError("wrong")) == "wrong"
    error = InputError("wrong", Position("m.yaml", 3, 5), "do this", "Pod default/a")
    assert str(error) == "m.yaml:3:5: error: wrong (do this)  [Pod default/a]"


def test_several_errors_are_one_a_line() -> None:
    first, second = InputError("one", Position("m.yaml", 1)), InputError("two")
    errors = InputErrors((first, second))
    assert str(errors) == "m.yaml:1: error: one\ntwo"
    assert errors.position == Position("m.yaml", 1)
    assert InputErrors(()).position is None


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [(UsageError, 2), (InputError, 2), (LimitError, 3), (InternalError, 3), (MeshsimError, 3)],
)
def test_exit_codes(error: type[MeshsimError], exit_code: int) -> None:
    assert error("x").exit_code == exit_code
    assert InputErrors.exit_code == 2
