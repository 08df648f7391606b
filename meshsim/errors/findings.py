"""What meshsim has to say about an input without refusing it."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from meshsim.errors.position import Position


class Severity(Enum):
    """How much a finding matters: ``WARNING`` is to be read before the result is trusted."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Finding(NamedTuple):
    """A diagnostic with its code (Istio's ``IST....`` where the meaning is the same, else ``MSH....``)."""

    code: str
    severity: Severity
    message: str
    position: Position | None = None
    hint: str = ""
    subject: str = ""
    """``Kind namespace/name`` of the object it is about, or empty."""

    def __str__(self) -> str:
        where = f"{self.position}: " if self.position else ""
        subject = f"  [{self.subject}]" if self.subject else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{where}{self.severity.value}: {self.message}{hint}{subject}"
