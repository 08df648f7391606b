"""The exception classes; the command line maps each to its exit code."""

from __future__ import annotations

from typing import ClassVar

from meshsim.errors.position import Position


class MeshsimError(Exception):
    """Base of everything meshsim raises on purpose.

    ``message`` says what is wrong, ``position`` where, ``hint`` what to do, ``subject`` which object or field.
    """

    code: ClassVar[str] = "MSH0000"
    exit_code: ClassVar[int] = 3

    def __init__(self, message: str, position: Position | None = None, hint: str = "", subject: str = "") -> None:
        super().__init__(message, position, hint, subject)
        self.message = message
        self.position = position
        self.hint = hint
        self.subject = subject

    def __str__(self) -> str:
        where = f"{self.position}: error: " if self.position else ""
        hint = f" ({self.hint})" if self.hint else ""
        subject = f"  [{self.subject}]" if self.subject else ""
        return f"{where}{self.message}{hint}{subject}"


class UsageError(MeshsimError):
    """The command was called in a way it cannot mean."""

    code = "MSH0001"
    exit_code = 2


class InputError(MeshsimError):
    """A file or value of the user is not valid."""

    code = "MSH0002"
    exit_code = 2


class InputErrors(MeshsimError):
    """Several input errors found together; they are reported all at once."""

    code = "MSH0003"
    exit_code = 2

    def __init__(self, errors: tuple[InputError, ...]) -> None:
        Exception.__init__(self, errors)
        self.errors = errors
        self.message = "\n".join(str(e) for e in errors)
        self.position = errors[0].position if errors else None
        self.hint = ""
        self.subject = ""

    def __str__(self) -> str:
        return self.message


class LimitError(MeshsimError):
    """The run met a limit of the engine."""

    code = "MSH0004"
    exit_code = 3


class InternalError(MeshsimError):
    """meshsim itself is wrong."""

    code = "MSH0005"
    exit_code = 3
