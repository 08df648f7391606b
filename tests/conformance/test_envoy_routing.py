"""The model's routing against the real Envoy on random tables: virtual hosts, matchers, rewrites, redirects, headers.

The number of tables and requests comes from the environment (MESHSIM_ROUTER_TABLES, MESHSIM_ROUTER_REQUESTS), so that a
long run uses the same test.
"""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import unquote

import pytest
from google.protobuf.json_format import ParseError

from meshsim.dataplane.active import ActiveConfig, load_config
from meshsim.dataplane.decide import (
    Connection,
    Disposition,
    Request,
    decide_direct,
    downstream,
    route_match,
    routing,
)
from meshsim.dataplane.decide.headers import (
    HeaderMap,
    HeaderMatcher,
    HeaderTest,
    decode_header_matcher,
    query_parameters,
)
from meshsim.dataplane.decide.paths import Normalized
from meshsim.dataplane.decide.rejected import ResourceRejectedError
from meshsim.dataplane.decide.route_match import PathKind, RouteMatch, Stream
from meshsim.dataplane.decide.routes import RouteConfiguration, VirtualHost
from meshsim.dataplane.decide.strings import StringKind, StringMatcher, ascii_lower
from meshsim.dataplane.resource_cache import ResourceCache
from meshsim.xds import type_urls
from meshsim.xds.messages import cluster_pb2, listener_pb2, route_components_pb2
from meshsim.xds.packing import from_json

sys.path.insert(0, str(Path(__file__).resolve().parent))

import shrinking
from remembered import forget, nothing_remembered

Patch = tuple[Any, str, Callable[..., Any]]

TABLES = int(os.environ.get("MESHSIM_ROUTER_TABLES", "250"))
REQUESTS = int(os.environ.get("MESHSIM_ROUTER_REQUESTS", "200"))
SEED = int(os.environ.get("MESHSIM_ROUTER_SEED", "1"))
FIRST_PORT = 21001
FIND_VIRTUAL_HOST = routing.find_virtual_host
STRING_MATCHES = StringMatcher.matches
HEADER_MATCHES = HeaderMatcher.matches
PATH_MATCHES = RouteMatch.path_matches
DECODE_HEADER_MATCHER = decode_header_matcher
QUERY_PARAMETERS = query_parameters


def accepted_tables(router: ModuleType, rng: random.Random) -> tuple[list[Any], list[Any]]:
    """Random tables that the model accepts, and some that it refuses."""
    accepted: list[Any] = []
    refused: list[Any] = []
    while len(accepted) < TABLES:
        table = router.table(rng, FIRST_PORT + len(accepted))
        try:
            body = from_json(router.listener(table), listener_pb2.Listener).SerializeToString()
            ResourceCache().decode(type_urls.LISTENER, body)
        except ResourceRejectedError:
            refused.append(table)
            continue
        if table.manager["route_config"]["virtual_hosts"]:
            accepted.append(table)
    return accepted, refused


def config_of(router: ModuleType, table: Any) -> ActiveConfig:
    listener = from_json(router.listener(table), listener_pb2.Listener).SerializeToString()
    echo = from_json(router.cluster(FIRST_PORT - 1), cluster_pb2.Cluster).SerializeToString()
    config, refused = load_config({type_urls.LISTENER: {"l": listener}, type_urls.CLUSTER: {"echo": echo}})
    assert not refused
    return config


def modelled(router: ModuleType, config: ActiveConfig, port: int, sent: Any) -> Any:
    """What the model says, in the words of the client."""
    connection = Connection(source="127.0.0.1", destination="127.0.0.1", destination_port=port)
    headers = [(name.lower(), value) for name, value in sent.headers]
    if sent.method == "POST":
        headers.append(("content-length", "0"))
    request = Request(method=sent.method, authority=sent.host, path=sent.path, headers=tuple(headers))
    decision = decide_direct(config, connection, request)
    answer = dict(decision.response_headers)
    arrived: tuple[str, ...] = ()
    if decision.disposition is Disposition.FORWARDED:
        first: dict[str, str] = {}
        for name, value in decision.headers:
            first.setdefault(name, value)
        names = ("x-envoy-original-path", "x-envoy-original-host", "x-forwarded-host", "x-a", "x-n")
        arrived = (decision.path, decision.authority, *(first.get(n, "") for n in names))
    status = decision.status if decision.disposition is not Disposition.FORWARDED else 200
    return router.Seen(status, answer.get("x-route", ""), answer.get("x-path", ""), answer.get("location", ""), arrived)


