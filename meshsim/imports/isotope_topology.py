"""The file format of isotope (istio/tools): services that call each other by scripts.

Keys, default values and what is refused are those of istio/tools `isotope/convert/pkg/graph`: `unmarshal.go`
(defaults: one replica, HTTP, everything else zero), `svc/service.go`, `script/*.go`, `validation.go` (calls to services
that are not there, concurrent commands inside concurrent ones), `pct/percentage.go`, and of `size/byte_size.go`, which
reads sizes as Docker does: `1 KB` is 1,024 bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

from meshsim.errors import InputError
from meshsim.imports.reading import Complaints, read_document
from meshsim.units import Nanos, parse_duration

T = TypeVar("T")

NAMESPACE: Final = "service-graph"
"""Where services without a namespace are (`consts.go`)."""
_SHARED: Final = ("type", "numReplicas", "errorRate", "responseSize", "script", "numRbacPolicies")
"""Keys of a service that may stand in `defaults`."""
_SERVICE: Final = ("name", "isEntrypoint", "namespace", "cluster", *_SHARED)
_CALL: Final = ("service", "size", "probability", "hostname")
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)*) ?([kmgtp])?(i?b)?\Z", re.IGNORECASE)
_POWERS: Final = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")


class Protocol(Enum):
    """What a service speaks."""

    HTTP = "http"
    GRPC = "grpc"


@dataclass(frozen=True, slots=True)
class CallCommand:
    """A request to another service."""

    service: str
    size: int
    """Bytes of the request body."""
    probability: float
    """How often it is made."""
    path: str
    """Where it stands in the file."""


@dataclass(frozen=True, slots=True)
class SleepCommand:
    """A pause."""

    span: Nanos
    path: str


Command: TypeAlias = CallCommand | SleepCommand
Step: TypeAlias = tuple[Command, ...]
"""Commands that run at the same time; a step ends with the last of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MockService:
    """A service and what it does for each request."""

    name: str
    namespace: str
    cluster: str
    protocol: Protocol
    replicas: int
    entrypoint: bool
    error_rate: float
    response_size: int
    rbac_policies: int
    script: tuple[Step, ...]
    path: str
    """Where it stands in the file."""


@dataclass(frozen=True, slots=True)
class Topology:
    """A service graph."""

    services: Mapping[str, MockService]
    complaints: Complaints


def read_topology(path: Path) -> Topology:
    """The service graph of a file; raises `InputErrors` with everything that is wrong in it."""
    document, origin = read_document(path, "an isotope topology")
    complaints = Complaints(origin)
    complaints.unknown_keys("", document, ("apiVersion", "kind", "defaults", "services"))
    written = document.get("defaults")
    defaults = written if isinstance(written, Mapping) else {}
    if written is not None and not isinstance(written, Mapping):
        complaints.wrong("defaults", "expected a mapping of default values")
    complaints.unknown_keys("defaults", defaults, ("requestSize", *_SHARED))
    services = document.get("services")
    if not isinstance(services, list) or not services:
        complaints.wrong("services", "expected a list of services", "a topology has at least one service with a name")
        services = []
    reader = _Reader(complaints, defaults)
    found: dict[str, MockService] = {}
    for index, item in enumerate(services):
        service = reader.service(f"services[{index}]", item)
        if service is not None and service.name in found:
            complaints.wrong(f"services[{index}].name", f"the service '{service.name}' is there already")
        elif service is not None:
            found[service.name] = service
    _check_calls(found, complaints)
    complaints.done()
    return Topology(found, complaints)


def _check_calls(services: Mapping[str, MockService], complaints: Complaints) -> None:
    """Calls to services that are not there, and calls that come back: such a request would never end."""
    for service in services.values():
        for command in calls_of(service):
            if command.service not in services:
                close = get_close_matches(command.service, services, 1)
                hint = f"did you mean '{close[0]}'?" if close else ""
                complaints.wrong(command.path, f"there is no service '{command.service}' to call", hint)
    if complaints.errors:
        return
    left: set[str] = set()
    for first in services:
        way = {first: iter(calls_of(services[first]))} if first not in left else {}
        while way:
            name, calls = next(reversed(way.items()))
            call = next(calls, None)
            if call is None:
                left.add(name)
                del way[name]
            elif call.service in way:
                names = list(way)
                circle = " -> ".join([*names[names.index(call.service) :], call.service])
                complaints.wrong(call.path, f"these calls go round in a circle and would never end: {circle}")
            elif call.service not in left:
                way[call.service] = iter(calls_of(services[call.service]))


def calls_of(service: MockService) -> list[CallCommand]:
    """All calls of a script."""
    return [command for step in service.script for command in step if isinstance(command, CallCommand)]


