"""The model's CEL conditions of access rules against the real Envoy on random expressions.

MESHSIM_CEL_TABLES and MESHSIM_CEL_REQUESTS set the size of a longer run.
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

TABLES = int(os.environ.get("MESHSIM_CEL_TABLES", "150"))
REQUESTS = int(os.environ.get("MESHSIM_CEL_REQUESTS", "12"))
SEED = int(os.environ.get("MESHSIM_CEL_SEED", "1"))
FIRST_PORT = 25601
RBAC = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC"
NAMES = ("x-a", "x-b", "user-agent", "referer")
TEXTS = ("", "1", "2", "a", "ab", "/x", "GET", "h", "1,2")


def ident(name: str) -> dict[str, Any]:
    return {"ident_expr": {"name": name}}


def select(operand: dict[str, Any], field: str, *, has: bool = False) -> dict[str, Any]:
    return {"select_expr": {"operand": operand, "field": field, **({"test_only": True} if has else {})}}


def call(function: str, *arguments: dict[str, Any], target: dict[str, Any] | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"function": function, "args": list(arguments)}
    return {"call_expr": {**found, "target": target} if target else found}


def text(value: str) -> dict[str, Any]:
    return {"const_expr": {"string_value": value}}


def whole(value: int) -> dict[str, Any]:
    return {"const_expr": {"int64_value": str(value)}}


class Expressions:
    """Random expressions, mostly of the types that their place asks for."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def truth(self, depth: int = 0) -> dict[str, Any]:
        rng = self.rng
        kinds = ["compare", "compare", "text", "text", "in", "has", "constant", "number", "attribute"]
        kind = rng.choice(kinds + (["and", "or", "not", "choose"] * 2 if depth < 3 else []))
        if kind == "and":
            return call("_&&_", self.truth(depth + 1), self.truth(depth + 1))
        if kind == "or":
            return call("_||_", self.truth(depth + 1), self.truth(depth + 1))
        if kind == "not":
            return call("!_", self.truth(depth + 1))
        if kind == "choose":
            return call("_?_:_", self.truth(depth + 1), self.truth(depth + 1), self.truth(depth + 1))
        if kind == "compare":
            return call(rng.choice(("_==_", "_!=_", "_<_", "_>=_")), self.string(), self.string())
        if kind == "number":
            return call(rng.choice(("_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_")), self.number(), self.number())
        if kind == "text":
            how = rng.choice(("startsWith", "endsWith", "contains", "matches"))
            return call(how, text(rng.choice(("a", "1", "^/x", "b$", "[0-9]"))), target=self.string())
        if kind == "in":
            holder = rng.choice((self.array(), select(ident("request"), "headers"), self.mapping()))
            return call("@in", rng.choice((self.string(), self.number())), holder)
        if kind == "has":
            return select(select(ident("request"), "headers"), rng.choice(NAMES), has=True)
        if kind == "attribute":
            return select(ident("connection"), "mtls")
        return {"const_expr": {"bool_value": rng.random() < 0.5}}

    def string(self) -> dict[str, Any]:
        rng = self.rng
        kind = rng.choice(("constant", "header", "header", "request", "request", "odd", "element"))
        if kind == "constant":
            return text(rng.choice(TEXTS))
        if kind == "header":
            return call("_[_]", select(ident("request"), "headers"), text(rng.choice(NAMES)))
        if kind == "request":
            names = ("path", "url_path", "host", "method", "scheme", "query", "useragent", "referer")
            return select(ident("request"), rng.choice(names))
        if kind == "element":
            return call("_[_]", self.array(), whole(rng.randint(-1, 2)))
        return rng.choice((self.number(), ident("nothing"), select(ident("connection"), "requested_server_name"), NULL))

    def number(self, depth: int = 0) -> dict[str, Any]:
        rng = self.rng
        kind = rng.choice(
            ("int", "int", "uint", "double", "size", "parsed", "attribute") + (("sum",) * 3 if depth < 2 else ())
        )
        if kind == "int":
            return whole(rng.choice((-2, -1, 0, 1, 2, 7, 2**62)))
        if kind == "uint":
            return {"const_expr": {"uint64_value": str(rng.choice((0, 1, 2, 7)))}}
        if kind == "double":
            return {"const_expr": {"double_value": rng.choice((-1.5, 0.0, 1.0, 1.5, 2.0))}}
        if kind == "size":
            return call("size", rng.choice((self.string(), self.array())))
        if kind == "parsed":
            return call(rng.choice(("int", "uint", "double")), rng.choice((self.string(), text("7"), self.number(2))))
        if kind == "attribute":
            return rng.choice((select(ident("request"), "size"), select(ident("destination"), "port")))
        how = rng.choice(("_+_", "_-_", "_*_", "_/_", "_%_"))
        return call(how, self.number(depth + 1), self.number(depth + 1))

    def array(self) -> dict[str, Any]:
        elements = [self.rng.choice((text(self.rng.choice(TEXTS)), whole(1))) for _ in range(self.rng.randint(0, 3))]
        return {"list_expr": {"elements": elements}}

    def mapping(self) -> dict[str, Any]:
        keys = self.rng.sample(TEXTS, 2)
        return {"struct_expr": {"entries": [{"map_key": text(k), "value": whole(n)} for n, k in enumerate(keys)]}}