@pytest.mark.needs_envoy
def test_random_tables(router: ModuleType, tmp_path: Path) -> None:
    rng = random.Random(SEED)
    tables, _ = accepted_tables(router, rng)
    wrong: list[dict[str, Any]] = []
    decided = 0
    with router.Envoy(tmp_path, tables):
        for table in tables:
            config = config_of(router, table)
            requests = [router.request(rng) for _ in range(REQUESTS)]
            for sent, seen in zip(requests, router.ask(table.port, requests)):
                decided += 1
                if modelled(router, config, table.port, sent) != seen:
                    wrong.append(case_of(table, sent))
    assert decided == TABLES * REQUESTS
    if wrong:
        small = shrinking.shrink(wrong[0], lambda case: differs_from_envoy(router, tmp_path, case), 100)
        kept = shrinking.save("routing", small)
        pytest.fail(f"{len(wrong)} of {decided} decisions differ, the first is kept as {kept.name}: {small}")


FRAME = ("@type", "stat_prefix", "http_filters")
"""What every connection manager of the generator has."""


def case_of(table: Any, sent: Any) -> dict[str, Any]:
    """A table and a request as they are kept."""
    manager = {key: value for key, value in table.manager.items() if key not in FRAME}
    return {"manager": manager, "request": [sent.method, sent.path, sent.host, [list(h) for h in sent.headers]]}


def parts_of(router: ModuleType, case: dict[str, Any], port: int) -> tuple[Any, Any]:
    """The table and the request of a kept case; raises for one that makes no sense."""
    method, path, host, headers = case["request"]
    frame = {key: value for key, value in router.table(random.Random(1), port).manager.items() if key in FRAME}
    table = router.Table(port, {**frame, **case["manager"]})
    return table, router.Sent(method, path, host, tuple((n, v) for n, v in headers))


NO_SENSE = (KeyError, ValueError, TypeError, AssertionError, ParseError, ResourceRejectedError, RuntimeError, OSError)


def differs_from_envoy(router: ModuleType, folder: Path, case: dict[str, Any]) -> bool:
    """Whether model and real Envoy still disagree about a case."""
    try:
        table, sent = parts_of(router, case, FIRST_PORT)
        model = modelled(router, config_of(router, table), table.port, sent)
        with router.Envoy(folder, [table]):
            return [model] != list(router.ask(table.port, [sent]))
    except NO_SENSE:
        return False


@pytest.mark.needs_envoy
def test_kept_cases(router: ModuleType, tmp_path: Path) -> None:
    """Small cases that once told a right model from a wrong one: the real Envoy and the model agree on each."""
    cases = [parts_of(router, case, FIRST_PORT + n) for n, case in enumerate(shrinking.corpus("routing"))]
    assert len(cases) >= len(NAIVE)
    with router.Envoy(tmp_path, [table for table, _ in cases]):
        for table, sent in cases:
            model = modelled(router, config_of(router, table), table.port, sent)
            assert [model] == list(router.ask(table.port, [sent])), (table.manager, sent)


@pytest.mark.needs_envoy
def test_refused_tables_are_refused_by_envoy_too(router: ModuleType, tmp_path: Path) -> None:
    _, refused = accepted_tables(router, random.Random(SEED))
    taken = [table.manager for table in refused[:10] if router.Envoy(tmp_path, [table]).validates()]
    assert refused
    assert not taken


# -- the generator catches what is easily got wrong --------------------------------------------------------------------


def _hosts(search: Callable[[RouteConfiguration, str], VirtualHost | None]) -> Patch:
    return routing, "find_virtual_host", lambda table, host: (search(table, host), "")


def _first_match(table: RouteConfiguration, host: str) -> VirtualHost | None:
    host = ascii_lower(host)
    for virtual_host in table.virtual_hosts:
        for domain in (d.lower() for d in virtual_host.domains):
            star = domain.startswith("*") and host.endswith(domain[1:]) and len(host) >= len(domain)
            prefix = domain.endswith("*") and host.startswith(domain[:-1]) and len(host) >= len(domain)
            if domain in (host, "*") or star or prefix:
                return virtual_host
    return None


def _empty_label(table: RouteConfiguration, host: str) -> VirtualHost | None:
    found, _ = FIND_VIRTUAL_HOST(table, host)
    empty = next((suffixes[host.lower()] for _, suffixes in table.domains.suffixes if host.lower() in suffixes), None)
    return empty if host.lower() not in table.domains.exact and empty is not None else found


def _as_written(table: RouteConfiguration, host: str) -> VirtualHost | None:
    return FIND_VIRTUAL_HOST(table, host)[0] if host == host.lower() else table.domains.default


def _regex_prefix(self: StringMatcher, text: str) -> bool:
    if self.kind is StringKind.REGEX:
        return self.pattern is not None and self.pattern.match(text) is not None
    return STRING_MATCHES(self, text)


