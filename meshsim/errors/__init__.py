"""The one exception tree of meshsim, source positions and findings.

Every exception takes positional fields and hands all of them to ``Exception.__init__``: simpy rebuilds a failed
event's exception as ``type(exc)(*exc.args)`` and process pools pickle it the same way, so a class whose constructor
differs from its ``args`` would surface as a bare ``TypeError``.
"""

from meshsim.errors.findings import Finding, Severity
from meshsim.errors.position import Position
from meshsim.errors.tree import (
    InputError,
    InputErrors,
    InternalError,
    LimitError,
    MeshsimError,
    UsageError,
)

__all__ = [
    "Finding",
    "InputError",
    "InputErrors",
    "InternalError",
    "LimitError",
    "MeshsimError",
    "Position",
    "Severity",
    "UsageError",
]
