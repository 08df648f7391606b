"""Every row of the failure matrix on one real Envoy, and the same rows asked of the model."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple

from meshsim.dataplane.active import ActiveConfig, load_config
from meshsim.dataplane.decide import (
    Connection,
    Disposition,
    ExternalAnswer,
    Fixed,
    Protocol,
    Surroundings,
    decide_direct,
)
from meshsim.dataplane.decide.replies import local_reply, rate_limited
from meshsim.dataplane.decide.upstream_ends import finish
from meshsim.errors import InternalError
from meshsim.testing import misbehaving
from meshsim.testing.envoy_process import EnvoyProcess
from meshsim.testing.failure_rows import GRPC, Json, Row
from meshsim.testing.misbehaving import LOOPBACK, ClosedPort, FullPort, Upstream
from meshsim.xds import type_urls
from meshsim.xds.messages import cluster_pb2, listener_pb2
from meshsim.xds.packing import from_json

_TYPE: Final = type_urls.PREFIX
_PATIENCE: Final = 10.0
_LOG_FIELDS: Final = {
    "port": "%DOWNSTREAM_LOCAL_PORT%",
    "status": "%RESPONSE_CODE%",
    "flags": "%RESPONSE_FLAGS%",
    "details": "%RESPONSE_CODE_DETAILS%",
}
BEHAVIOURS: Final[Mapping[str, misbehaving.Behaviour]] = {
    "answers": misbehaving.answers(200, "ok"),
    "503": misbehaving.answers(503, "sorry"),
    "503 limited": misbehaving.answers(503, "sorry", "x-envoy-ratelimited: true\r\n"),
    "closes": misbehaving.closes,
    "resets": misbehaving.resets,
    "nonsense": misbehaving.talks_nonsense,
    "silent": misbehaving.stays_silent,
    "cuts": misbehaving.cuts_its_body,
    "h2 no error": misbehaving.resets_streams(0),
    "h2 protocol": misbehaving.resets_streams(1),
    "h2 internal": misbehaving.resets_streams(2),
    "h2 refused": misbehaving.resets_streams(7),
    "h2 cancel": misbehaving.resets_streams(8),
    "h2 calm": misbehaving.resets_streams(11),
    "h2 late": misbehaving.resets_streams_after_headers(2),
    "h2 goaway": misbehaving.goes_away,
    "denies": misbehaving.answers(401, "who are you"),
    "fails": misbehaving.closes,
}


class Seen(NamedTuple):
    """What a client and the access log saw."""

    status: int
    body: str
    flags: str
    details: str
    grpc_status: str


class FailureLab:
    """One Envoy with a listener for each row, from `first_port` on, and the upstreams they need; a context manager."""

    def __init__(self, folder: Path, rows: Sequence[Row], first_port: int) -> None:
        self._rows = {row.name: (row, first_port + index) for index, row in enumerate(rows)}
        self._folder = folder
        self._log = folder / "access.log"
        self._stack = contextlib.ExitStack()
        self._ports: dict[str, int] = {}

    def __enter__(self) -> FailureLab:
        try:
            for name, behaviour in BEHAVIOURS.items():
                self._ports[name] = self._stack.enter_context(Upstream(behaviour)).port
            self._ports["refuses"] = self._stack.enter_context(ClosedPort()).port
            self._ports["drops"] = self._stack.enter_context(FullPort()).port
            envoy = self._stack.enter_context(EnvoyProcess(self._folder, self._bootstrap()))
            envoy.wait_live()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _bootstrap(self) -> Json:
        configs = [self._config(row, port) for row, port in self._rows.values()]
        log = {
            "name": "file",
            "typed_config": {
                "@type": _TYPE + "envoy.extensions.access_loggers.file.v3.FileAccessLog",
                "path": str(self._log),
                "log_format": {"json_format": _LOG_FIELDS},
            },
        }
        for listener, _ in configs:
            listener["filter_chains"][0]["filters"][0]["typed_config"]["access_log"] = [log]
        clusters = [cluster for _, found in configs for cluster in found]
        return {
            "static_resources": {
                "listeners": [listener for listener, _ in configs],
                "clusters": list({cluster["name"]: cluster for cluster in clusters}.values()),
            }
        }

    def _config(self, row: Row, port: int) -> tuple[Json, list[Json]]:
        """The listener of a row, and its clusters."""
        name = f"c{port}"
        clusters = [self._cluster(name, row.upstream, row.cluster)]
        clusters += [self._cluster(f"authz-{row.denies}", row.denies, {})] if row.denies else []
        text = json.dumps(_listener(row, port, name))
        return json.loads(text.replace('"authz"', f'"authz-{row.denies}"')), clusters

    def _cluster(self, name: str, upstream: str, more: Mapping[str, Any]) -> Json:
        endpoint: Json = {"endpoint": {"address": _address(self._ports.get(upstream, 1))}}
        if upstream == "unhealthy":
            endpoint["health_status"] = "UNHEALTHY"
        endpoints = [] if upstream == "none" else [{"lb_endpoints": [endpoint]}]
        assignment = {"cluster_name": name, "endpoints": endpoints}
        return {"name": name, "type": "STATIC", "connect_timeout": "2s", "load_assignment": assignment, **more}

    # ---- the real one -------------------------------------------------------------------------------------------

    def ask_envoy(self) -> dict[str, Seen]:
        """All rows on the real Envoy."""
        with ThreadPoolExecutor(16) as pool:
            answers = dict(zip(self._rows, pool.map(lambda item: _ask(*item), self._rows.values()), strict=True))
        logged = self._logged({port: row.times for row, port in self._rows.values()})
        found: dict[str, Seen] = {}
        for name, (_, port) in self._rows.items():
            status, body, grpc_status = answers[name]
            line = logged[port]
            if status != (line["status"] or 0):
                raise InternalError(f"{name}: the client saw {status}, the log says {line['status']}")
            flags = "" if line["flags"] == "-" else str(line["flags"])
            found[name] = Seen(status, body, flags, str(line["details"]), grpc_status)
        return found

    def _logged(self, wanted: Mapping[int, int]) -> dict[int, Json]:
        """The last log line of each port, once all are there."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            lines = [json.loads(line) for line in self._log.read_text().splitlines()] if self._log.exists() else []
            by_port: dict[int, list[Json]] = {}
            for line in lines:
                by_port.setdefault(int(line["port"]), []).append(line)
            missing = [port for port, count in wanted.items() if len(by_port.get(port, ())) < count]
            if not missing:
                return {port: found[-1] for port, found in by_port.items()}
            if time.monotonic() > deadline:
                raise InternalError(f"no access log line of ports {missing}")
            time.sleep(0.02)

    # ---- the model ----------------------------------------------------------------------------------------------

    def ask_model(self, name: str) -> Seen:
        """One row on the model."""
        row, port = self._rows[name]
        listener, clusters = self._config(row, port)
        config, rejected = load_config(
            {
                type_urls.CLUSTER: {c["name"]: _encode(c, cluster_pb2.Cluster) for c in clusters},
                type_urls.LISTENER: {listener["name"]: _encode(listener, listener_pb2.Listener)},
            }
        )
        if rejected:
            raise InternalError(f"{name}: {rejected}")
        return _decided(row, port, config)


