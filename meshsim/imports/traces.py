"""Traces to a scenario: the call graph, what each service does for each operation, and what clients send."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from meshsim.errors import Finding, InputError, InputErrors, Severity
from meshsim.imports.estimating import Estimate, EstimatedCall, EstimatedOperation
from meshsim.imports.imported import MANIFESTS, SCENARIO, Imported, dns_label
from meshsim.imports.known_services import KnownService
from meshsim.imports.linking import OperationKey
from meshsim.imports.manifests import Manifest, deployment, namespace, service, text_of
from meshsim.imports.times import in_words, rounded, short, time_of
from meshsim.imports.yaml_text import Noted, Value, dump
from meshsim.units import MICROSECOND, SECOND, Nanos, format_duration, format_percent, format_rate
from meshsim.world.settings import ProxyCost

NAMESPACE: Final = "traced"
CLIENTS: Final = "clients"
PORT: Final = 8080
_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
_GRPC: Final = re.compile(r"/?(?:grpc\.)?[\w.]+\.[A-Z]\w*/[A-Z]\w*\Z")
_IDENTITY: Final = re.compile(r"\A(?:\d+|[0-9a-fA-F]{16,}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})\Z")


@dataclass(frozen=True, slots=True)
class Choices:
    """What traces do not say."""

    name: str
    duration: Nanos
    sampling: float = 1.0
    """Share of the requests that were traced."""
    sidecars: bool = True
    resources: tuple[str, ...] = ()
    """Manifests, as the scenario names them."""
    known: Mapping[str, KnownService] = field(default_factory=dict)
    """The services of those, by name."""


@dataclass(slots=True)
class _Names:
    """Names and paths that Kubernetes and HTTP allow, one for each service and operation."""

    services: dict[str, str] = field(default_factory=dict)
    paths: dict[tuple[OperationKey, int], str] = field(default_factory=dict)

    def service(self, name: str) -> str:
        if name not in self.services:
            label = dns_label(name)
            taken = set(self.services.values()) | {CLIENTS}
            number = 2
            while label in taken:
                label = f"{dns_label(name)[:60]}-{number}"
                number += 1
            self.services[name] = label
        return self.services[name]

    def path(self, key: OperationKey, variant: int = 0) -> str:
        if (key, variant) not in self.paths:
            path = path_of(key.operation) + (f"/{variant}" if variant else "")
            path = path.replace("//", "/")
            taken = {other for (owner, _), other in self.paths.items() if owner.service == key.service}
            number = 2
            while path in taken:
                path = f"{path_of(key.operation)}-{number}"
                number += 1
            self.paths[key, variant] = path
        return self.paths[key, variant]


def path_of(operation: str) -> str:
    """A path for an operation's name: its own where it has one, without method, host and what names one object."""
    words = operation.split()
    text = next((word for word in words if "/" in word), "-".join(words))
    text = re.sub(r"^[a-z]+://[^/]+", "", text)
    parts = [part for part in text.split("/") if part]
    cleaned = ["id" if _IDENTITY.match(part) else re.sub(r"[^A-Za-z0-9._~-]+", "-", part).strip("-") for part in parts]
    return "/" + "/".join(part or "any" for part in cleaned)


def method_of(operation: EstimatedOperation) -> str:
    """The method: as the spans say, as the operation's name does, POST for gRPC, else GET."""
    if operation.method in _METHODS:
        return operation.method
    for word in operation.key.operation.replace(":", " ").split():
        if word in _METHODS:
            return word
    return "POST" if _GRPC.match(operation.key.operation) else "GET"


def scenario_of(estimate: Estimate, choices: Choices) -> Imported:
    """The scenario of an estimate; raises `InputErrors` where it cannot be one."""
    maker = _Maker(estimate, choices)
    maker.refuse_circles()
    document: dict[str, Value] = {
        "apiVersion": "meshsim/v1alpha1",
        "kind": "Scenario",
        "name": choices.name,
        "description": maker.summary(),
        "duration": format_duration(choices.duration),
        **maker.mesh(),
        "resources": [*choices.resources, MANIFESTS],
        "workloads": maker.workloads(),
        "traffic": maker.traffic(),
    }
    manifests = text_of(maker.manifests(), "What the traces show and no manifest has.")
    return Imported(choices.name, {SCENARIO: dump(document), MANIFESTS: manifests}, tuple(maker.findings))


