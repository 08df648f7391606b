"""What a run leaves on disk, its writers and readers; the only bridge to analysis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from meshsim.recording.folder import PendingRecording, begin_recording
from meshsim.recording.manifest import Manifest, read_manifest
from meshsim.recording.reader import VERDICTS, Run, open_run
from meshsim.recording.records import ConfigEntry, InstanceInfo, ObjectSource, ProxyInfo, TrafficInfo
from meshsim.recording.schema import SCHEMA_VERSION, TABLES

if TYPE_CHECKING:
    from meshsim.recording.arrow import Coded, ColumnData, Names
    from meshsim.recording.writer import Record, RunSink, RunWriter

__all__ = [
    "SCHEMA_VERSION",
    "TABLES",
    "VERDICTS",
    "Coded",
    "ColumnData",
    "ConfigEntry",
    "InstanceInfo",
    "Manifest",
    "Names",
    "ObjectSource",
    "PendingRecording",
    "ProxyInfo",
    "Record",
    "Run",
    "RunSink",
    "RunWriter",
    "TrafficInfo",
    "begin_recording",
    "open_run",
    "read_manifest",
]

_LAZY = {
    "Coded": "arrow",
    "ColumnData": "arrow",
    "Names": "arrow",
    "Record": "writer",
    "RunSink": "writer",
    "RunWriter": "writer",
}


def __getattr__(name: str) -> Any:
    """What needs numpy and pyarrow is imported when it is first used."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
