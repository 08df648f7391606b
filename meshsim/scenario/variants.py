"""A scenario with some values replaced, named by path: `traffic.shoppers.rate`, `expect[0].latency.p99.max`."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from meshsim.errors import UsageError
from meshsim.scenario.loaded import LoadedScenario
from meshsim.scenario.loading import load_document
from meshsim.scenario.problems import suggestion

_STEP: Final = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_UNIT: Final = re.compile(r"^[+-]?[0-9.]+\s*([^0-9.\s].*)$")


def with_values(loaded: LoadedScenario, values: Mapping[str, object]) -> LoadedScenario:
    """A variant of a scenario. Raises `UsageError` for a path that leads nowhere and `InputErrors` for a bad value.

    An entry of a list is named by its `name`, `id` or index. A bare number takes the unit of the value it replaces:
    200 in the place of `50/s` is `200/s`.
    """
    document = copy.deepcopy(loaded.document)
    for path, value in values.items():
        _replace(document, path, value)
    return load_document(document, loaded.origin, Path(loaded.file).parent)


def _replace(document: object, path: str, value: object) -> None:
    steps = [match[1] if match[1] is not None else int(match[2]) for match in _STEP.finditer(path)]
    if not steps or "".join(_written(step) for step in steps).lstrip(".") != path:
        raise UsageError(f"'{path}' is not a path", None, "such as traffic.shoppers.rate or timeline.shift.at")
    here: Any = document
    for number, step in enumerate(steps[:-1]):
        here = _enter(here, step, path, create=number > 0)
    last = steps[-1]
    if isinstance(here, list):
        index = _index(here, last, path)
        here[index] = _with_unit(value, here[index])
    elif isinstance(here, dict) and isinstance(last, str):
        here[last] = _with_unit(value, here.get(last))
    else:
        raise UsageError(f"'{path}' leads into a value that has no parts")


def _written(step: str | int) -> str:
    return f"[{step}]" if isinstance(step, int) else f".{step}"


def _enter(here: Any, step: str | int, path: str, create: bool) -> Any:
    if isinstance(here, list):
        return here[_index(here, step, path)]
    if isinstance(here, dict) and isinstance(step, str):
        if step not in here:
            hint = suggestion(step, (str(key) for key in here))
            if hint or not create:
                raise UsageError(f"'{path}' leads nowhere: there is no '{step}'", None, hint)
            here[step] = {}
        return here[step]
    raise UsageError(f"'{path}' leads into a value that has no parts")


def _index(entries: list[Any], step: str | int, path: str) -> int:
    if isinstance(step, int):
        if step < len(entries):
            return step
        raise UsageError(f"'{path}' leads nowhere: the list has {len(entries)} entries")
    names = [_name(entry) for entry in entries]
    if step in names:
        return names.index(step)
    known = [name for name in names if name]
    raise UsageError(f"'{path}' leads nowhere: no entry is called '{step}'", None, suggestion(step, known))


def _name(entry: object) -> str:
    if not isinstance(entry, Mapping):
        return ""
    found = entry.get("name", entry.get("id", ""))
    return found if isinstance(found, str) else ""


def _with_unit(value: object, before: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isinstance(before, str):
        return value
    unit = _UNIT.match(before)
    return f"{value}{unit[1]}" if unit else value
