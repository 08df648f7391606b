"""Random filter chains on a real Envoy: every chain answers with its own name, without reading more than it must."""

from __future__ import annotations

import random
import socket
import ssl
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

DIRECT = "type.googleapis.com/envoy.extensions.filters.network.direct_response.v3.Config"
TCP = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
INSPECTOR = "type.googleapis.com/envoy.extensions.filters.listener."
PREFIXES = ("127.0.0.0/8", "127.1.0.0/16", "127.1.1.0/24", "127.1.1.1/32", "127.2.0.0/16", "10.0.0.0/8")
NAMES = ("a.example.com", "*.example.com", "*.com", "b.a.example.com", "*.a.example.com", "other.org")
PROTOCOLS = ("h2", "http/1.1", "istio", "http/1.0", "h2c")
DESTINATIONS = ("127.0.0.1", "127.1.1.1", "127.1.1.2", "127.1.2.1", "127.2.0.1")
SOURCES = ("127.0.0.1", "127.1.1.1", "127.1.2.9", "127.2.0.7")


class Attempt(NamedTuple):
    """A connection: where from, where to, and what it says first."""

    source: str
    source_port: int
    destination: str
    says: str
    """``tls``, ``http``, ``http2`` or ``bytes``."""
    sni: str
    alpn: tuple[str, ...]


def _some(rng: random.Random, pool: Sequence[str], chance: float) -> list[str]:
    return rng.sample(pool, rng.randint(1, 2)) if rng.random() < chance else []


def _cidrs(texts: Sequence[str]) -> list[dict[str, Any]]:
    return [{"address_prefix": t.partition("/")[0], "prefix_len": int(t.partition("/")[2])} for t in texts]


def chain_match(rng: random.Random, port: int) -> dict[str, Any]:
    """A random match; every field is absent more often than not."""
    match: dict[str, Any] = {
        "prefix_ranges": _cidrs(_some(rng, PREFIXES, 0.35)),
        "server_names": _some(rng, NAMES, 0.35),
        "application_protocols": _some(rng, PROTOCOLS, 0.3),
        "direct_source_prefix_ranges": _cidrs(_some(rng, PREFIXES, 0.15)),
        "source_prefix_ranges": _cidrs(_some(rng, PREFIXES, 0.2)),
    }
    if rng.random() < 0.25:
        match["destination_port"] = rng.choice((port, port, port + 1))
    if rng.random() < 0.4:
        match["transport_protocol"] = rng.choice(("tls", "raw_buffer"))
    if rng.random() < 0.2:
        match["source_type"] = rng.choice(("SAME_IP_OR_LOOPBACK", "EXTERNAL"))
    if rng.random() < 0.15:
        match["source_ports"] = [rng.choice((30001, 30002))]
    return {k: v for k, v in match.items() if v}


def listener(rng: random.Random, port: int) -> dict[str, Any]:
    """A listener of random chains; `filters` are put in by `real` and `modelled`."""
    chains = [{"name": f"c{i}", "filter_chain_match": chain_match(rng, port)} for i in range(rng.randint(2, 12))]
    inspectors = [("tls", "tls_inspector.v3.TlsInspector"), ("http", "http_inspector.v3.HttpInspector")]
    used = [i for i in inspectors if rng.random() < 0.9]
    found: dict[str, Any] = {
        "name": f"l{port}",
        "address": {"socket_address": {"address": "0.0.0.0", "port_value": port}},
        "filter_chains": chains,
        "listener_filters": [{"name": n, "typed_config": {"@type": INSPECTOR + t}} for n, t in used],
        "listener_filters_timeout": "1s",
        "continue_on_listener_filters_timeout": True,
    }
    if rng.random() < 0.5:
        found["default_filter_chain"] = {"name": "default"}
    return found


def _filled(body: dict[str, Any], make: Any) -> dict[str, Any]:
    found = {**body, "filter_chains": [{**c, "filters": [make(c["name"])]} for c in body["filter_chains"]]}
    if "default_filter_chain" in body:
        found["default_filter_chain"] = {"name": "default", "filters": [make("default")]}
    return found


def real(body: dict[str, Any]) -> dict[str, Any]:
    """For Envoy: every chain answers with its name."""
    return _filled(
        body, lambda name: {"name": "d", "typed_config": {"@type": DIRECT, "response": {"inline_string": f"<{name}>"}}}
    )


def modelled(body: dict[str, Any]) -> dict[str, Any]:
    """For the model: every chain goes to a cluster of its name."""
    return _filled(
        body, lambda name: {"name": "t", "typed_config": {"@type": TCP, "stat_prefix": "t", "cluster": name}}
    )


def attempt(rng: random.Random) -> Attempt:
    says = rng.choice(("tls", "tls", "tls", "http", "http2", "bytes"))
    tls = says == "tls"
    sni = rng.choice(("", "a.example.com", "b.a.example.com", "A.Example.com", "x.org", "com")) if tls else ""
    alpn = tuple(rng.sample(PROTOCOLS[:3], rng.randint(0, 3))) if tls else ()
    return Attempt(rng.choice(SOURCES), rng.choice((0, 0, 30001, 30002)), rng.choice(DESTINATIONS), says, sni, alpn)


def first_bytes(one: Attempt) -> bytes:
    """What the client says: a ClientHello, a request, an HTTP/2 preface, or something else."""
    if one.says == "http":
        return b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
    if one.says == "http2":
        return b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000")
    if one.says == "bytes":
        return b"\x01\x02\x03\x04 neither TLS nor HTTP\r\n\r\n"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if one.alpn:
        context.set_alpn_protocols(list(one.alpn))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname=one.sni or None)
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()
    raise AssertionError("a handshake cannot end without an answer")


def ask(port: int, attempts: Sequence[Attempt]) -> Iterator[str]:
    """The chain that answered each attempt, empty when the connection was closed."""
    for one in attempts:
        with socket.socket() as stream:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # a reset instead of TIME_WAIT: the fixed source ports are used again at once
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            stream.settimeout(5)
            stream.bind((one.source, one.source_port))
            stream.connect((one.destination, port))
            try:
                stream.sendall(first_bytes(one))
                data = b""
                while not data.endswith(b">"):
                    part = stream.recv(4096)
                    if not part:
                        break
                    data += part
            except ConnectionError:
                data = b""
            yield data.decode("latin-1").strip("<>")
