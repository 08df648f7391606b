"""meshsim replays an Istio service mesh on a laptop, without a cluster.

The names below are imported when they are first used: the command line must not pay for what it does not call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from meshsim.front import Scenario, sweep
    from meshsim.front import open_result as open

__version__ = "0.1.0"
__all__ = ["Scenario", "__version__", "open", "sweep"]

_LAZY = {"Scenario": "Scenario", "open": "open_result", "sweep": "sweep"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module("meshsim.front"), _LAZY[name])
