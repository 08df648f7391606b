"""Both refusals are input errors of their own code."""

from __future__ import annotations

from meshsim.dataplane.decide.rejected import NotModelledError, ResourceRejectedError
from meshsim.errors import InputError


def test_they_are_input_errors_told_apart() -> None:
    assert issubclass(ResourceRejectedError, InputError)
    assert issubclass(NotModelledError, InputError)
    assert ResourceRejectedError.code != NotModelledError.code
    assert ResourceRejectedError("no filter chains specified").message == "no filter chains specified"
