"""The model's matcher trees, of access rules and of virtual hosts, against the real Envoy on random trees.

MESHSIM_MATCHER_TABLES and MESHSIM_MATCHER_REQUESTS set the size of a longer run.
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from meshsim.dataplane.active import load_config
from meshsim.dataplane.decide import Connection, Request, decide_direct
from meshsim.xds import type_urls
from meshsim.xds.messages import listener_pb2
from meshsim.xds.packing import from_json

TABLES = int(os.environ.get("MESHSIM_MATCHER_TABLES", "40"))
REQUESTS = int(os.environ.get("MESHSIM_MATCHER_REQUESTS", "40"))
SEED = int(os.environ.get("MESHSIM_MATCHER_SEED", "1"))
FIRST_PORT = 25401
TYPES = "type.googleapis.com/"
RBAC = f"{TYPES}envoy.extensions.filters.http.rbac.v3.RBAC"
ACTION = f"{TYPES}envoy.config.rbac.v3.Action"
ROUTE = f"{TYPES}envoy.config.route.v3.Route"
ROUTES = f"{TYPES}envoy.config.route.v3.RouteList"
HEADER = f"{TYPES}envoy.type.matcher.v3.HttpRequestHeaderMatchInput"
NETWORK = f"{TYPES}envoy.extensions.matching.common_inputs.network.v3."
SSL = f"{TYPES}envoy.extensions.matching.common_inputs.ssl.v3."
IP = f"{TYPES}envoy.extensions.matching.input_matchers.ip.v3.Ip"
CEL_INPUT = f"{TYPES}xds.type.matcher.v3.HttpAttributesCelMatchInput"
CEL_MATCHER = f"{TYPES}xds.type.matcher.v3.CelMatcher"
IP_TREE = f"{TYPES}xds.type.matcher.v3.IPMatcher"
CONNECTION_INPUTS = (
    f"{NETWORK}DestinationIPInput",
    f"{NETWORK}DestinationPortInput",
    f"{NETWORK}SourceIPInput",
    f"{NETWORK}DirectSourceIPInput",
    f"{NETWORK}ServerNameInput",
    f"{SSL}UriSanInput",
    f"{SSL}DnsSanInput",
    f"{SSL}SubjectInput",
)
TEXTS = ("", "1", "2", "a", "ab", "abc", "abd", "A", "1,2")
NAMES = ("x-a", "x-b", "x-c")
RANGES = (("127.0.0.0", 8), ("127.0.0.1", 32), ("0.0.0.0", 0), ("10.0.0.0", 8), ("203.0.113.0", 24))


class Trees:
    """Random trees of one kind."""

    def __init__(self, rng: random.Random, *, routes: bool) -> None:
        self.rng = rng
        self.routes = routes
        self.number = 0

    def tree(self, depth: int = 0) -> dict[str, Any]:
        rng = self.rng
        kind = rng.choice(("list", "list", "exact", "prefix") + (() if self.routes else ("ranges",)))
        found: dict[str, Any] = {}
        if rng.random() < 0.4:
            found["on_no_match"] = self.outcome(depth)
        if kind == "list":
            entries = [
                {"predicate": self.predicate(), "on_match": self.outcome(depth)} for _ in range(rng.randint(1, 3))
            ]
            return {"matcher_list": {"matchers": entries}, **found}
        if kind == "ranges":
            ranges = [{"ranges": [self.cidr()], "on_match": self.outcome(depth)} for _ in range(rng.randint(1, 3))]
            config = {"@type": IP_TREE, "range_matchers": ranges}
            source = self.input(rng.choice((f"{NETWORK}SourceIPInput", f"{NETWORK}DestinationIPInput")))
            return {"matcher_tree": {"input": source, "custom_match": {"name": "ip", "typed_config": config}}, **found}
        keys = rng.sample([text for text in TEXTS if text], rng.randint(1, 3))
        outcomes = {"map": {key: self.outcome(depth) for key in keys}}
        return {"matcher_tree": {"input": self.input(), f"{kind}_match_map": outcomes}, **found}

    def outcome(self, depth: int) -> dict[str, Any]:
        if depth < 2 and self.rng.random() < 0.35:
            return {"matcher": self.tree(depth + 1)}
        self.number += 1
        if not self.routes:
            action = self.rng.choice(("ALLOW", "ALLOW", "DENY", "LOG"))
            config = {"@type": ACTION, "name": f"a{self.number}", "action": action}
        elif self.rng.random() < 0.4:
            config = {"@type": ROUTES, "routes": [self.route() for _ in range(self.rng.randint(1, 2))]}
        else:
            config = {"@type": ROUTE, **self.route()}
        return {"action": {"name": "action", "typed_config": config}}

    def route(self) -> dict[str, Any]:
        self.number += 1
        match = {"prefix": self.rng.choice(("/", "/", "/x"))}
        if self.rng.random() < 0.3:
            match["headers"] = [{"name": self.rng.choice(NAMES), "string_match": {"prefix": "a"}}]  # type: ignore[assignment]
        return {"match": match, "direct_response": {"status": 200 + self.number % 99}}

    def cidr(self) -> dict[str, Any]:
        prefix, length = self.rng.choice(RANGES)
        return {"address_prefix": prefix, "prefix_len": length}

    def condition(self) -> dict[str, Any]:
        """A header equals a text, in CEL; an absent header is an error."""
        headers = {"select_expr": {"operand": {"ident_expr": {"name": "request"}}, "field": "headers"}}
        constants = [{"const_expr": {"string_value": self.rng.choice(options)}} for options in (NAMES, TEXTS)]
        header = {"call_expr": {"function": "_[_]", "args": [headers, constants[0]]}}
        tree = {"call_expr": {"function": self.rng.choice(("_==_", "_!=_")), "args": [header, constants[1]]}}
        expression = {self.rng.choice(("cel_expr_parsed", "parsed_expr")): {"expr": tree}}
        return {"name": "cel", "typed_config": {"@type": CEL_MATCHER, "expr_match": expression}}

    def input(self, type_url: str = "") -> dict[str, Any]:
        rng = self.rng
        if type_url or (not self.routes and rng.random() < 0.25):
            return {"name": "input", "typed_config": {"@type": type_url or rng.choice(CONNECTION_INPUTS)}}
        return {"name": "input", "typed_config": {"@type": HEADER, "header_name": rng.choice(NAMES)}}

    def predicate(self, depth: int = 0) -> dict[str, Any]:
        rng = self.rng
        kind = rng.choice(("text", "text", "text", "and", "or", "not") if depth < 2 else ("text",))
        if kind == "not":
            return {"not_matcher": self.predicate(depth + 1)}
        if kind in ("and", "or"):
            return {f"{kind}_matcher": {"predicate": [self.predicate(depth + 1) for _ in range(2)]}}
        if not self.routes and rng.random() < 0.1:
            config = {"@type": IP, "stat_prefix": "x", "cidr_ranges": [self.cidr()]}
            source = self.input(f"{NETWORK}{rng.choice(('SourceIPInput', 'DestinationIPInput'))}")
            return {"single_predicate": {"input": source, "custom_match": {"name": "ip", "typed_config": config}}}
        if not self.routes and rng.random() < 0.15:
            return {"single_predicate": {"input": self.input(CEL_INPUT), "custom_match": self.condition()}}
        how = rng.choice(("exact", "prefix", "suffix", "contains"))
        text = rng.choice(TEXTS if how == "exact" else TEXTS[1:])
        value = {how: text, "ignore_case": rng.random() < 0.2}
        return {"single_predicate": {"input": self.input(), "value_match": value}}


def table(router: ModuleType, rng: random.Random, port: int, *, routes: bool) -> Any:
    tree = Trees(rng, routes=routes).tree()
    host: dict[str, Any] = {"name": "v", "domains": ["*"]}
    filters: list[dict[str, Any]] = []
    if routes:
        host["matcher"] = tree
    else:
        host["routes"] = [{"match": {"prefix": ""}, "direct_response": {"status": 200}}]
        filters.append({"name": "rbac", "typed_config": {"@type": RBAC, "matcher": tree}})
    manager = {
        "@type": router.HCM,
        "stat_prefix": f"t{port}",
        "use_remote_address": False,
        "route_config": {"name": "r", "virtual_hosts": [host]},
        "http_filters": [*filters, {"name": "envoy.filters.http.router", "typed_config": {"@type": router.ROUTER}}],
    }
    return router.Table(port, manager)


def request(router: ModuleType, rng: random.Random) -> Any:
    headers = [(rng.choice(NAMES), rng.choice(TEXTS)) for _ in range(rng.choice((0, 1, 2, 3)))]
    if rng.random() < 0.2:
        headers.append(("x-forwarded-for", "203.0.113.9"))
    return router.Sent("GET", rng.choice(("/", "/x", "/y")), "h", tuple(headers))


@pytest.mark.needs_envoy
@pytest.mark.parametrize("routes", [False, True], ids=["access rules", "virtual hosts"])
def test_random_trees(router: ModuleType, tmp_path: Path, routes: bool) -> None:
    rng = random.Random(SEED)
    tables = [table(router, rng, FIRST_PORT + i, routes=routes) for i in range(TABLES)]
    wrong: list[str] = []
    seen_statuses: dict[int, int] = {}
    with router.Envoy(tmp_path, tables):
        for one in tables:
            packed = from_json(router.listener(one), listener_pb2.Listener).SerializeToString()
            config, refused = load_config({type_urls.LISTENER: {"l": packed}})
            assert not refused
            requests = [request(router, rng) for _ in range(REQUESTS)]
            for sent, seen in zip(requests, router.ask(one.port, requests)):
                connection = Connection(source="127.0.0.1", destination="127.0.0.1", destination_port=one.port)
                asked = Request(authority=sent.host, path=sent.path, headers=tuple(sent.headers))
                model = decide_direct(config, connection, asked).status
                seen_statuses[seen.status] = seen_statuses.get(seen.status, 0) + 1
                if model != seen.status:
                    wrong.append(f"{sent}\n real {seen.status}, model {model}\n {one.manager}")
    assert not wrong, f"{len(wrong)} of {TABLES * REQUESTS} decisions differ, the first:\n{wrong[0]}"
    assert seen_statuses[404 if routes else 403] > 100
    assert sum(seen_statuses.values()) - seen_statuses[404 if routes else 403] > 300


REFUSED = [
    ("rbac", {"keep_matching": True}, HEADER),
    ("rbac", {}, f"{TYPES}envoy.type.matcher.v3.HttpRequestQueryParamMatchInput"),
    ("route", {"keep_matching": True}, HEADER),
    ("route", {}, f"{NETWORK}DestinationPortInput"),
    ("route", {}, ""),
]


@pytest.mark.needs_envoy
@pytest.mark.parametrize(("kind", "more", "source"), REFUSED, ids=["keep", "query", "keep route", "port", "both"])
def test_trees_that_are_refused(
    router: ModuleType, tmp_path: Path, kind: str, more: dict[str, Any], source: str
) -> None:
    """In the words of the real Envoy."""
    one = table(router, random.Random(1), FIRST_PORT, routes=kind == "route")
    config = {"@type": source or HEADER, **({"header_name": "x"} if source in (HEADER, "") else {})}
    if source.endswith("QueryParamMatchInput"):
        config["query_param"] = "x"
    trees = Trees(random.Random(1), routes=kind == "route")
    entry = {"map": {"1": {**trees.outcome(9), **more}}}
    tree = {"matcher_tree": {"input": {"name": "i", "typed_config": config}, "exact_match_map": entry}}
    if kind == "rbac":
        one.manager["http_filters"][0]["typed_config"]["matcher"] = tree
    else:
        one.manager["route_config"]["virtual_hosts"][0]["matcher"] = tree
        if not source:
            one.manager["route_config"]["virtual_hosts"][0]["routes"] = [trees.route()]
    packed = from_json(router.listener(one), listener_pb2.Listener).SerializeToString()
    _, refused = load_config({type_urls.LISTENER: {"l": packed}})
    assert refused
    with pytest.raises(RuntimeError) as error:
        router.Envoy(tmp_path, [one]).__enter__()
    assert refused[0].reason in str(error.value)
