"""A series of arrival rates to traffic: a scenario of its own, or a piece to put into another one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from meshsim.errors import InputError
from meshsim.imports.imported import MANIFESTS, SCENARIO, Imported, dns_label
from meshsim.imports.manifests import Manifest, deployment, namespace, service, text_of
from meshsim.imports.rate_series import RateSeries
from meshsim.imports.yaml_text import Noted, Value, dump
from meshsim.units import format_duration, format_rate

RATES: Final = "rates.csv"
CLIENTS: Final = "clients"
NAMESPACE: Final = "shop"


@dataclass(frozen=True, slots=True)
class Asked:
    """What the requests of a series ask for; the series does not say it."""

    host: str
    """`host:port`."""
    paths: tuple[str, ...] = ("/",)
    """Each gets all of the series."""
    sender: Mapping[str, str] | None = None
    """Labels of the pods that send; none says pods made up for it."""
    gateway: str = ""
    """Gateway that the requests come through instead."""
    resources: tuple[str, ...] = ()
    """Manifests that hold the service; none says a service made up for it."""
    scale: float = 1.0


def piece_of(name: str, source: str, series: RateSeries, asked: Asked) -> str:
    """The `traffic` of a scenario."""
    rates = [format_rate(float(f"{rate * asked.scale:.6g}")) for rate in series.rates]
    return dump({"traffic": _traffic(name, source, series, asked, {"rates": rates})})


def scenario_of_series(name: str, source: str, series: RateSeries, asked: Asked) -> Imported:
    """A scenario as long as the series; raises `InputError` where its parts do not fit together."""
    manifests = _manifests(asked)
    document: dict[str, Value] = {
        "apiVersion": "meshsim/v1alpha1",
        "kind": "Scenario",
        "name": name,
        "description": f"The load of {source}.",
        "duration": Noted(format_duration(series.every * len(series.rates)), f"{len(series.rates):,} intervals"),
        "resources": [*asked.resources, *([MANIFESTS] if manifests else [])],
        "traffic": _traffic(name, source, series, asked, {"file": RATES, "column": "rate", "per": "1s"}),
    }
    seconds = series.every / 1e9
    lines = (f"{index * seconds:g},{rate * asked.scale:.8g}\n" for index, rate in enumerate(series.rates))
    files = {SCENARIO: dump(document), RATES: "second,rate\n" + "".join(lines)}
    if manifests:
        files[MANIFESTS] = text_of(manifests, "What the manifests do not have.")
    return Imported(name, files, series.findings)


def _traffic(name: str, source: str, series: RateSeries, asked: Asked, rates: Mapping[str, Value]) -> Sequence[Value]:
    note = f"{len(series.rates):,} intervals of {source}" + (f", times {asked.scale:g}" if asked.scale != 1 else "")
    single = len(asked.paths) == 1
    return [
        {
            "name": name if single else f"{name[:40]}-{dns_label(path)}"[:63],
            **_sender(asked),
            "request": {"host": _host(asked), "path": path},
            "series": Noted({"every": format_duration(series.every), **rates}, note),
        }
        for path in asked.paths
    ]


def _sender(asked: Asked) -> dict[str, Value]:
    if asked.gateway:
        return {"through": asked.gateway}
    return {"from": {"match": dict(asked.sender or {"app": CLIENTS})}}


def _host(asked: Asked) -> str:
    """The host as clients in another namespace write that of a service made up for them."""
    name, _, port = asked.host.partition(":")
    made_up = not asked.resources and "." not in name and not asked.gateway
    return f"{name}.{NAMESPACE}:{port}" if made_up and port else asked.host


def _port(host: str) -> int:
    port = host.partition(":")[2]
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise InputError(f"'{host}' says no port", None, f"write host:port, such as {host.partition(':')[0]}:80")
    return int(port)


def _manifests(asked: Asked) -> list[Manifest]:
    """What is made up: a service that answers at once where no manifests are given, and pods that send."""
    port = _port(asked.host)
    clients: list[Manifest] = []
    if not asked.gateway and asked.sender is None:
        clients = [deployment(CLIENTS, "default", {"app": CLIENTS}, image=f"example/{CLIENTS}", port=8080)]
    if asked.resources:
        return clients
    if not clients:
        message = "a gateway or pods that send belong to manifests"
        raise InputError(message, None, "name them with --resources, or print the traffic alone with --piece")
    parts = asked.host.partition(":")[0].split(".")
    name, where = dns_label(parts[0]), dns_label(parts[1]) if len(parts) > 1 else NAMESPACE
    labels = {"app": name}
    return [
        namespace(where),
        deployment(name, where, labels, image=f"example/{name}", port=port),
        service(name, where, labels, port),
        *clients,
    ]
