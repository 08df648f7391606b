"""`meshsim validate`: scenarios and manifests checked, nothing run."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import click

from meshsim.cli.discover import is_scenario
from meshsim.errors import Finding, MeshsimError

MANIFEST: Final = "manifest.json"
"""What every recording holds."""


@click.command(name="validate")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Choice(["text", "json", "github"]), default="text", show_default=True)
def command(paths: tuple[Path, ...], output: str) -> int:
    """Check scenarios and manifests without running anything.

    PATHS are scenario files, manifests, or folders of both. A manifest that a scenario names is checked with it.
    """
    errors: list[MeshsimError] = []
    findings: list[Finding] = []
    checked = 0
    for path in paths:
        for file in _files(path):
            checked += 1
            try:
                findings.extend(_check(file))
            except MeshsimError as error:
                errors.append(error)
    _write(errors, list(dict.fromkeys(findings)), checked, output)
    return 2 if errors else 0


def _files(path: Path) -> Iterable[Path]:
    if not path.is_dir():
        return [path]
    recorded = {file.parent for file in path.rglob(f"*/{MANIFEST}")}
    below = (p for p in path.rglob("*") if p.suffix in (".yaml", ".yml", ".json") and p.is_file())
    shown = (p for p in below if not any(part.startswith(".") for part in p.relative_to(path).parts))
    # What runs have left is no manifest of anybody's.
    return sorted(p for p in shown if not recorded.intersection(p.parents))


def _check(file: Path) -> Iterable[Finding]:
    if is_scenario(file):
        from meshsim.scenario import load_scenario
        from meshsim.workload import check_capacity

        loaded = load_scenario(file)
        return [*loaded.findings, *check_capacity(loaded)]
    from meshsim.api import load_file

    return load_file(file).findings


def _write(errors: list[MeshsimError], findings: list[Finding], checked: int, output: str) -> None:
    from meshsim.checks.wording import number
    from meshsim.reporting.columns import style_of
    from meshsim.reporting.diagnostics import Diagnostics, each_error
    from meshsim.reporting.github import finding_lines
    from meshsim.reporting.machine import error_row, finding_row

    each = list(dict.fromkeys(one for error in errors for one in each_error(error)))
    if output == "json":
        document = {"errors": [error_row(e) for e in each], "findings": [finding_row(f) for f in findings]}
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    if output == "github":
        for line in finding_lines(each, findings):
            click.echo(line)
        return
    printer = Diagnostics(style_of(sys.stdout))
    for one in each:
        for line in printer.error(one):
            click.echo(line)
    for line in printer.findings(findings):
        click.echo(line)
    words = f"{number(len(each), 'error')}, {number(len(findings), 'finding')}"
    click.echo(f"{number(checked, 'file')} checked: {words if each or findings else 'nothing to complain about'}")
