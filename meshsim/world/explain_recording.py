"""Explanations of recorded requests: what the proxies had when the request began, as the recording kept it.

What a recording does not hold (headers, the port of a request that reached no cluster, places inside a file) comes from
the scenario it was made of, as long as that file still means the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from meshsim.api import ObjectStore
from meshsim.controlplane.mesh import installed_mesh_config
from meshsim.dataplane.active import ActiveConfig, load_config
from meshsim.dataplane.decide.decide import decide_direct
from meshsim.dataplane.decide.listeners import Listener, TcpProxy
from meshsim.dataplane.decide.values import Connection, Request
from meshsim.dataplane.resource_cache import ResourceCache
from meshsim.errors import MeshsimError, UsageError
from meshsim.netfilter import PodRules, PodRulesFactory, Verdict
from meshsim.netfilter.options import options_from_text
from meshsim.network.dns import Resolver
from meshsim.recording import Run
from meshsim.scenario import Call, LoadedScenario, load_scenario, references
from meshsim.units import Nanos
from meshsim.world.explain import (
    CLIENT_ADDRESS,
    UNKNOWN_ADDRESS,
    Ask,
    Explanation,
    Named,
    PodPlace,
    Section,
    explain_request,
)
from meshsim.world.sources import ConfigName, Sources, recorded_sources, sources_of

_PARTS: Final = 4
Row = Mapping[str, Any]
"""A row of a recording's table."""


@dataclass(slots=True)
class RecordedEvidence:
    """A recording at the instant a request began (an `Evidence`)."""

    run: Run
    time: Nanos
    trust_domain: str
    sources: Sources
    request: Row
    proxies: Mapping[str, Row]
    """Proxies that lived then, by id."""
    _cache: ResourceCache = field(default_factory=ResourceCache)
    _rules: PodRulesFactory = field(default_factory=PodRulesFactory)
    _configs: dict[str, ActiveConfig | None] = field(default_factory=dict)

    def config(self, pod_id: str) -> ActiveConfig | None:
        """What the proxy had received by then and could use."""
        if pod_id not in self._configs:
            resources: dict[str, dict[str, bytes]] = {}
            for entry in self.run.config(pod_id, self.time):
                resources.setdefault(entry.type_url, {})[entry.name] = entry.body
            found = load_config(resources, self._cache)[0] if resources else None
            self._configs[pod_id] = found
        return self._configs[pod_id]

    def resolve(self, host: str, namespace: str) -> Named | None:
        """The service's address as it stands in the caller's own configuration; else what its endpoint tells."""
        service = str(self.request["service"])
        caller = self.config(f"{self.request['source_pod']}.{self.request['source_namespace']}")
        address = _service_address(caller, service, _port(self.request)) if caller is not None else ""
        labels = service.split(".")
        if len(labels) > 2 and labels[2] == "svc":
            address = address or str(self.request["endpoint"]).rpartition(":")[0]
            return Named(service, (address,) if address else (), labels[0], labels[1])
        outside = Resolver(ObjectStore()).resolve(service, namespace)
        return Named(service, (address,) if address else outside.addresses if outside is not None else ())

    def walk_outbound(self, pod_id: str, address: str, port: int) -> Verdict | None:
        """The pod's nat rules on an application's connection."""
        rules = self._rules_of(pod_id)
        return rules.outbound(address, port) if rules is not None else None

    def walk_inbound(self, pod_id: str, source: str, address: str, port: int) -> Verdict | None:
        """The pod's nat rules on a peer's connection."""
        rules = self._rules_of(pod_id)
        return rules.inbound(source, address, port) if rules is not None else None

    def _rules_of(self, pod_id: str) -> PodRules | None:
        row = self.proxies.get(pod_id)
        text = str(row.get("capture") or "") if row is not None else ""
        if row is None or not text:
            return None
        return self._rules.of_options(options_from_text(text), (str(row["address"]),))

    def pod_at(self, address: str) -> PodPlace | None:
        """The pod that had the address: one with a proxy, else the one the request reached."""
        for row in self.proxies.values():
            if row["address"] == address:
                return _place(row)
        endpoint, _, _ = str(self.request["endpoint"]).rpartition(":")
        if endpoint != address or not self.request["pod"]:
            return None
        namespace = str(self.request["destination_namespace"])
        return PodPlace(f"{self.request['pod']}.{namespace}", namespace, address, "", False)

    def backends(self, address: str, port: int) -> tuple[tuple[str, int], ...]:
        """Where the request went."""
        host, _, number = str(self.request["endpoint"]).rpartition(":")
        return ((host, int(number)),) if host else ()

    def peer_policies(self, pod_id: str) -> tuple[ConfigName, ...]:
        """None: a recording does not keep the labels that PeerAuthentications select pods by."""
        return ()