def _missing_inverts(self: HeaderMatcher, headers: HeaderMap) -> bool:
    missing = self.test is not HeaderTest.PRESENT and not headers.all(self.name) and not self.missing_is_empty
    return self.invert if missing else HEADER_MATCHES(self, headers)


def _joined(self: HeaderMatcher, headers: HeaderMap) -> bool:
    values = headers.all(self.name)
    one = HeaderMap()
    if values:
        one.set(self.name, ",".join(values))
    return HEADER_MATCHES(self, one)


def _case_counts(self: RouteMatch, stream: Stream) -> bool:
    path = stream.bare_path or ""
    if self.kind is PathKind.PREFIX:
        return path.startswith(self.path)
    return path == self.path if self.kind is PathKind.PATH else PATH_MATCHES(self, stream)


def _plain_prefix(self: RouteMatch, stream: Stream) -> bool:
    if self.kind is PathKind.SEPARATED_PREFIX:
        return (stream.bare_path or "").startswith(self.path)
    return PATH_MATCHES(self, stream)


def _header_case(message: route_components_pb2.HeaderMatcher, notes: list[str]) -> HeaderMatcher:
    return replace(DECODE_HEADER_MATCHER(message, notes), name=message.name)


def _decoded_query(path: str) -> dict[str, str]:
    return {unquote(name): unquote(value) for name, value in QUERY_PARAMETERS(path).items()}


def _last_value(path: str) -> dict[str, str]:
    parts = path.partition("?")[2].split("&") if "?" in path else []
    return {name: value for name, _, value in (part.partition("=") for part in parts)}


NAIVE: dict[str, Patch] = {
    "first virtual host instead of the best": _hosts(_first_match),
    "a star that stands for nothing": _hosts(_empty_label),
    "hosts whose case counts": _hosts(_as_written),
    "a trailing dot that is cut": _hosts(lambda table, host: FIND_VIRTUAL_HOST(table, host.rstrip("."))[0]),
    "regex as a prefix": (StringMatcher, "matches", _regex_prefix),
    "query in the path": (route_match, "without_query", lambda path: path),
    "inverted matcher of a missing header": (HeaderMatcher, "matches", _missing_inverts),
    "repeated headers joined": (HeaderMatcher, "matches", _joined),
    "header names whose case counts": (route_match, "decode_header_matcher", _header_case),
    "paths as they are": (downstream, "normalize", lambda path, **_: Normalized(path)),
    "paths whose case always counts": (RouteMatch, "path_matches", _case_counts),
    "separated prefix as a plain one": (RouteMatch, "path_matches", _plain_prefix),
    "decoded query": (route_match, "query_parameters", _decoded_query),
    "last value of a query parameter": (route_match, "query_parameters", _last_value),
}


def differs_by(router: ModuleType, monkeypatch: pytest.MonkeyPatch, mistake: str, case: dict[str, Any]) -> bool:
    """Whether a mistake still shows in a case."""
    try:
        table, sent = parts_of(router, case, FIRST_PORT)
        right = modelled(router, config_of(router, table), FIRST_PORT, sent)
        with monkeypatch.context() as patched, nothing_remembered():
            patched.setattr(*NAIVE[mistake])
            config = config_of(router, table)
            forget()
            return bool(modelled(router, config, FIRST_PORT, sent) != right)
    except NO_SENSE:
        return False


@pytest.mark.needs_envoy
@pytest.mark.parametrize("mistake", NAIVE)
def test_the_generator_catches(router: ModuleType, mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each mistake that the real Envoy was once seen to contradict changes a decision among those compared above."""
    rng = random.Random(SEED)
    tables, _ = accepted_tables(router, rng)
    for table in tables:
        requests = [router.request(rng) for _ in range(REQUESTS)]
        config = config_of(router, table)
        right = [modelled(router, config, table.port, sent) for sent in requests]
        with monkeypatch.context() as patched, nothing_remembered():
            patched.setattr(*NAIVE[mistake])
            config = config_of(router, table)
            forget()
            wrong = [modelled(router, config, table.port, sent) for sent in requests]
        if wrong != right:
            at = next(n for n, pair in enumerate(zip(wrong, right)) if pair[0] != pair[1])
            case = case_of(table, requests[at])
            small = shrinking.shrink(case, lambda case: differs_by(router, monkeypatch, mistake, case))
            assert small["request"][:3] == case["request"][:3]
            assert len(json.dumps(small)) < len(json.dumps(case))
            assert len(small["manager"].get("route_config", {}).get("virtual_hosts", ())) <= 2
            return
    pytest.fail(f"{TABLES * REQUESTS} decisions do not tell")
