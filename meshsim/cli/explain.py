"""`meshsim explain`: why a request goes where it goes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from meshsim.world.explain import Explanation


@click.command(name="explain")
@click.argument("source", metavar="[RUN|SCENARIO]", type=click.Path(path_type=Path), required=False)
@click.option("--request", "request_id", metavar="ID", type=int, help="A recorded request, by its id.")
@click.option("--from", "caller", metavar="POD", help="Who asks: a pod, workload, app or label, POD.NAMESPACE.")
@click.option("--to", "url", metavar="URL", help="What is asked for, such as http://reviews:9080/.")
@click.option("-X", "--method", default="GET", show_default=True, help="Request method.")
@click.option("-H", "--header", multiple=True, metavar="'NAME: VALUE'", help="Request header; repeatable.")
@click.option("--at", metavar="TIME", help="Simulated time, such as 2m5s; by default the start.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(
    source: Path | None,
    request_id: int | None,
    caller: str | None,
    url: str | None,
    method: str,
    header: tuple[str, ...],
    at: str | None,
    output: str,
) -> int:
    """Explain why a request goes where it goes.

    With a RUN and --request the recorded one (the newest recording when RUN is left out); with a SCENARIO, --from and
    --to one that is made up. Shown are the nat rules, the caller's proxy, the destination's proxy and the objects, with
    file and line, that made what they do. A gateway as --from means a client outside that comes to it.
    """
    if request_id is not None:
        if caller or url or at or header:
            raise click.UsageError("--request stands alone; --from, --to, --at and -H make a request up.")
        from meshsim.cli.recordings import recording_at
        from meshsim.world.explain_recording import explain_recorded

        return _show(explain_recorded(recording_at(source), request_id), output)
    if source is None or not caller or not url:
        raise click.UsageError("Give a recording and --request ID, or a scenario, --from and --to.")
    headers = dict(_header(text) for text in header)
    from meshsim.scenario import load_scenario
    from meshsim.units import parse_duration
    from meshsim.world.explain_scenario import explain_scenario

    instant = parse_duration(at) if at else 0
    loaded = load_scenario(source)
    return _show(explain_scenario(loaded, caller, url, method=method, headers=headers, at=instant), output)


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise click.BadParameter(f"'{text}' is not NAME: VALUE", param_hint="'-H'")
    return name.strip(), value.strip()


def _show(explanation: Explanation, output: str) -> int:
    if output == "json":
        sections = [{"title": section.title, "lines": list(section.lines)} for section in explanation.sections]
        click.echo(json.dumps({"title": explanation.title, "sections": sections}, indent=2, ensure_ascii=False))
        return 0
    for line in explanation.lines():
        click.echo(line)
    return 0
