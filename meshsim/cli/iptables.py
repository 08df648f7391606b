"""`meshsim iptables`: the nat rules of a pod, and the way of one connection through them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from meshsim.cli.manifests import manifests, named
from meshsim.errors import UsageError

if TYPE_CHECKING:
    from meshsim.netfilter import PodRules, Verdict

_ID = click.IntRange(0, 2**32 - 2)
"""Users and groups of Linux."""
_ADDRESS = "10.244.0.10"
"""Address of a pod whose manifest has none, as no manifest before it runs does."""
_PEER = "10.244.0.99"
"""Who connects where nobody is named."""


@click.command(name="iptables")
@manifests
@click.option("--pod", help="Which pod, by its own or its controller's name; needed when there are several.")
@click.option("--outbound", metavar="ADDRESS:PORT", help="The way of a connection the application opens.")
@click.option("--inbound", metavar="[SOURCE@]PORT", help="The way of a connection that a peer opens to the pod.")
@click.option("--by-proxy", is_flag=True, help="The proxy opens it (user and group 1337), not the application.")
@click.option("--uid", type=_ID, help="A process of this user opens it.")
@click.option("--gid", type=_ID, help="A process of this group opens it.")
@click.option("--mesh-config", type=click.Path(path_type=Path), help="MeshConfig, or the ConfigMap that holds it.")
def command(
    paths: tuple[Path, ...],
    files: tuple[Path, ...],
    pod: str | None,
    outbound: str | None,
    inbound: str | None,
    by_proxy: bool,
    uid: int | None,
    gid: int | None,
    mesh_config: Path | None,
) -> int:
    """Print the nat rules of a pod, or the way of one connection through them.

    PATHS are manifests or folders of them, - is standard input; the pod is injected first unless it already is.
    """
    if outbound and inbound:
        raise click.UsageError("--outbound and --inbound cannot go together.")
    if (by_proxy or uid is not None or gid is not None) and not outbound:
        raise click.UsageError("--by-proxy, --uid and --gid belong to --outbound.")
    rules = _rules(named(paths, files), pod, mesh_config)
    if outbound:
        address, port = _endpoint(outbound)
        _print_way(rules.outbound(address, port, by_proxy=by_proxy, uid=uid, gid=gid))
    elif inbound:
        source, _, port_text = inbound.rpartition("@")
        _print_way(rules.inbound(_peer(source), _ADDRESS, _port(port_text)))
    else:
        click.echo(rules.rules.restore_v4, nl=False)
        if rules.rules.v6:
            click.echo(f"# IPv6\n{rules.rules.restore_v6}", nl=False)
    return 0


def _rules(paths: tuple[Path, ...], name: str | None, mesh_config: Path | None) -> PodRules:
    from meshsim.api import make_object
    from meshsim.cli.pods import choose, inject_pod, read_pods, settings_from
    from meshsim.netfilter import PodRulesFactory

    objects, sources = read_pods(paths)
    source = choose(sources, name)
    injected = inject_pod(source, settings_from(mesh_config), objects)
    body = {**injected.pod, "status": {"podIP": _ADDRESS, "podIPs": [{"ip": _ADDRESS}]}}
    rules = PodRulesFactory().of_pod(make_object(body))
    if rules is None:
        why = "; ".join(injected.reasons)
        raise UsageError(f"the traffic of {source.owner} is not captured", source.owner.position(), why)
    return rules


def _peer(text: str) -> str:
    """Address of a peer; the pod has an IPv4 address, so it does too."""
    import ipaddress

    try:
        return str(ipaddress.IPv4Address(text)) if text else _PEER
    except ValueError:
        raise click.BadParameter(f"'{text}' is not an IPv4 address, such as {_PEER}") from None


def _endpoint(text: str) -> tuple[str, int]:
    import ipaddress

    address, _, port = text.rpartition(":")
    try:
        return str(ipaddress.ip_address(address.strip("[]"))), _port(port)
    except ValueError:
        raise click.BadParameter(f"'{text}' is not ADDRESS:PORT, such as 10.96.0.5:9080") from None


def _port(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise click.BadParameter(f"'{text}' is not a port")
    return int(text)


def _print_way(verdict: Verdict) -> None:
    for step in verdict.path:
        number = f" {step.number}" if step.number else ""
        click.echo(f"{step.table} {step.chain}{number}: {step.rule}")
    target = f"{verdict.destination.address}:{verdict.destination.port}"
    meant = f"{verdict.original_destination.address}:{verdict.original_destination.port}"
    suffix = f", meant for {meant}" if target != meant else ""
    click.echo(f"=> {verdict.outcome.value}: arrives at {target}{suffix}")