def explain_recorded(run: Run, request_id: int) -> Explanation:
    """Explain a request of a recording by its id. Raises `UsageError` when there is none."""
    attempts = _attempts(run, request_id)
    row = next((item for item in attempts if item["last"]), attempts[-1])
    part = next(item for item in run.parts if row["seed"] in item.manifest.seeds)
    loaded = _scenario(run)
    proxies = _proxies(part, int(row["start"]))
    mesh = installed_mesh_config(loaded.scenario.mesh.mesh_config if loaded is not None else {})
    evidence = RecordedEvidence(
        part,
        int(row["start"]),
        mesh.trust_domain,
        sources_of(loaded) if loaded is not None else recorded_sources(part.objects().to_pylist()),
        row,
        proxies,
    )
    ask = _ask(evidence, row, loaded)
    explanation = explain_request(evidence, ask)
    explanation.sections.insert(0, Section(f"request {request_id}", tuple(_attempt_lines(attempts, loaded))))
    return explanation


def _attempts(run: Run, request_id: int) -> list[Row]:
    import pyarrow.compute as pc

    table = run.requests()
    rows: list[Row] = table.filter(pc.equal(table["request"], request_id)).to_pylist()
    if not rows:
        hint = "ids stand in the column 'request' of requests.parquet"
        raise UsageError(f"the recording '{run.folder}' has no request {request_id}", None, hint)
    return sorted(rows, key=lambda row: (row["seed"], row["mirror"], row["attempt"]))


def _proxies(run: Run, time: Nanos) -> dict[str, Row]:
    rows = run.proxies().to_pylist()
    return {row["proxy"]: row for row in rows if row["connected"] <= time and not 0 <= row["gone"] < time}


def _scenario(run: Run) -> LoadedScenario | None:
    """The scenario of a recording; `None` when its file is gone or means something else now."""
    try:
        loaded = load_scenario(run.manifest.scenario_file)
    except MeshsimError:
        return None
    return loaded if loaded.digest() == run.manifest.scenario_hash else None


def _attempt_lines(attempts: list[Row], loaded: LoadedScenario | None) -> Iterator[str]:
    for row in attempts:
        if not row["attempt"]:
            yield f"no attempt: {row['status'] or 'no answer'}{_flags(row)}"
            continue
        kind = "mirrored copy" if row["mirror"] else f"attempt {row['attempt']}"
        where = f"{row['pod'] or 'no pod'} at {row['endpoint']}" if row["endpoint"] else "no endpoint"
        took = (
            f", {(row['end'] - row['attempt_start']) / 1e6:.3f} ms" if row["end"] >= 0 <= row["attempt_start"] else ""
        )
        yield f"{kind}: {where} by {row['cluster']}: {row['status'] or 'no answer'}{_flags(row)}{took}"
    if loaded is None:
        yield "the scenario has changed or is gone: request headers are not known"


def _flags(row: Row) -> str:
    return f" {row['flags']}" if row["flags"] else ""


# ---- what was asked -------------------------------------------------------------------------------------------------


def _ask(evidence: RecordedEvidence, row: Row, loaded: LoadedScenario | None) -> Ask:
    method, _, path = str(row["call"]).partition(" ")
    host, port, authority, headers = _as_sent(row, loaded)
    request = Request(method=method, authority=authority, path=path, headers=tuple(headers.items()))
    reached = str(row["endpoint"])
    outside = {item["traffic"] for item in evidence.run.traffic().to_pylist() if item["gateway"]}
    if row["source_pod"] and row["traffic"] not in outside:
        caller = _caller(evidence, row)
        return Ask(caller=caller, host=host, port=port, request=request, reached=reached)
    gateway, entry_port = _gateway(evidence, row, request)
    return Ask(caller=_place(gateway), from_outside=True, host=host, port=entry_port, request=request, reached=reached)


