"""`meshsim stats`: what the Envoy of a recorded run had counted, as its admin interface tells it."""

from __future__ import annotations

import re
from pathlib import Path

import click


@click.command(name="stats")
@click.argument("pod")
@click.argument("recording", type=click.Path(path_type=Path), required=False)
@click.option("--at", metavar="TIME", help="As it was then, such as 90s; by default at the end.")
@click.option("--filter", "pattern", metavar="REGEX", help="Only statistics in whose name this is found.")
@click.option("--all", "everything", is_flag=True, help="Also what Istio's proxies do not keep by default.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "prometheus"]),
    default="text",
    show_default=True,
    help="text as `pilot-agent request GET stats` prints it, prometheus as port 15090 gives it.",
)
def command(
    pod: str, recording: Path | None, at: str | None, pattern: str | None, everything: bool, output: str
) -> int:
    """Show the statistics of a proxy of a recorded run.

    POD is a pod, workload or app, with .NAMESPACE where needed; RECORDING is the folder of a run or of a scenario's
    runs, by default the newest below results/. Statistics of clusters, connection managers and TCP proxies are those
    that the pod's proxyStatsMatcher keeps; prometheus shows Istio's metrics as well.
    """
    from meshsim.cli.recordings import proxy_named, recording_at
    from meshsim.errors import UsageError
    from meshsim.metrics.envoy import envoy_stats
    from meshsim.metrics.exposition import prometheus_page
    from meshsim.metrics.istio import Mesh, istio_samples
    from meshsim.metrics.matcher import stats_matcher
    from meshsim.units import parse_duration

    try:
        wanted = re.compile(pattern or "")
    except re.error as error:
        raise UsageError(f"'{pattern}' is not a regular expression: {error}", None, "", pattern or "") from None
    run = recording_at(recording)
    instant = parse_duration(at) if at else None
    mesh = Mesh(run, instant)
    proxy = mesh.named(proxy_named(run, pod))
    kept = stats_matcher(proxy.stats, proxy.address)
    found = envoy_stats(run, proxy, mesh.rules(proxy), instant)
    stats = [s for s in found if (everything or kept.keeps(s.name)) and wanted.search(s.name)]
    if output == "prometheus":
        samples = istio_samples(run, instant, chosen=lambda other: other == proxy)
        shown = (sample for sample in samples if wanted.search(f"istio_{sample.metric}"))
        for line in prometheus_page(shown, stats):
            click.echo(line)
        return 0
    for stat in stats:
        click.echo(f"{stat.name}: {stat.value}")
    if not stats and not everything:
        click.echo("Istio keeps none of these by default: configure proxyStatsMatcher, or ask for --all.", err=True)
    return 0
