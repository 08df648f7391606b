"""`meshsim validate`: scenarios and manifests checked, nothing run."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from meshsim.cli.discover import is_scenario
from meshsim.errors import Finding, MeshsimError, Severity

if TYPE_CHECKING:
    from meshsim.api import ApiObject

MANIFEST: Final = "manifest.json"
"""What every recording holds."""


@click.command(name="validate")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Choice(["text", "json", "github"]), default="text", show_default=True)
@click.option("--strict", is_flag=True, help="Exit with 2 for warnings too.")
def command(paths: tuple[Path, ...], output: str, strict: bool) -> int:
    """Check scenarios and manifests without running anything.

    PATHS are scenario files, manifests, or folders of both. A manifest that a scenario names is checked with it, at the
    start and after each change of the timeline. The others are checked together, as one `kubectl apply` of all; files
    that hold the same object are alternatives, each is checked as if applied last.

    Exit codes: 0 nothing is wrong (warnings may be), 2 there are errors, or warnings with --strict.
    """
    from meshsim.analysis import by_place

    check = _Check()
    for path in paths:
        for file in _files(path):
            check.file(file)
    check.manifests()
    findings = by_place(check.findings)
    _write(check.errors, findings, check.files, output)
    severities = {finding.severity for finding in findings}
    failed = check.errors or Severity.ERROR in severities or (strict and Severity.WARNING in severities)
    return 2 if failed else 0


def _files(path: Path) -> Iterable[Path]:
    if not path.is_dir():
        return [path]
    recorded = {file.parent for file in path.rglob(f"*/{MANIFEST}")}
    below = (p for p in path.rglob("*") if p.suffix in (".yaml", ".yml", ".json") and p.is_file())
    shown = (p for p in below if not any(part.startswith(".") for part in p.relative_to(path).parts))
    # What runs have left is no manifest of anybody's.
    return sorted(p for p in shown if not recorded.intersection(p.parents))


@dataclass
class _Check:
    """Checks file after file and collects what there is to say."""

    errors: list[MeshsimError] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    files: int = 0
    _objects: dict[Path, tuple[ApiObject, ...]] = field(default_factory=dict)
    """Of manifests, by file."""
    _with_scenarios: set[Path] = field(default_factory=set)
    """Manifests that scenarios name."""

    def file(self, file: Path) -> None:
        """Check a scenario, or a manifest by itself."""
        self.files += 1
        try:
            if is_scenario(file):
                self._scenario(file)
            else:
                self._manifest(file)
        except MeshsimError as error:
            self.errors.append(error)

    def _scenario(self, file: Path) -> None:
        from meshsim.scenario import load_scenario
        from meshsim.workload import check_capacity
        from meshsim.world.configuration import scenario_findings

        loaded = load_scenario(file)
        self._with_scenarios.update(Path(item.origin.file).resolve() for item in loaded.all_objects() if item.origin)
        self.findings += [*loaded.findings, *check_capacity(loaded), *scenario_findings(loaded)]

    def _manifest(self, file: Path) -> None:
        from meshsim.api import load_file

        loaded = load_file(file)
        self._objects[file.resolve()] = loaded.objects
        self.findings += loaded.findings

    def manifests(self) -> None:
        """Check the manifests that no scenario names across objects."""
        from meshsim.world.configuration import manifest_findings

        left = [objects for file, objects in self._objects.items() if file not in self._with_scenarios and objects]
        try:
            self.findings += manifest_findings(left) if left else ()
        except MeshsimError as error:
            self.errors.append(error)


def _write(errors: list[MeshsimError], findings: Sequence[Finding], checked: int, output: str) -> None:
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
    refused = sum(finding.severity is Severity.ERROR for finding in findings)
    words = f"{number(len(each) + refused, 'error')}, {number(len(findings) - refused, 'finding')}"
    click.echo(f"{number(checked, 'file')} checked: {words if each or findings else 'nothing to complain about'}")