def _caller(evidence: RecordedEvidence, row: Row) -> PodPlace:
    pod_id = f"{row['source_pod']}.{row['source_namespace']}"
    known = evidence.proxies.get(pod_id)
    if known is not None:
        return _place(known)
    return PodPlace(pod_id, str(row["source_namespace"]), UNKNOWN_ADDRESS, "", False)


def _as_sent(row: Row, loaded: LoadedScenario | None) -> tuple[str, int, str, Mapping[str, str]]:
    """Host, port, authority and headers: the scenario's traffic or call that made the request, else what is known."""
    service, name = str(row["service"]), str(row["traffic"])
    if loaded is not None:
        for traffic in loaded.scenario.traffic:
            if traffic.name == name:
                asked = traffic.request
                return asked.hostname, asked.port, asked.host, asked.headers
        for call in _calls(loaded):
            if f"{call.method} {call.path}" == row["call"] and _means(call.host, service):
                return call.host, call.port, call.to, call.headers
    port = _port(row)
    return service, port, f"{service}:{port}", {}


def _calls(loaded: LoadedScenario) -> Iterator[Call]:
    for index, workload in enumerate(loaded.scenario.workloads):
        for reference in references(index, workload):
            yield reference.call


def _means(host: str, service: str) -> bool:
    """Whether a name as an application writes it can be that service."""
    return service == host or service.startswith(f"{host}.")


def _port(row: Row) -> int:
    """The port in the cluster's name, else that of the endpoint, else 80."""
    parts = str(row["cluster"]).split("|")
    if len(parts) == _PARTS and parts[1].isdigit():
        return int(parts[1])
    number = str(row["endpoint"]).rpartition(":")[2]
    return int(number) if number.isdigit() else 80


def _gateway(evidence: RecordedEvidence, row: Row, request: Request) -> tuple[Row, int]:
    """The gateway and its port that a client outside came to: the port that routes to where the request went."""
    entered = f"{row['source_pod']}.{row['source_namespace']}"
    routers = [item for item in evidence.proxies.values() if item["proxy"] == entered]
    choices = [(router, port) for router in routers for port in _bound_ports(evidence.config(str(router["proxy"])))]
    for router, port in choices:
        config = evidence.config(str(router["proxy"]))
        assert config is not None
        address = str(router["address"])
        connection = Connection(source=CLIENT_ADDRESS, destination=address, destination_port=port)
        decision = decide_direct(config, connection, request)
        if decision.route == row["route"] and row["cluster"] in ("", *(u.name for u in decision.upstreams)):
            return router, port
    if not choices:
        raise UsageError("no gateway of the recording was up when the request came", None, "look at its proxies")
    return choices[0]


def _bound_ports(config: ActiveConfig | None) -> list[int]:
    listeners = config.listeners.values() if config is not None else ()
    return sorted({port for item in listeners if item.bound for _, port in item.addresses})


def _place(row: Row) -> PodPlace:
    account = str(row.get("service_account") or "default")
    return PodPlace(str(row["proxy"]), str(row["namespace"]), str(row["address"]), account, True)


# ---- the address of a service ---------------------------------------------------------------------------------------


def _service_address(config: ActiveConfig, service: str, port: int) -> str:
    """Its cluster IP: among the domains of its virtual host, or in front of the listener of its TCP port."""
    for table in config.routes.values():
        for host in table.virtual_hosts:
            if service in host.domains:
                found = next((domain for domain in host.domains if _is_address(domain)), "")
                if found:
                    return found
    wanted = f"outbound|{port}||{service}"
    for listener in config.listeners.values():
        if _leads_to(listener, wanted):
            return next((address for address, number in listener.addresses if number == port), "")
    return ""


def _leads_to(listener: Listener, cluster: str) -> bool:
    chains = (*listener.chains, *((listener.default_chain,) if listener.default_chain else ()))
    proxies = (item for chain in chains for item in chain.filters if isinstance(item, TcpProxy))
    return any(target.name == cluster for proxy in proxies for target in proxy.clusters)


def _is_address(text: str) -> bool:
    parts = text.split(".")
    return len(parts) == 4 and all(part.isdigit() for part in parts)
