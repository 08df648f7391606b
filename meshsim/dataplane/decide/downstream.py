"""What the connection manager does to a request before anything is routed.

Rules: Envoy source/common/http/conn_manager_impl.cc (decodeHeaders) and conn_manager_utility.cc (mutateRequestHeaders,
maybeNormalizeHost, mutateXfccRequestHeader).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from meshsim.dataplane.decide.connection_managers import ConnectionManager, ForwardCert
from meshsim.dataplane.decide.decision import Flag, Reply, Surroundings
from meshsim.dataplane.decide.handshake import Handshake
from meshsim.dataplane.decide.headers import HeaderMap
from meshsim.dataplane.decide.http1 import codec_fault
from meshsim.dataplane.decide.paths import is_plain, normalize
from meshsim.dataplane.decide.route_match import is_grpc
from meshsim.dataplane.decide.routing import without_port
from meshsim.dataplane.decide.strings import in_any, is_loopback, parse_ip
from meshsim.dataplane.decide.values import Connection, Protocol, Request

NOT_FOR_EXTERNAL: Final = frozenset(
    {
        "x-envoy-retriable-status-codes",
        "x-envoy-retriable-header-names",
        "x-envoy-retry-on",
        "x-envoy-retry-grpc-on",
        "x-envoy-max-retries",
        "x-envoy-upstream-alt-stat-name",
        "x-envoy-upstream-rq-timeout-ms",
        "x-envoy-upstream-rq-per-try-timeout-ms",
        "x-envoy-upstream-rq-timeout-alt-response",
        "x-envoy-expected-rq-timeout-ms",
        "x-envoy-force-trace",
        "x-envoy-ip-tags",
        "x-envoy-original-url",
        "x-envoy-hedge-on-per-try-timeout",
    }
)
"""Headers taken from requests that are not internal."""
_HOP_BY_HOP: Final = frozenset({"x-envoy-internal", "keep-alive", "proxy-connection", "transfer-encoding"})
_HOPPING: Final = _HOP_BY_HOP | {"connection", "upgrade", "te"}
_WORKLOAD_SECRET: Final = "default"
"""Secret of the workload's own certificate in Istio's listeners; names in other certificates are not known here."""
_NOT_FROM_EDGE: Final = frozenset(
    {
        "x-envoy-decorator-operation",
        "x-envoy-downstream-service-cluster",
        "x-envoy-downstream-service-node",
    }
)


class Prepared(NamedTuple):
    """A request ready to be routed, or the answer it got instead."""

    headers: HeaderMap
    remote: str
    """The client's address as filters see it."""
    internal: bool
    reply: Reply | None = None


def early_headers(connection: Connection, request: Request, tls: bool) -> HeaderMap:
    """Headers as the codec hands them over; HTTP/1 values lose the blanks around them."""
    pseudo = [(":method", request.method)]
    if request.path or request.method != "CONNECT":
        pseudo.append((":path", request.path))
    if request.authority is not None:
        pseudo.append((":authority", request.authority))
    if connection.protocol is Protocol.HTTP2:
        pseudo.append((":scheme", "https" if tls else "http"))
    headers = HeaderMap(pseudo)
    if connection.protocol is Protocol.HTTP2:
        headers.add_all(request.headers)
    else:
        headers.add_all([(name, value.strip(" \t")) for name, value in request.headers])
    return headers


def prepare(
    manager: ConnectionManager,
    internal_only: tuple[str, ...],
    connection: Connection,
    handshake: Handshake,
    request: Request,
    surroundings: Surroundings,
) -> Prepared:
    """Check, normalise and complete a request."""
    uses_tls = connection.uses_tls
    headers = early_headers(connection, request, uses_tls)
    reply = (
        codec_fault(connection.protocol, headers)
        or _refused(manager, connection, headers)
        or _normalize(manager, connection, headers)
    )
    if reply:
        return Prepared(headers, connection.source, False, reply)
    _hop_by_hop(headers)
    remote, trusted = _remote(manager, connection, headers, surroundings)
    tls = "https" if uses_tls else "http"
    if "x-forwarded-proto" not in headers or (manager.use_remote_address and manager.xff_trusted_hops == 0):
        headers.set("x-forwarded-proto", tls)
    if manager.append_forwarded_port and "x-forwarded-port" not in headers:
        headers.set("x-forwarded-port", str(connection.destination_port))
    _scheme(manager, headers, tls)
    internal = trusted and manager.internal_networks is not None and in_any(parse_ip(remote), manager.internal_networks)
    if internal:
        headers.set("x-envoy-internal", "true")
    else:
        _strip_external(manager, internal_only, headers, remote)
    if manager.via:
        headers.add("via", manager.via)
    _client_certificate(manager, connection, handshake, headers, surroundings)
    return Prepared(headers, remote, internal)


def _refused(manager: ConnectionManager, connection: Connection, headers: HeaderMap) -> Reply | None:
    if connection.protocol is Protocol.HTTP10:
        if not manager.accept_http_10:
            flags = (Flag.DOWNSTREAM_PROTOCOL_ERROR,)
            return Reply(426, "Upgrade Required", "low_version", flags)
        if ":authority" not in headers and manager.default_host_for_http_10:
            headers.set(":authority", manager.default_host_for_http_10)
    if ":authority" not in headers and connection.protocol is not Protocol.HTTP10:
        return Reply(400, "", "missing_host_header")
    if manager.underscores_rejected or manager.underscores_dropped:
        underscored = [name for name, _ in headers if "_" in name]
        if underscored and manager.underscores_rejected:
            flags = (Flag.DOWNSTREAM_PROTOCOL_ERROR,)
            return Reply(400, "Bad Request", "http1.unexpected_underscore", flags)
        for name in underscored:
            headers.remove(name)
    path = headers.get(":path")
    if headers.get(":method") != "CONNECT":
        if not path:
            return Reply(404, "", "missing_path_rejected")
        if not path.startswith("/"):
            return Reply(404, "", "absolute_path_rejected")
    return None


