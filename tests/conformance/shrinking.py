"""Make a case that shows a difference small, and keep it beside the tests."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

CORPUS = Path(__file__).with_name("corpus")
Place = tuple[str | int, ...]


def shrink(case: Any, differs: Callable[[Any], bool], tries: int = 400) -> Any:
    """The case without every list item and mapping entry whose absence leaves the difference; `tries` bounds the work.

    `differs` is asked about smaller cases only, and says no to those that make no sense.
    """
    left = tries
    shrunk = True
    while shrunk and left > 0:
        shrunk = False
        for place in list(_places(case)):
            smaller = _without(case, place)
            if smaller is None:
                continue
            left -= 1
            if differs(smaller):
                case = smaller
                shrunk = True
            if left <= 0:
                break
    return case


def save(kind: str, case: Any, folder: Path = CORPUS) -> Path:
    """Write a case into the corpus under a name made of its content."""
    text = json.dumps(case, indent=1, sort_keys=True) + "\n"
    folder.mkdir(exist_ok=True)
    path = folder / f"{kind}-{hashlib.blake2b(text.encode(), digest_size=5).hexdigest()}.json"
    path.write_text(text, encoding="utf-8")
    return path


def corpus(kind: str) -> list[Any]:
    """The kept cases of a kind."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(CORPUS.glob(f"{kind}-*.json"))]


def _places(value: Any, at: Place = ()) -> Iterator[Place]:
    """Everything that could go, large parts first."""
    inner: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    for key, _ in reversed(inner):
        yield (*at, key)
    for key, item in inner:
        yield from _places(item, (*at, key))


def _without(case: Any, place: Place) -> Any:
    """A copy without one part, or nothing when the part is gone already."""
    smaller = copy.deepcopy(case)
    *way, last = place
    inner = smaller
    try:
        for key in way:
            inner = inner[key]
        del inner[last]
    except (KeyError, IndexError, TypeError):
        return None
    return smaller
