"""`meshsim calibrate`: what proxies cost, from measurements."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from meshsim.world.calibrate.calibration import Calibration, Choice

_COLUMNS: Final = ("cell", "", "what", "measured", "simulated", "error")
_DEFAULT: Final = ("conn=1,64", "qps=10,1000")


@click.command(name="calibrate")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the proxies' parameters to this file.")
@click.option(
    "--train",
    multiple=True,
    metavar="conn=1,64",
    help="Connection counts to fit latencies on; with qps= rates to fit CPU on.  [default: conn=1,64 qps=10,1000]",
)
@click.option("--test", multiple=True, metavar="conn=4,16", help="The cells to foretell.  [default: all others]")
@click.option("--telemetry", help="Whose parameters to write.  [default: the first that makes no reports in batches]")
@click.option("--engine", type=click.Choice(["compiled", "interpreted"]), help="How the event core runs.")
def command(
    paths: tuple[Path, ...],
    output: Path | None,
    train: tuple[str, ...],
    test: tuple[str, ...],
    telemetry: str | None,
    engine: str | None,
) -> int:
    """Fit what proxies cost to measurements, and foretell the cells that were not fitted.

    PATHS are fortio result files, tables of Istio's benchmark, or folders of them. CPU of client and server sidecars is
    fitted first, where a table has it: it tells how costs grow with idle time. Latencies are fitted to fortio's
    histograms.
    """
    from meshsim.world.calibrate.calibration import calibrate_cpu, calibrate_latency
    from meshsim.world.calibrate.measured import load_measurements
    from meshsim.world.calibrate.written import write_parameters

    mode = {"compiled": "numba", "interpreted": "plain"}[engine] if engine else None
    trained = _choice((*_DEFAULT, *train))
    tested = _choice(test) if test else None
    measurements = load_measurements(paths)
    with_cpu = [m for m in measurements if m.cpu]
    with_histogram = [m for m in measurements if not m.cpu and len(m.percentiles) > _OF_TABLE]
    if unused := len(measurements) - len(with_cpu) - len(with_histogram):
        _tell(f"not used, for want of a histogram or of CPU of client and server: {unused} of {len(measurements)}")
    cpu = latency = None
    if with_cpu:
        cpu = calibrate_cpu(with_cpu, trained, test=tested, progress=_tell, mode=mode)
        _print("CPU, thousandths of a core for 1,000 requests/s", cpu)
    if with_histogram:
        latency = calibrate_latency(
            with_histogram, trained, test=tested, idle=cpu.parameters if cpu else None, progress=_tell, mode=mode
        )
        _print("Latency, milliseconds", latency)
    fitted = latency or cpu
    if fitted is None:
        raise click.UsageError("These files have neither histograms of latency nor CPU of client and server sidecars.")
    if output is not None:
        write_parameters(output, fitted, telemetry)
        click.echo(f"wrote {output}")
    return 0


_OF_TABLE: Final = 3
"""Percentiles that a table has."""


def _tell(line: str) -> None:
    click.echo(line, err=True)


def _choice(texts: Sequence[str]) -> Choice:
    """The cells that ``conn=1,64`` or ``qps=10`` name; later ones of a kind replace earlier ones."""
    from meshsim.world.calibrate.calibration import Choice

    numbers: dict[str, frozenset[int]] = {"conn": frozenset(), "qps": frozenset()}
    for text in texts:
        kind, equals, listed = text.partition("=")
        try:
            values = frozenset(int(number) for number in listed.split(","))
        except ValueError:
            values = frozenset()
        if kind not in numbers or not equals or not values:
            raise click.UsageError(f"'{text}' is not such as conn=1,64 or qps=10,1000.")
        numbers[kind] = values
    return Choice(numbers["conn"], numbers["qps"])


def _print(title: str, fitted: Calibration) -> None:
    from meshsim.reporting.columns import align

    click.echo(title)
    rows = [
        (
            each.cell.name,
            "train" if each.trained else "test",
            each.what,
            f"{each.measured:.2f}",
            f"{each.simulated:.2f}",
            f"{100 * each.error:+.1f} %",
        )
        for each in fitted.compared
    ]
    for line in align([_COLUMNS, *rows], right=range(3, 6), indent="  "):
        click.echo(line)
    for line in _summary(fitted):
        click.echo(line)
    click.echo()


def _summary(fitted: Calibration) -> list[str]:
    from meshsim.world.calibrate.measured import Setup

    lines = ["  mean absolute error of the test cells"]
    kinds = list(dict.fromkeys(each.what for each in fitted.compared))
    for setup in Setup:
        telemetries = sorted({each.cell.telemetry for each in fitted.compared if each.cell.setup is setup})
        for telemetry in (*telemetries, None) if len(telemetries) > 1 else (None,):
            errors = [(what, fitted.mean_error(what, setup, telemetry)) for what in kinds]
            shown = "  ".join(f"{what} {100 * error:.1f} %" for what, error in errors if error is not None)
            if shown:
                lines.append(f"    {setup.value:<10} {telemetry or '':<24} {shown}")
    return lines