def _normalize(manager: ConnectionManager, connection: Connection, headers: HeaderMap) -> Reply | None:
    path = headers.get(":path")
    if path is not None and not is_plain(path):
        result = normalize(
            path,
            canonical=manager.normalize_path,
            merge_slashes=manager.merge_slashes,
            escaped=manager.escaped_slashes,
        )
        if result.rejected:
            return Reply(400, "", "path_normalization_failed")
        if result.redirect:
            location = () if is_grpc(headers) else (("location", result.path),)
            return Reply(307, "", "path_normalization_failed", headers=location)
        headers.set(":path", result.path)
    host = headers.get(":authority")
    if host is not None:
        headers.set(":authority", _normalized_host(manager, connection, host))
    return None


def _normalized_host(manager: ConnectionManager, connection: Connection, host: str) -> str:
    """First the trailing dot goes (also before a port), then the port."""
    if not (manager.strip_trailing_dot or manager.strip_any_port or manager.strip_matching_port):
        return host
    if manager.strip_trailing_dot:
        dot = host.rfind(".")
        if dot >= 0 and host[dot + 1 : dot + 2] in ("", ":"):
            host = host[:dot] + host[dot + 1 :]
    bare = without_port(host)
    port = host[len(bare) + 1 :]
    strips = manager.strip_any_port or (manager.strip_matching_port and port == str(connection.destination_port))
    return bare if strips and port.isascii() and port.isdigit() else host


def _hop_by_hop(headers: HeaderMap) -> None:
    if not headers.has_any(_HOPPING):
        return
    upgrade = "upgrade" in headers and "upgrade" in (headers.get("connection") or "").lower()
    if not upgrade:
        headers.remove("connection")
        headers.remove("upgrade")
    if "trailers" not in (headers.get("te") or ""):
        headers.remove("te")
    headers.remove_any(_HOP_BY_HOP)


def _remote(
    manager: ConnectionManager, connection: Connection, headers: HeaderMap, surroundings: Surroundings
) -> tuple[str, bool]:
    """The client's address, and whether it may decide that the request is internal."""
    forwarded = [part.strip() for part in (headers.get("x-forwarded-for") or "").split(",") if part.strip()]
    hops = manager.xff_trusted_hops
    if manager.use_remote_address:
        remote = _from_right(forwarded, hops - 1) if hops else ""
        if not manager.skip_xff_append:
            loopback = is_loopback(parse_ip(connection.source))
            headers.add("x-forwarded-for", surroundings.address if loopback else connection.source)
        return remote or connection.source, not forwarded
    remote = _from_right(forwarded, hops)
    return remote or connection.source, bool(remote) and len(forwarded) == 1


def _from_right(forwarded: list[str], skip: int) -> str:
    if skip >= len(forwarded):
        return ""
    address = forwarded[-1 - skip]
    return address if parse_ip(address) is not None else ""


def _scheme(manager: ConnectionManager, headers: HeaderMap, tls: str) -> None:
    if manager.scheme:
        headers.set(":scheme", manager.scheme)
        headers.set("x-forwarded-proto", manager.scheme)
    elif ":scheme" not in headers:
        proto = headers.get("x-forwarded-proto")
        headers.set(":scheme", proto if proto in ("http", "https") else tls)


def _strip_external(
    manager: ConnectionManager, internal_only: tuple[str, ...], headers: HeaderMap, remote: str
) -> None:
    if manager.use_remote_address:
        headers.remove_any(_NOT_FROM_EDGE)
        headers.set("x-envoy-external-address", remote)
    headers.remove_any(NOT_FOR_EXTERNAL)
    for name in internal_only:
        headers.remove(name)


def _client_certificate(
    manager: ConnectionManager,
    connection: Connection,
    handshake: Handshake,
    headers: HeaderMap,
    surroundings: Surroundings,
) -> None:
    """x-forwarded-client-cert. The certificate's digest and text are not known here and stand as ``-``."""
    mode, certificate = manager.forward_cert, handshake.certificate
    if mode is ForwardCert.ALWAYS_FORWARD_ONLY:
        return
    if mode is ForwardCert.SANITIZE or certificate is None:
        headers.remove("x-forwarded-client-cert")
        return
    if mode is ForwardCert.FORWARD_ONLY:
        return
    own = surroundings.identity if handshake.secret == _WORKLOAD_SECRET else ""
    parts = [f"By={own}"] if own else []
    parts.append("Hash=-")
    details = manager.cert_details
    if details.cert:
        parts.append('Cert="-"')
    if details.chain:
        parts.append('Chain="-"')
    if details.subject:
        parts.append(f'Subject="{certificate.subject}"')
    if details.uri:
        parts.append(f"URI={certificate.uris[0] if certificate.uris else ''}")
    if details.dns:
        parts += [f"DNS={name}" for name in certificate.dns_names]
    value = ";".join(parts)
    if mode is ForwardCert.APPEND_FORWARD and "x-forwarded-client-cert" in headers:
        headers.add("x-forwarded-client-cert", value)
    else:
        headers.set("x-forwarded-client-cert", value)
