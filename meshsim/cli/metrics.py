"""`meshsim metrics`: Istio's standard metrics of a recorded run."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from meshsim.recording import InstanceInfo


@click.command(name="metrics")
@click.argument("recording", type=click.Path(path_type=Path), required=False)
@click.option("--at", metavar="TIME", help="What had been reported by then, such as 90s; by default at the end.")
@click.option("--pod", "pods", multiple=True, help="Only what this pod, workload or app reports; repeatable.")
@click.option("--step", metavar="TIME", default="1s", show_default=True, help="Distance of samples over time.")
@click.option(
    "-o",
    "--output",
    default="prometheus",
    show_default=True,
    metavar="FORMAT",
    help="prometheus (at one instant), openmetrics (over time), parquet=FILE (over time).",
)
def command(recording: Path | None, at: str | None, pods: tuple[str, ...], step: str, output: str) -> int:
    """Show Istio's standard metrics of a recorded run, as the proxies on both sides report them.

    RECORDING is the folder of a run or of a scenario's runs, by default the newest below results/. Labels and buckets
    are Istio's, what the Telemetry API switches off or changes is; each series has the pod that reports it, as a scrape
    adds it. Prometheus takes openmetrics as a file (promtool tsdb create-blocks-from openmetrics).
    """
    form, _, file = output.partition("=")
    if form not in ("prometheus", "openmetrics", "parquet") or (form == "parquet") != bool(file):
        raise click.BadParameter(f"'{output}' is not prometheus, openmetrics or parquet=FILE", param_hint="'-o'")
    from meshsim.cli.recordings import proxy_named, recording_at
    from meshsim.errors import UsageError
    from meshsim.metrics.exposition import openmetrics, prometheus_page, scraped
    from meshsim.metrics.istio import istio_samples
    from meshsim.units import SECOND, parse_duration

    run = recording_at(recording)
    instant = parse_duration(at) if at else None
    distance = parse_duration(step)
    if distance < SECOND or distance % SECOND:
        raise UsageError(f"'{step}' is not a number of whole seconds", None, "series are told by the second", step)
    named = {proxy_named(run, pod) for pod in pods}

    def chosen(pod: InstanceInfo) -> bool:
        return not named or f"{pod.pod}.{pod.namespace}" in named

    samples = istio_samples(run, instant, 0 if form == "prometheus" else distance, chosen)
    if form == "parquet":
        import pyarrow.parquet as pq

        from meshsim.metrics.frames import metric_table

        try:
            pq.write_table(metric_table(samples), file, compression="zstd")
        except OSError as error:
            raise UsageError(f"'{file}' cannot be written: {error.strerror}", None, "", file) from None
        return 0
    begin = datetime.fromisoformat(run.manifest.created).timestamp() if run.manifest.created else 0.0
    lines = prometheus_page(map(scraped, samples), ()) if form == "prometheus" else openmetrics(samples, begin)
    for line in lines:
        click.echo(line)
    return 0
