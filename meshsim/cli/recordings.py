"""Which recording and which of its proxies an argument means."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Final

from meshsim.errors import InputError, UsageError

if TYPE_CHECKING:
    from meshsim.recording import Run

RESULTS: Final = Path("results")


def recording_at(path: Path | None) -> Run:
    """The recording in a folder, or the newest one below `results`. Raises `InputError`."""
    from meshsim.recording import open_run

    return open_run(path) if path is not None else newest_recording(RESULTS)


def newest_recording(results: Path) -> Run:
    """The recording below a folder of results that was made last. Raises `InputError`."""
    from meshsim.recording import Run

    manifests = sorted(results.glob("*/[0-9]*/manifest.json"), key=lambda file: (file.stat().st_mtime_ns, str(file)))
    if not manifests:
        raise InputError(f"there is no recording in '{results}'", None, "run a scenario first, or name a recording")
    return Run(manifests[-1].parent)


def proxy_named(run: Run, text: str) -> str:
    """The id of the proxy that ``POD`` or ``POD.NAMESPACE`` means, also ``WORKLOAD`` or ``APP`` (its first pod).

    Raises `UsageError` for none or several.
    """
    known = run.configured_proxies()
    if text in known:
        return text
    rows = [row for row in run.parts[0].proxies().to_pylist() if row["proxy"] in known]
    for columns in (("pod",), ("workload", "app")):
        found = {row["proxy"]: row["namespace"] for row in rows if any(_means(text, row, name) for name in columns)}
        namespaces = sorted(set(found.values()))
        if len(namespaces) > 1:
            choices = ", ".join(f"{text}.{namespace}" for namespace in namespaces)
            raise UsageError(f"'{text}' is in several namespaces", None, f"say which: {choices}")
        if found:
            return str(min(found))
    words = [*known, *(str(row[name]) for row in rows for name in ("pod", "workload", "app"))]
    close = get_close_matches(text, sorted(set(words)), 1)
    hint = f"did you mean '{close[0]}'?" if close else f"there are {', '.join(known[:8])}"
    raise UsageError(f"the recording '{run.folder}' has no proxy '{text}'", None, hint)


def _means(text: str, row: dict[str, object], column: str) -> bool:
    return bool(row[column]) and text in (row[column], f"{row[column]}.{row['namespace']}")
