"""The `-o` option."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from meshsim.cli.outputs import Outputs, parse_outputs

GITHUB = {"GITHUB_ACTIONS": "true"}


@pytest.mark.parametrize(
    ("values", "environment", "outputs"),
    [
        ((), {}, Outputs()),
        (("text",), {}, Outputs()),
        (("json",), {}, Outputs(text=False, json=True)),
        (("junit=a/b.xml",), {}, Outputs(junit=Path("a/b.xml"))),
        (("json", "junit=b.xml"), {}, Outputs(text=False, json=True, junit=Path("b.xml"))),
        (("github",), {}, Outputs(text=False, github=True)),
        (("text", "github"), {}, Outputs(github=True)),
        ((), GITHUB, Outputs(github=True)),
        (("json",), GITHUB, Outputs(text=False, json=True)),
        ((), {"GITHUB_ACTIONS": "false"}, Outputs()),
    ],
)
def test_outputs(values: tuple[str, ...], environment: dict[str, str], outputs: Outputs) -> None:
    assert parse_outputs(values, environment) == outputs


@pytest.mark.parametrize("values", [("xml",), ("junit",), ("junit=",), ("text=a",), ("json", "text")])
def test_what_is_no_output(values: tuple[str, ...]) -> None:
    with pytest.raises(click.BadParameter):
        parse_outputs(values, {})
