"""What Envoy's HTTP/1 codec refuses before anybody looks at routes.

Rules: Envoy source/common/http/http1/{codec_impl,balsa_parser}.cc (1.37), measured on 1.40.
"""

from __future__ import annotations

from typing import Final

from meshsim.dataplane.decide.decision import Flag, Reply
from meshsim.dataplane.decide.headers import HeaderMap
from meshsim.dataplane.decide.values import Protocol

MAX_HEADERS: Final = 60 * 1024
"""Bytes of all headers, unless the connection manager allows more."""
_KNOWN: Final = (
    "ACL BIND CHECKOUT CONNECT COPY DELETE GET HEAD LINK LOCK MERGE MKACTIVITY MKCALENDAR MKCOL MOVE MSEARCH NOTIFY "
    "OPTIONS PATCH POST PROPFIND PROPPATCH PURGE PUT QUERY REBIND REPORT SEARCH SOURCE SUBSCRIBE TRACE UNBIND UNLINK "
    "UNLOCK UNSUBSCRIBE"
)
_METHODS: Final = frozenset(_KNOWN.split())


def codec_fault(protocol: Protocol, headers: HeaderMap) -> Reply | None:
    """The answer to a request that the codec does not take; the connection is closed after it."""
    if protocol is not Protocol.HTTP11 and protocol is not Protocol.HTTP10:
        return None
    flags = (Flag.DOWNSTREAM_PROTOCOL_ERROR,)
    method, path = headers.get(":method") or "", headers.get(":path") or ""
    if method not in _METHODS or not (path.startswith("/") or _is_target(method, path)):
        return Reply(400, "Bad Request", "http1.codec_error", flags)
    if headers.size > MAX_HEADERS:
        return Reply(431, "Request Header Fields Too Large", "http1.headers_too_large", flags)
    if "content-length" in headers and "transfer-encoding" in headers:
        return Reply(400, "Bad Request", "http1.content_length_and_chunked_not_allowed", flags)
    return None


def _is_target(method: str, path: str) -> bool:
    """Whether what is no path names something: a whole URL, ``*`` of OPTIONS, an authority of CONNECT."""
    if method == "CONNECT":
        return True
    if path == "*":
        return method == "OPTIONS"
    scheme = path.partition("://")[0].lower() if "://" in path else ""
    return scheme in ("http", "https")
