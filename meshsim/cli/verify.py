"""`meshsim verify`: the model against recordings of the real thing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from meshsim.world.verify import Difference, Outcome, WorldOutcome

_PARTS: Final = {"simulation": "files", "envoy-dynamics": "topics"}
_THINGS: Final = {
    "xds": "resources",
    "istioctl": "tables",
    "push": "steps seen by proxies",
    "push-status": "counts",
    "envoy-dynamics": "experiments",
}
"""What is counted of a kind; calls of the others."""


@click.command(name="verify")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--world", multiple=True, help="Only this world; repeatable.")
@click.option(
    "--what",
    multiple=True,
    metavar="KINDS",
    help="Kinds of recordings, with commas or repeated: xds, push-status, push, calls, simulation, envoy-calls, "
    "envoy-dynamics, istioctl; without, all that the folder has.",
)
@click.option(
    "--deviations", type=click.Path(path_type=Path), help="Known differences, instead of the model's own list."
)
@click.option("--differences", type=click.IntRange(0), default=3, show_default=True, help="Shown for each world.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(
    folder: Path, world: tuple[str, ...], what: tuple[str, ...], deviations: Path | None, differences: int, output: str
) -> int:
    """Compare the model with recordings of the real thing.

    FOLDER holds worlds/ (manifests) and what was recorded of each: xds/ (what istiod sent, and the conflicts it
    counted), push/ (what it pushed after changes), envoy-calls/ (what a real Envoy did with it), calls/ and simulation/
    (Istio's own traffic simulation), istioctl/ (the tables that a real istioctl printed of it); envoy-dynamics/ holds
    scripted experiments on a real Envoy, by topic. Exit code 1 when something differs that neither the list of
    deviations nor the recording itself explains.
    """
    from meshsim.exports.istioctl_tables import ISTIOCTL_TABLES
    from meshsim.world.verify import istioctl_verifier, verify_folder

    more = {"istioctl": istioctl_verifier(ISTIOCTL_TABLES)}
    kinds = tuple(dict.fromkeys(part.strip() for parts in what for part in parts.split(",") if part.strip()))
    if output == "json":
        outcome = verify_folder(folder, kinds, world, None, deviations, more)
        click.echo(json.dumps(outcome.as_dict(), indent=2, ensure_ascii=False))
        return 0 if outcome.ok else 1

    def show(kind: str, result: WorldOutcome) -> None:
        for line in _lines(kind, result, differences):
            click.echo(line)

    outcome = verify_folder(folder, kinds, world, show, deviations, more)
    for line in _totals(outcome):
        click.echo(line)
    return 0 if outcome.ok else 1


def _lines(kind: str, result: WorldOutcome, most: int) -> list[str]:
    total = result.total()
    named = f", {total.deviations} known deviations" if total.deviations else ""
    word = "equal" if not total.different else "DIFFERS"
    lines = [f"{kind}  {result.name}  {word}: {total.equal} equal, {total.different} different{named}"]
    if result.error:
        return [*lines, f"    cannot be replayed: {result.error}"]
    by_type = {key: counts for key, counts in sorted(result.counts.items()) if counts.different}
    for (proxy, type_name), counts in by_type.items():
        lines.append(f"    {proxy} {type_name}: {counts.equal} equal, {counts.different} different")
    unnamed = [difference for difference in result.differences if not difference.deviation]
    lines += [_line(difference) for difference in unnamed[:most]]
    return [*lines, *_explained(result, most)]


def _explained(result: WorldOutcome, most: int) -> list[str]:
    """Both answers of the first differences for each reason."""
    by_reason: dict[str, list[Difference]] = {}
    for difference in result.differences:
        if difference.deviation:
            by_reason.setdefault(difference.deviation, []).append(difference)
    lines = []
    for reason, found in by_reason.items():
        lines.append(f"    explained: {reason}")
        lines += [_line(difference) for difference in found[:most]]
    return lines


def _line(difference: Difference) -> str:
    place = f"{difference.proxy} {difference.type} {difference.resource} {difference.path}".rstrip()
    return f"      {place}: recorded {_short(difference.want)}, model {_short(difference.got)}"


def _totals(outcome: Outcome) -> list[str]:
    lines = [""]
    for kind, worlds in outcome.worlds.items():
        total = outcome.total(kind)
        same = sum(not world.total().different for world in worlds.values())
        lines.append(
            f"{kind}: {same} of {len(worlds)} {_PARTS.get(kind, 'worlds')} equal; "
            f"{total.equal} {_THINGS.get(kind, 'calls')} equal, "
            f"{total.different} different, {total.deviations} known deviations"
        )
    return lines


def _short(text: str, most: int = 80) -> str:
    if not text:
        return "nothing"
    return text if len(text) <= most else text[: most - 3] + "..."
