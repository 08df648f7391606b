"""What a real Envoy and the model say of one resource: accepted or refused, and why."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from google.protobuf.message import Message

from meshsim.dataplane.active import ActiveConfig, ProxyConfig
from meshsim.dataplane.resource_cache import ResourceCache
from meshsim.errors import InternalError
from meshsim.testing.ads_resources import (
    LOOPBACK,
    assignment,
    eds_cluster,
    name_of,
    rds_listener,
    route_table,
    static_cluster,
    type_of,
)
from meshsim.testing.envoy_process import EnvoyProcess, ads_bootstrap
from meshsim.trace import Tap, XdsEvent
from meshsim.xds import type_urls
from meshsim.xds.ads_grpc import AdsGrpcServer
from meshsim.xds.client import error_text
from meshsim.xds.snapshot_server import Response, SnapshotServer

_ANSWER_WITHIN: Final = 10.0
TABLE: Final = "table"
"""Name of the route table that the proxy follows."""
EDS: Final = "eds"
"""Name of the cluster whose endpoints the proxy follows."""

_CONSTRAINT: Final = re.compile(
    r"^(.*?)(?:goo\.gle/debug.*?)?(?:: )?(Proto constraint validation failed \(.*\))\s*$", re.DOTALL
)
_DUMP: Final = re.compile(
    r"(Invalid duration: [^:\n]*|Address must be set|Field '[^']*' is missing in|Error while parsing RDS config"
    r"|\. duplicate matcher is).*",
    re.DOTALL,
)


class Verdict(NamedTuple):
    """An answer to a response with one new resource."""

    accepted: bool
    reason: str
    """As it was sent; `reason_class` makes two of them comparable."""


def reason_class(reason: str) -> str:
    """A NACK's text without what differs from run to run.

    Text dumps of messages stand behind a random marker (measured on Envoy 1.40), before a broken constraint or after a
    bad duration.
    """
    broken = _CONSTRAINT.match(reason)
    if broken:
        where, constraint = broken.groups()
        return f"{where.rstrip(': ')}: {constraint}".removeprefix(": ")
    return _DUMP.sub(lambda found: "" if found.group(1).startswith(".") else found.group(1), reason).strip()


def base_resources(port: int) -> tuple[Message, ...]:
    """What the proxy has before: a listener with routes by RDS, a cluster with endpoints by EDS, and one without."""
    return (
        static_cluster("a"),
        eds_cluster(EDS),
        assignment(EDS),
        rds_listener("base", port, TABLE),
        route_table(TABLE),
    )


class ModelOracle:
    """The model as judge; a trial changes nothing."""

    def __init__(self, port: int, cache: ResourceCache | None = None) -> None:
        config = ProxyConfig(cache or ResourceCache(), addresses=frozenset({LOOPBACK}))
        for message in base_resources(port):
            config(type_of(message), {name_of(message): message.SerializeToString()}, (), "1")
        self._state: ActiveConfig = config.active

    def judge(self, resources: Mapping[str, bytes], type_url: str) -> Verdict:
        """What becomes of a response with these resources."""
        _, applied = self._state.apply(type_url, resources, (), "2")
        return Verdict(not applied.rejected, error_text(type_url, applied.rejected))


class EnvoyOracle:
    """A real Envoy as judge, over ADS; a trial is taken back before the next. A context manager."""

    def __init__(self, folder: Path, port: int, *, delta: bool = True) -> None:
        self._events: list[XdsEvent] = []
        tap: Tap[XdsEvent] = Tap()
        tap.listen(self._events.append)
        self._server = SnapshotServer(tap)
        self._base = {(type_of(m), name_of(m)): m.SerializeToString() for m in base_resources(port)}
        for (type_url, name), body in self._base.items():
            self._server.put(type_url, name, body)
        path = folder / "xds.sock"
        self._grpc = AdsGrpcServer(self._server, path)
        self._envoy = EnvoyProcess(folder, ads_bootstrap(path, delta=delta))

    def __enter__(self) -> EnvoyOracle:
        self._grpc.__enter__()
        try:
            self._envoy.__enter__()
            self._envoy.wait_live()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._envoy.__exit__()
        self._grpc.__exit__()

    def judge(self, resources: Mapping[str, bytes], type_url: str) -> Verdict:
        """What becomes of a response with these resources."""
        for name, body in resources.items():
            self._server.put(type_url, name, body)
        verdict = self._push(type_url, tuple(resources))
        for name in resources:
            before = self._base.get((type_url, name))
            if before is None:
                self._server.drop(type_url, name)
            else:
                self._server.put(type_url, name, before)
        self._push(type_url, tuple(resources))
        return verdict

    def answer(self, response: Response) -> Verdict:
        """What becomes of a response as it is; its nonce has to be new."""
        begun = len(self._events)
        stream = self._server.streams[-1]
        self._grpc.send(lambda: [(stream, response)])
        deadline = time.monotonic() + _ANSWER_WITHIN
        while time.monotonic() < deadline:
            for event in self._events[begun:]:
                if event.nonce == response.nonce:
                    return Verdict(event.kind != "nack", event.reason)
            time.sleep(0.001)
        raise InternalError(f"Envoy gave no answer to {response.nonce}")

    def _push(self, type_url: str, names: tuple[str, ...]) -> Verdict:
        begun = len(self._events)
        self._grpc.send(lambda: self._server.push(type_url, names))
        deadline = time.monotonic() + _ANSWER_WITHIN
        nonce = ""
        while time.monotonic() < deadline:
            for event in self._events[begun:]:
                if event.kind == "send" and event.type_url == type_url:
                    nonce = event.nonce
                if event.nonce == nonce and event.kind in ("ack", "nack", "subscribe") and nonce:
                    return Verdict(event.kind != "nack", event.reason)
            time.sleep(0.001)
        raise InternalError(f"Envoy gave no answer to {type_urls.SHORT[type_url]} {names}")