@dataclass(frozen=True, slots=True)
class _Reader:
    complaints: Complaints
    defaults: Mapping[str, object]

    def service(self, path: str, item: object) -> MockService | None:
        if not isinstance(item, Mapping):
            self.complaints.wrong(path, "expected a service, a mapping with a name")
            return None
        self.complaints.unknown_keys(path, item, _SERVICE)
        name = item.get("name")
        if not isinstance(name, str) or not _LABEL.match(name):
            message = "a service needs a 'name' of small letters, digits and dashes, at most 63"
            self.complaints.wrong(f"{path}.name", message)
            return None
        return MockService(
            name=name,
            namespace=self._value(path, "namespace", item, _label, NAMESPACE),
            cluster=self._value(path, "cluster", item, _label, ""),
            protocol=self._value(path, "type", item, _protocol, Protocol.HTTP),
            replicas=self._value(path, "numReplicas", item, _count, 1),
            entrypoint=self._value(path, "isEntrypoint", item, _flag, False),
            error_rate=self._value(path, "errorRate", item, _percentage, 0.0),
            response_size=self._value(path, "responseSize", item, _size, 0),
            rbac_policies=self._value(path, "numRbacPolicies", item, _count, 0),
            script=self._script(path, item),
            path=path,
        )

    def _value(self, path: str, key: str, item: Mapping[str, object], parse: Callable[[object], T], otherwise: T) -> T:
        """The service's own value, else the default of the file, else that of isotope."""
        where, holder = (path, item) if key in item else ("defaults", self.defaults)
        if holder.get(key) is None:
            return otherwise
        return self.complaints.parsed(f"{where}.{key}", holder[key], parse, otherwise)

    def _script(self, path: str, item: Mapping[str, object]) -> tuple[Step, ...]:
        where, holder = (path, item) if "script" in item else ("defaults", self.defaults)
        script = holder.get("script")
        if script is None:
            return ()
        if not isinstance(script, list):
            self.complaints.wrong(f"{where}.script", "expected a list of steps", "such as [{call: a}, {sleep: 10ms}]")
            return ()
        steps: list[Step] = []
        for index, written in enumerate(script):
            at = f"{where}.script[{index}]"
            commands = written if isinstance(written, list) else [written]
            inner = [f"{at}[{number}]" if isinstance(written, list) else at for number in range(len(commands))]
            made = [self._command(place, command) for place, command in zip(inner, commands, strict=True)]
            steps.append(tuple(command for command in made if command is not None))
        return tuple(step for step in steps if step)

    def _command(self, path: str, written: object) -> Command | None:
        if isinstance(written, list):
            self.complaints.wrong(path, "concurrent commands cannot be nested")
            return None
        if not isinstance(written, Mapping) or len(written) != 1:
            self.complaints.wrong(path, "expected one command, 'call' or 'sleep'", "write {call: a} or {sleep: 10ms}")
            return None
        ((key, value),) = written.items()
        if key == "sleep":
            return SleepCommand(self.complaints.parsed(f"{path}.sleep", value, _span, 0), path)
        if key == "call":
            return self._call(f"{path}.call", value)
        self.complaints.wrong(f"{path}.{key}", f"unknown command '{key}'", "there are 'call' and 'sleep'")
        return None

    def _call(self, path: str, written: object) -> CallCommand | None:
        body = {"service": written} if isinstance(written, str) else written
        if not isinstance(body, Mapping) or not isinstance(body.get("service"), str):
            self.complaints.wrong(path, "expected the name of a service", "write {call: a} or {call: {service: a}}")
            return None
        self.complaints.unknown_keys(path, body, _CALL)
        if "size" in body:
            size = self.complaints.parsed(f"{path}.size", body["size"], _size, 0)
        else:
            size = self._value("", "requestSize", {}, _size, 0)
        chance = self.complaints.parsed(f"{path}.probability", body.get("probability", 0), _chance, 1.0)
        return CallCommand(str(body["service"]), size, chance, path)


def _label(value: object) -> str:
    if not isinstance(value, str) or not _LABEL.match(value):
        raise InputError("expected a name of small letters, digits and dashes")
    return value


def _protocol(value: object) -> Protocol:
    for protocol in Protocol:
        if isinstance(value, str) and value.lower() == protocol.value:
            return protocol
    raise InputError(f"expected http or grpc, got {value!r}")


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise InputError(f"expected true or false, got {value!r}")
    return value


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InputError(f"expected a whole number, got {value!r}")
    return value


def _percentage(value: object) -> float:
    """A share: ``0.5%``, or a number from 0 to 1 (`pct/percentage.go`)."""
    share: float | None = None
    if isinstance(value, str) and "%" in value:
        try:
            share = float(value[: value.index("%")]) / 100
        except ValueError:
            share = None
    elif isinstance(value, int | float) and not isinstance(value, bool):
        share = float(value)
    if share is None or not 0 <= share <= 1:
        raise InputError(f"expected a share such as 0.1% or 0.001, got {value!r}")
    return share


def _chance(value: object) -> float:
    """How often a call is made: whole percents, where 0 means that none were given
    (`isotope/service/pkg/srv/executable.go`, shouldSkipRequest)."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 100:
        raise InputError(f"expected a whole number of percent from 1 to 100, got {value!r}")
    return value / 100 if value else 1.0


def _size(value: object) -> int:
    """Bytes; multiples are of 1,024 whatever the spelling (docker/go-units, RAMInBytes)."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    found = _SIZE.match(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise InputError(f"expected a size such as 128, 10K or 1 KB, got {value!r}")
    return int(float(found.group(1)) * 1024 ** _POWERS[(found.group(2) or "").lower()])


def _span(value: object) -> Nanos:
    """A duration as Go writes it."""
    if not isinstance(value, str):
        raise InputError(f"expected a duration such as 10ms, got {value!r}")
    span = parse_duration(value)
    if span < 0:
        raise InputError(f"'{value}' is negative")
    return span