def _encode(body: Json, kind: Any) -> bytes:
    return bytes(from_json(body, kind).SerializeToString())


def _decided(row: Row, port: int, config: ActiveConfig) -> Seen:
    connection = Connection(source=LOOPBACK, destination=LOOPBACK, destination_port=port, protocol=row.protocol)
    answer = ExternalAnswer(False, 401, "who are you", failed=row.denies == "fails")
    surroundings = Surroundings(authorize=lambda _: answer)
    decision = decide_direct(config, connection, row.request, chance=Fixed(0), resolve=True, surroundings=surroundings)
    grpc = row.request.headers == GRPC
    flags = decision.flag_text
    limit = decision.policies.rate_limit
    if limit is not None and row.times > limit.max_tokens:
        reply = rate_limited(limit)
    elif decision.disposition is Disposition.FORWARDED:
        cluster = decision.upstreams[0].cluster
        assert cluster is not None
        reply = finish(
            decision.policies,
            row.attempts,
            cluster_limit=cluster.max_stream_duration,
            retries_allowed=cluster.thresholds.retries > 0,
        ).reply
    else:
        headers = dict(decision.response_headers)
        return Seen(decision.status, decision.body, flags, decision.details, headers.get("grpc-status", ""))
    made = local_reply(reply, grpc and reply.details != "via_upstream")
    body = "ok" if reply.details == "via_upstream" and not made.body else made.body
    flags = ",".join(f for f in (flags, *(f.value for f in reply.flags)) if f)
    return Seen(made.status, body, flags, reply.details, made.headers.get("grpc-status") or "")