def _repeated(
    steps: Sequence[tuple[EstimatedCall, ...]],
) -> list[tuple[tuple[EstimatedCall, ...], int]]:
    """Steps, and how often each is made: calls to the same that are always made, one after the other, are one."""
    found: list[tuple[tuple[EstimatedCall, ...], int]] = []
    for step in steps:
        if found and len(step) == len(found[-1][0]) == 1 and _always(step[0]) and _always(found[-1][0][0]):
            (before,), times = found[-1]
            if (before.callee, before.optional) == (step[0].callee, step[0].optional):
                found[-1] = ((before,), times + 1)
                continue
        found.append((step, 1))
    return found


def _always(call: EstimatedCall) -> bool:
    return call.made == call.of


class _Maker:
    def __init__(self, estimate: Estimate, choices: Choices) -> None:
        self._estimate = estimate
        self._choices = choices
        self._names = _Names()
        self._by_service: dict[str, list[EstimatedOperation]] = {}
        self.findings: list[Finding] = []
        for operation in estimate.operations:
            self._names.service(operation.key.service)
            self._names.path(operation.key, operation.variant)
            self._by_service.setdefault(operation.key.service, []).append(operation)
        missing = sorted(name for name in self._by_service if self._known(name) is None)
        if choices.resources and missing:
            names = ", ".join(missing)
            self.warn(f"the manifests have no Service of these names, they are made up: {names}")
        self._methods = {operation.key: method_of(operation) for operation in estimate.operations}

    def summary(self) -> str:
        """Where the numbers are from."""
        linked = self._estimate.linked
        lost = f", {linked.orphans:,} of them without their parent" if linked.orphans else ""
        traces = "1 trace" if linked.traces == 1 else f"{linked.traces:,} traces"
        return f"Estimated from {linked.spans:,} spans of {traces}{lost}."

    def warn(self, message: str, hint: str = "") -> None:
        """Something that the scenario says differently."""
        self.findings.append(Finding("MSH0302", Severity.WARNING, message, None, hint))

    def _place(self, name: str) -> KnownService:
        """Where a service is: as the manifests say, else made up."""
        label = self._names.service(name)
        known = self._known(name)
        return known if known is not None else KnownService(label, NAMESPACE, PORT, {"app": label})

    def _known(self, name: str) -> KnownService | None:
        """The manifests' Service of a name, also of ``name.namespace`` as Istio's proxies call themselves."""
        short, _, where = name.partition(".")
        found = self._choices.known.get(self._names.service(name)) or self._choices.known.get(short)
        return found if found is not None and where in ("", found.namespace) else None

    def refuse_circles(self) -> None:
        """Operations that call themselves over others, as recursion does: a scenario has no end to it."""
        calls = {op.key: {c.callee for step in op.steps for c in step} for op in self._estimate.operations}
        done: set[OperationKey] = set()
        for first in calls:
            way: dict[OperationKey, list[OperationKey]] = {} if first in done else {first: sorted(calls[first])}
            while way:
                key, rest = next(reversed(way.items()))
                if not rest:
                    done.add(key)
                    del way[key]
                    continue
                callee = rest.pop()
                if callee in way:
                    around = " -> ".join(
                        f"{k.service} {k.operation}" for k in (*list(way)[list(way).index(callee) :], callee)
                    )
                    raise InputErrors((InputError(f"these calls go round in a circle and would never end: {around}"),))
                if callee in calls and callee not in done:
                    way[callee] = sorted(calls[callee])

    def mesh(self) -> dict[str, Value]:
        """Sidecars, and latencies with which calls take as long on their way as the callers' spans say."""
        mesh: dict[str, Value] = {}
        namespaces = sorted({self._place(name).namespace for name in self._by_service} - {NAMESPACE})
        if namespaces and self._choices.sidecars:
            mesh["inject"] = namespaces
        network = self._network()
        if network is not None:
            mesh["timing"] = {"network": network}
        return {"mesh": mesh} if mesh else {}

    def _network(self) -> Value | None:
        way = self._estimate.way
        if way is None:
            return None
        passes = 2 * (ProxyCost().outbound.scale + ProxyCost().inbound.scale) if self._choices.sidecars else 0
        one_way = (way - passes) // 2
        if one_way < MICROSECOND:
            self.warn(f"calls are {short(way)} on their way, less than sidecars take", "--no-sidecars leaves them out")
            one_way = MICROSECOND
        beyond = " beyond what sidecars take" if self._choices.sidecars else ""
        note = f"half of what callers usually wait longer than the called service takes, {short(way)}{beyond}"
        latency = format_duration(rounded(one_way))
        return Noted({"sameNode": latency, "sameZone": latency, "crossZone": latency}, note)

    # ---- workloads ------------------------------------------------------------------------------------------------

    def workloads(self) -> list[Value]:
        """One entry a service, with an operation for each kind of request."""
        return [self._workload(name, operations) for name, operations in self._by_service.items()]

    def _workload(self, name: str, operations: Sequence[EstimatedOperation]) -> Value:
        place = self._place(name)
        made: dict[str, Value] = {"match": dict(place.labels)}
        if place.namespace != NAMESPACE:
            made["namespace"] = place.namespace
        made["serve"] = {"style": "async"}
        if len(operations) == 1:
            (only,) = operations
            made["serve"] = {**self._work(only), "style": "async"}
            calls = self._calls(only)
            if calls:
                made["calls"] = calls
            return made
        made["operations"] = [
            {
                "path": self._names.path(item.key, item.variant),
                "method": self._methods[item.key],
                **self._work(item),
                **({"calls": calls} if (calls := self._calls(item)) else {}),
            }
            for item in operations
        ]
        return made

    def _work(self, item: EstimatedOperation) -> dict[str, Value]:
        note = in_words(item.times)
        if item.waits:
            note += f"; {item.waits:,} with what their callers waited longer than usual"
        work: dict[str, Value] = {"time": Noted(time_of(item.times), note)}
        if item.failures:
            rate = format_percent(item.failures / item.count)
            note = f"{item.failures} of {item.count:,} failed without a failed call"
            work["errors"] = Noted({"rate": rate, "status": item.status}, note)
        return work

    def _calls(self, item: EstimatedOperation) -> list[Value]:
        steps: list[Value] = []
        for step, times in _repeated(item.steps):
            calls = [self._call(item, call, times) for call in step]
            steps.append({"parallel": calls} if len(calls) > 1 else calls[0])
        return steps

    def _call(self, item: EstimatedOperation, call: EstimatedCall, times: int) -> Value:
        made: dict[str, Value] = {
            "to": self._place(call.callee.service).host_from(self._place(item.key.service).namespace),
            "path": self._names.path(call.callee),
        }
        method = self._methods.get(call.callee, "GET")
        if method != "GET":
            made["method"] = method
        if times > 1:
            made["times"] = times
        if call.made < call.of:
            made["probability"] = Noted(format_percent(call.probability), f"{call.made:,} of {call.of:,}")
        if call.optional:
            made["optional"] = Noted(True, f"{call.survived} of {call.failures} failures did not make the caller fail")
        return made

    # ---- traffic --------------------------------------------------------------------------------------------------

    def traffic(self) -> list[Value]:
        """What clients send to each operation that is the root of traces, and calls that nobody waits for."""
        made: list[Value] = []
        for item in self._estimate.operations:
            senders = dict(item.senders)
            outside = item.roots - sum(senders.values())
            for sender, count in (*(((None, outside),) if outside else ()), *senders.items()):
                made.append(self._stream(sender, item, count, "root spans"))
        for item in self._estimate.operations:
            for callee, count in item.unawaited.items():
                made.append(self._unawaited(item, callee, count))
        if not made:
            self.warn("no trace has its root: nothing is sent", "give 'traffic' to the services that clients call")
        return self._merged(made)

    def _merged(self, streams: Sequence[Value]) -> list[Value]:
        """Streams with names of their own."""
        counts: Counter[str] = Counter()
        named: list[Value] = []
        for stream in streams:
            assert isinstance(stream, Mapping)
            base = str(stream["name"])
            counts[base] += 1
            named.append({**stream, "name": base if counts[base] == 1 else f"{base}-{counts[base]}"})
        return named

    def _stream(self, sender: str | None, item: EstimatedOperation, count: int, what: str) -> Value:
        path = self._names.path(item.key, item.variant)
        return self._entry(sender, item.key, path, count, what)

    def _unawaited(self, item: EstimatedOperation, callee: OperationKey, count: int) -> Value:
        """Calls without waiting are traffic that the caller's pods send.

        DEVIATION: calls that a service does not wait for are sent at their mean rate, not when it handles a request.
        """
        what = f"calls for which {item.key.service} did not wait"
        return self._entry(item.key.service, callee, self._names.path(callee), count, what)

    def _entry(self, sender: str | None, key: OperationKey, path: str, count: int, what: str) -> Value:
        request: dict[str, Value] = {"host": self._place(key.service).host_from(CLIENTS), "path": path}
        method = self._methods.get(key, "GET")
        if method != "GET":
            request["method"] = method
        source = CLIENTS if sender is None else self._names.service(sender)
        labels = {"app": CLIENTS} if sender is None else self._place(sender).labels
        return {
            "name": f"{source}-{self._names.service(key.service)}"[:60],
            "from": {"match": dict(labels)},
            "request": request,
            "rate": self._rate(count, what),
        }

    def _rate(self, count: int, what: str) -> Value:
        window, share = self._estimate.window, self._choices.sampling
        roots = sum(item.roots for item in self._estimate.operations)
        if roots < 2 or window <= 0:
            return Noted("1/s", "a guess: one trace says nothing of the rate")
        # Between the first and the last of n arrivals lie n - 1 intervals.
        rate = count / window * SECOND * (roots - 1) / roots / share
        sampled = f", {format_percent(share)} traced" if share < 1 else ""
        return Noted(format_rate(float(f"{rate:.4g}")), f"{count:,} {what} in {window / SECOND:.4g}s{sampled}")

    # ---- manifests ------------------------------------------------------------------------------------------------

    def manifests(self) -> list[Manifest]:
        """A Deployment and a Service each, unless there are manifests of them, and the clients' pod."""
        made: list[Manifest] = []
        senders = {sender for item in self._estimate.operations for sender in item.senders}
        for name in dict.fromkeys((*self._by_service, *sorted(senders))):
            label = self._names.service(name)
            if self._known(name) is not None:
                continue
            seen = len(self._estimate.linked.instances.get(name, ()))
            replicas: Value = Noted(seen, f"{seen} seen") if seen else Noted(1, "none is named in the spans")
            labels = {"app": label}
            image = f"example/{label}"
            made.append(deployment(label, NAMESPACE, labels, image=image, port=PORT, replicas=replicas))
            made.append(service(label, NAMESPACE, labels, PORT, self._port_name(name)))
        if made:
            made.insert(0, namespace(NAMESPACE, injected=self._choices.sidecars))
        made.append(namespace(CLIENTS, injected=False))
        made.append(deployment(CLIENTS, CLIENTS, {"app": CLIENTS}, image=f"example/{CLIENTS}", port=PORT))
        return made

    def _port_name(self, name: str) -> str:
        operations = self._by_service.get(name, ())
        grpc = bool(operations) and all(_GRPC.match(item.key.operation) for item in operations)
        return "grpc" if grpc else "http"