NULL: dict[str, Any] = {"const_expr": {"null_value": "NULL_VALUE"}}


def table(router: ModuleType, port: int, condition: dict[str, Any], **more: Any) -> Any:
    policy = {"permissions": [{"any": True}], "principals": [{"any": True}], "condition": condition, **more}
    rules = {"@type": RBAC, "rules": {"policies": {"p": policy}}}
    route = {"match": {"prefix": ""}, "direct_response": {"status": 200}}
    manager = {
        "@type": router.HCM,
        "stat_prefix": f"t{port}",
        "route_config": {"name": "r", "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [route]}]},
        "http_filters": [
            {"name": "rbac", "typed_config": rules},
            {"name": "envoy.filters.http.router", "typed_config": {"@type": router.ROUTER}},
        ],
    }
    return router.Table(port, manager)


def request(router: ModuleType, rng: random.Random) -> Any:
    headers = [(rng.choice(NAMES), rng.choice(TEXTS)) for _ in range(rng.choice((0, 1, 2, 3)))]
    path = rng.choice(("/", "/x", "/x?a=1&b", "/a/b1?1"))
    return router.Sent(rng.choice(("GET", "POST")), path, rng.choice(("h", "a.h")), tuple(headers))


def decided(config: Any, port: int, sent: Any) -> int:
    headers = [*sent.headers, *([("content-length", "0")] if sent.method == "POST" else [])]
    connection = Connection(source="127.0.0.1", destination="127.0.0.1", destination_port=port)
    asked = Request(method=sent.method, authority=sent.host, path=sent.path, headers=tuple(headers))
    return decide_direct(config, connection, asked).status


def loaded(router: ModuleType, one: Any) -> Any:
    packed = from_json(router.listener(one), listener_pb2.Listener).SerializeToString()
    return load_config({type_urls.LISTENER: {"l": packed}})


@pytest.mark.needs_envoy
def test_random_conditions(router: ModuleType, tmp_path: Path) -> None:
    rng = random.Random(SEED)
    expressions = Expressions(rng)
    tables = [table(router, FIRST_PORT + i, expressions.truth()) for i in range(TABLES)]
    wrong: list[str] = []
    seen_statuses: dict[int, int] = {}
    with router.Envoy(tmp_path, tables):
        for one in tables:
            config, refused = loaded(router, one)
            assert not refused, refused
            requests = [request(router, rng) for _ in range(REQUESTS)]
            for sent, seen in zip(requests, router.ask(one.port, requests)):
                model = decided(config, one.port, sent)
                seen_statuses[seen.status] = seen_statuses.get(seen.status, 0) + 1
                if model != seen.status:
                    rules = one.manager["http_filters"][0]["typed_config"]["rules"]
                    wrong.append(f"{sent}\n real {seen.status}, model {model}\n {rules['policies']['p']['condition']}")
    assert not wrong, f"{len(wrong)} of {TABLES * REQUESTS} decisions differ, the first:\n{wrong[0]}"
    assert seen_statuses[200] > TABLES
    assert seen_statuses[403] > TABLES


STRINGS = {"enable_string_conversion": True, "enable_string_concat": True, "enable_string_functions": True}
SWITCHED = [
    call("_==_", call("_+_", text("a"), select(ident("request"), "method")), text("aGET")),
    call("_==_", call("string", whole(12)), text("12")),
    call("_==_", call("lowerAscii", target=select(ident("request"), "method")), text("get")),
    call("_==_", call("upperAscii", target=text("get")), select(ident("request"), "method")),
    call("_==_", call("replace", text("E"), text("3"), target=select(ident("request"), "method")), text("G3T")),
]


@pytest.mark.needs_envoy
def test_what_a_policy_switches_on(router: ModuleType, tmp_path: Path) -> None:
    tables = [table(router, FIRST_PORT + i, one, cel_config=STRINGS) for i, one in enumerate(SWITCHED)]
    with router.Envoy(tmp_path, tables):
        for one in tables:
            config, refused = loaded(router, one)
            assert not refused
            sent = router.Sent("GET", "/", "h", ())
            (seen,) = router.ask(one.port, [sent])
            assert seen.status == decided(config, one.port, sent) == 200, one.manager


COMPREHENSION = {
    "comprehension_expr": {
        "iter_var": "x",
        "iter_range": {"list_expr": {"elements": [whole(1)]}},
        "accu_var": "r",
        "accu_init": {"const_expr": {"bool_value": False}},
        "loop_condition": {"const_expr": {"bool_value": True}},
        "loop_step": ident("r"),
        "result": ident("r"),
    }
}


@pytest.mark.needs_envoy
@pytest.mark.parametrize(
    "condition",
    [COMPREHENSION, call("string", whole(1)), call("lowerAscii", target=text("A")), call("nothing", whole(1)), {}],
    ids=["comprehension", "conversion", "lowerAscii", "unknown", "empty"],
)
def test_conditions_that_are_refused(router: ModuleType, tmp_path: Path, condition: dict[str, Any]) -> None:
    """In the words of the real Envoy."""
    one = table(router, FIRST_PORT, condition)
    _, refused = loaded(router, one)
    with pytest.raises(RuntimeError) as error:
        router.Envoy(tmp_path, [one]).__enter__()
    assert refused[0].reason in str(error.value)
