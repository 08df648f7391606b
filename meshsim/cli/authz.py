"""`meshsim authz`: who may call whom."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from meshsim.scenario import LoadedScenario
    from meshsim.world.authz import Answer


@click.command(name="authz")
@click.argument("source", metavar="SCENARIO|MANIFESTS", type=click.Path(path_type=Path))
@click.option("--from", "caller", metavar="POD", default="", help="Only this caller: a pod, workload, app or label.")
@click.option("--to", "service", metavar="SERVICE", default="", help="Only this service, as NAME or NAME.NAMESPACE.")
@click.option("-X", "--method", default="GET", show_default=True, help="Request method.")
@click.option("--path", default="/", show_default=True, help="Request path.")
@click.option("-H", "--header", multiple=True, metavar="'NAME: VALUE'", help="Request header; repeatable.")
@click.option("--at", metavar="TIME", help="Simulated time, such as 2m5s; by default the start.")
@click.option(
    "--check", "pod", metavar="POD", help="The policies that the pod's proxy enforces, in istioctl's columns."
)
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(
    source: Path,
    caller: str,
    service: str,
    method: str,
    path: str,
    header: tuple[str, ...],
    at: str | None,
    pod: str | None,
    output: str,
) -> int:
    """Show who may call whom, with the rule that decides and its place.

    For every service and every workload: whether its request passes the proxies on both sides. SCENARIO is a scenario
    file, MANIFESTS a manifest or a folder of them. "some" means that this request does not pass but others of the same
    caller do, or the other way round; the rules shown say which. --check prints what `istioctl experimental authz
    check` prints.
    """
    from meshsim.units import parse_duration
    from meshsim.world.authz import Question, who_may_call_whom

    loaded = _loaded(source)
    instant = parse_duration(at) if at else 0
    if pod is not None:
        from meshsim.exports.authz_check import print_authz_check
        from meshsim.world.authz import listeners_of

        click.echo(print_authz_check(listeners_of(loaded, pod, instant)), nl=False)
        return 0
    headers = tuple(_header(text) for text in header)
    question = Question(method, path if path.startswith("/") else f"/{path}", headers)
    answers = who_may_call_whom(loaded, question, caller=caller, service=service, at=instant)
    if output == "json":
        click.echo(json.dumps([_as_dict(answer) for answer in answers], indent=2, ensure_ascii=False))
        return 0
    for line in _lines(answers, question.method, question.path):
        click.echo(line)
    return 0


def _loaded(source: Path) -> LoadedScenario:
    """The scenario of a file; manifests are the resources of one that does nothing."""
    from meshsim.cli.discover import is_scenario
    from meshsim.scenario import load_scenario, load_text

    if source.is_file() and is_scenario(source):
        return load_scenario(source)
    body = {"name": "manifests", "duration": "1s", "resources": [source.name]}
    text = json.dumps({"apiVersion": "meshsim/v1alpha1", "kind": "Scenario", **body})
    return load_text(text, str(source), source.parent)


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise click.BadParameter(f"'{text}' is not NAME: VALUE", param_hint="'-H'")
    return name.strip().lower(), value.strip()


def _as_dict(answer: Answer) -> dict[str, object]:
    return {
        "caller": answer.caller,
        "service": answer.service,
        "destination": answer.destination or None,
        "access": answer.access.value,
        "why": answer.why,
        "rules": [
            {"rule": r.text, "file": r.position.file, "line": r.position.line}
            if r.position
            else {"rule": r.text, "file": None, "line": None}
            for r in answer.rules
        ],
    }


def _lines(answers: Sequence[Answer], method: str, path: str) -> Iterator[str]:
    yield f"{method} {path}"
    width = max((len(answer.caller) for answer in answers), default=0)
    for (service, destination), found in groupby(answers_by_target(answers), lambda a: (a.service, a.destination)):
        yield ""
        yield f"{service} -> {destination}" if destination else service
        for answer in found:
            yield f"  {answer.caller:<{width}}  {answer.access.value:<4}  {answer.why}"
            yield from (f"  {'':<{width}}        {rule}" for rule in answer.rules)


def answers_by_target(answers: Sequence[Answer]) -> list[Answer]:
    """Answers of one service and workload together, services in the order given."""
    order = {answer.service: number for number, answer in reversed(list(enumerate(answers)))}
    return sorted(answers, key=lambda a: (order[a.service], a.destination, a.caller))