def _address(port: int) -> Json:
    return {"socket_address": {"address": LOOPBACK, "port_value": port}}


def _listener(row: Row, port: int, cluster: str) -> Json:
    more = dict(row.manager)
    tls = more.pop("_require_tls", None)
    routes = row.routes
    if routes is None:
        routes = ({"match": {"prefix": "/"}, "route": {"cluster": cluster, "timeout": "0s", **row.action}},)
    host = {"name": "v", "domains": [row.domain], "routes": list(routes)}
    if tls:
        host["require_tls"] = tls
    router = {"name": "envoy.filters.http.router", "typed_config": {"@type": _ROUTER}}
    manager = {
        "@type": _TYPE + "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": f"p{port}",
        "route_config": {"name": "r", "validate_clusters": False, "virtual_hosts": [host]},
        "http_filters": [*row.filters, router],
        **more,
    }
    chain = {"filters": [{"name": "hcm", "typed_config": manager}]}
    return {"name": f"l{port}", "address": _address(port), "filter_chains": [chain]}


_ROUTER: Final = _TYPE + "envoy.extensions.filters.http.router.v3.Router"


def _ask(row: Row, port: int) -> tuple[int, str, str]:
    """Send the request of a row as often as it says; (status, body, gRPC status) of the last answer."""
    answer = (0, "", "")
    for _ in range(row.times):
        with socket.create_connection((LOOPBACK, port), timeout=_PATIENCE) as stream:
            stream.sendall(_rendered(row))
            if row.leaves:
                time.sleep(0.1)
                continue
            answer = _answer(stream)
    return answer


def _rendered(row: Row) -> bytes:
    request = row.request
    if row.protocol is Protocol.TCP:
        return b"\x00\x01\x02 these are not headers\r\n\r\n"
    version = "1.0" if row.protocol is Protocol.HTTP10 else "1.1"
    lines = [f"{request.method} {request.path} HTTP/{version}"]
    lines += [f"host: {request.authority}"] if request.authority is not None else []
    lines += [f"{name}: {value}" for name, value in request.headers]
    if request.body or (request.method == "POST" and "content-length" not in dict(request.headers)):
        lines.append(f"content-length: {request.body}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + b"x" * request.body


def _answer(stream: socket.socket) -> tuple[int, str, str]:
    data = b""
    with contextlib.suppress(ConnectionError, TimeoutError):
        while part := stream.recv(65536):
            data += part
            if _complete(data):
                break
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
    if headers.get("transfer-encoding") == "chunked":
        body = _unchunked(body)
    return int(lines[0].split()[1]) if " " in lines[0] else 0, body.decode("latin-1"), headers.get("grpc-status", "")


def _complete(data: bytes) -> bool:
    head, found, body = data.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.split(b":")[1])
        if line == b"transfer-encoding: chunked":
            return body.endswith(b"0\r\n\r\n")
    return False if not found else b"content-length" not in head.lower() and head.startswith(b"HTTP/1.1 204")


def _unchunked(body: bytes) -> bytes:
    found = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size or b"0", 16)
        if not length:
            break
        found += rest[:length]
        body = rest[length + 2 :]
    return found
