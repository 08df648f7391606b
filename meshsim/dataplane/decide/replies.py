"""Answers that a proxy makes itself, as the client gets them.

Rules: Envoy source/common/http/utility.cc (sendLocalReply) and source/common/grpc/status.cc; texts and codes as
measured on 1.40.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import quote

from meshsim.dataplane.decide.connection_managers import Codec, ConnectionManager
from meshsim.dataplane.decide.decision import Decision, Disposition, Flag, Place, RateLimit, Reply, Trail
from meshsim.dataplane.decide.handshake import Handshake
from meshsim.dataplane.decide.headers import HeaderMap
from meshsim.dataplane.decide.routes import RouteConfiguration
from meshsim.dataplane.decide.values import Connection, Protocol

_GRPC_STATUS: Final[Mapping[int, int]] = {400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 502: 14, 503: 14, 504: 14}
_GRPC_SAFE: Final = " !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~"


class LocalReply(NamedTuple):
    """A reply on the wire."""

    status: int
    body: str
    headers: HeaderMap


def local_reply(reply: Reply, grpc: bool) -> LocalReply:
    """A reply as it is sent; to gRPC it is a status and a message in an HTTP 200."""
    headers = HeaderMap()
    if not grpc:
        if reply.body:
            headers.set("content-type", "text/plain")
        return LocalReply(reply.status, reply.body, headers)
    headers.set("content-type", "application/grpc")
    status = dict(reply.headers).get("grpc-status")
    headers.set("grpc-status", status or str(_GRPC_STATUS.get(reply.status, 2)))
    if reply.body:
        headers.set("grpc-message", quote(reply.body, safe=_GRPC_SAFE))
    return LocalReply(200, "", headers)


def rate_limited(limit: RateLimit) -> Reply:
    """The answer while the token bucket is empty."""
    return Reply(limit.status, "local_rate_limited", "local_rate_limited", (Flag.RATE_LIMITED,))


def protocol_error(manager: ConnectionManager, connection: Connection, handshake: Handshake) -> Reply | None:
    """What a connection manager says to bytes that its codec cannot read; an empty status is a close without answer."""
    flags = (Flag.DOWNSTREAM_PROTOCOL_ERROR,)
    garbage = not connection.protocol.is_http or (connection.uses_tls and not handshake.terminated)
    speaks_http2 = connection.protocol is Protocol.HTTP2
    if manager.codec is Codec.HTTP2:
        return Reply(0, "", "http2.bad_preface", flags) if garbage or not speaks_http2 else None
    if garbage or (manager.codec is Codec.HTTP1 and speaks_http2):
        return Reply(400, "Bad Request", "http1.codec_error", flags)
    return None


def refused(
    reply: Reply, table: RouteConfiguration | None, place: Place, handshake: Handshake, sni: str, trail: Trail
) -> Decision:
    """The decision on bytes that never became a request."""
    disposition = Disposition.REPLIED if reply.status else Disposition.CLOSED
    headers = (("content-type", "text/plain"),) if reply.body else ()
    return Decision(
        disposition,
        *place,
        route_config=table.name if table else "",
        status=reply.status,
        body=reply.body,
        details=reply.details,
        flags=reply.flags,
        response_headers=(*headers, ("connection", "close")) if reply.status else (),
        sni=sni,
        handshake=handshake,
        steps=tuple(trail.steps),
    )
