"""The `-o` option: what is written where."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

STREAMS: Final = ("text", "json", "github")
FILES: Final = ("junit",)


@dataclass(frozen=True, slots=True)
class Outputs:
    """What a command writes."""

    text: bool = True
    json: bool = False
    github: bool = False
    junit: Path | None = None


def parse_outputs(values: Sequence[str], environment: Mapping[str, str] | None = None) -> Outputs:
    """The outputs of `-o text -o junit=FILE`; text when nothing goes to the terminal. Raises `click.BadParameter`.

    Annotations come by themselves where GitHub runs the command, unless its output is JSON.
    """
    env = os.environ if environment is None else environment
    streams: set[str] = set()
    junit: Path | None = None
    for value in values:
        name, equals, target = value.partition("=")
        if name in FILES:
            if not target:
                raise click.BadParameter(f"'{name}' needs a file: -o {name}=FILE", param_hint="'-o'")
            junit = Path(target)
        elif name in STREAMS and not equals:
            streams.add(name)
        else:
            known = ", ".join((*STREAMS, *(f"{name}=FILE" for name in FILES)))
            raise click.BadParameter(f"'{value}' is not one of {known}", param_hint="'-o'")
    as_json = "json" in streams
    if as_json and len(streams) > 1:
        raise click.BadParameter("'json' is the whole output and goes with files only", param_hint="'-o'")
    automatic = env.get("GITHUB_ACTIONS") == "true" and not as_json
    return Outputs(
        text="text" in streams or not streams,
        json=as_json,
        github="github" in streams or automatic,
        junit=junit,
    )
