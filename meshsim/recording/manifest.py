"""What a recording is of, and how to make it again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from meshsim.errors import InputError, Position
from meshsim.recording.schema import SCHEMA_VERSION
from meshsim.units import Nanos

FILE = "manifest.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Provenance of a run."""

    scenario: str
    """Name of the scenario."""
    scenario_file: str
    """The file as it was named."""
    scenario_hash: str
    """Hash of the scenario and all objects it names."""
    seeds: tuple[int, ...]
    duration: Nanos
    """Simulated time of each replication."""
    until: Nanos
    """Simulated time actually run; less than `duration` when it was cut short."""
    source: str = "model"
    """`model` or `emulation` (real Envoy)."""
    engine: str = ""
    """How the event core ran: `compiled` or `interpreted`."""
    digest: str = ""
    """Digest of everything that happened; equal for equal inputs and seed."""
    istio: str = "1.31"
    """Modelled release."""
    mesh_config: tuple[str, ...] = ()
    """Fields of the MeshConfig that the scenario sets; its other fields have that release's defaults."""
    requests: int = 0
    """Requests of clients and services that took place, recorded or not."""
    sampling: float = 1.0
    """Share of the requests that `requests.parquet` holds."""
    wall_seconds: float = 0.0
    """How long it took."""
    created: str = ""
    """When, in UTC."""
    command: str = ""
    """Command that repeats it."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Software by name."""
    notes: tuple[str, ...] = ()
    """What to know before the result is trusted."""
    schema: int = SCHEMA_VERSION

    def write(self, folder: Path) -> None:
        """Write `manifest.json` into a folder."""
        text = json.dumps(asdict(self), indent=2, ensure_ascii=False)
        (folder / FILE).write_text(text + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a recording; raises `InputError` for a folder that is none or of another version."""
    path = folder / FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        hint = "" if folder.is_dir() else "there is no such folder"
        raise InputError(f"'{folder}' is not a recording: it has no {FILE}", None, hint) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"the manifest cannot be read: {reason}", Position(str(path))) from None
    if not isinstance(content, dict) or not isinstance(content.get("schema"), int):
        raise InputError("this is not the manifest of a recording", Position(str(path)))
    if content["schema"] != SCHEMA_VERSION:
        message = f"the recording has version {content['schema']}, this meshsim reads version {SCHEMA_VERSION}"
        raise InputError(message, Position(str(path)), "use the meshsim that wrote it, or run the scenario again")
    known = Manifest.__dataclass_fields__
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in content.items() if key in known
    }
    try:
        return Manifest(**values)
    except TypeError as error:
        raise InputError(f"the manifest is incomplete: {error}", Position(str(path))) from None
