"""The vocabulary of what can be observed: record types and the taps where they appear."""

from meshsim.trace.records import (
    ConfigChange,
    PodPhase,
    ProxyEffective,
    Push,
    PushAnswer,
    PushSent,
    TimelineMark,
    XdsEvent,
)
from meshsim.trace.taps import Tap, Taps

__all__ = [
    "ConfigChange",
    "PodPhase",
    "ProxyEffective",
    "Push",
    "PushAnswer",
    "PushSent",
    "Tap",
    "Taps",
    "TimelineMark",
    "XdsEvent",
]
