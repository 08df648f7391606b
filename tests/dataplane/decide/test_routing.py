"""Virtual host search and route choice; Envoy's own router_check corpus."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from xds_bodies import encode

from meshsim.dataplane.decide.chances import Fixed
from meshsim.dataplane.decide.decision import ORDINARY, Trail
from meshsim.dataplane.decide.filter_configs import FaultConfig
from meshsim.dataplane.decide.headers import HeaderMap, decode_header_matcher
from meshsim.dataplane.decide.mutations import apply_mutations
from meshsim.dataplane.decide.rewriting import (
    FormatContext,
    finalize_request,
    mutation_levels,
    redirect_location,
    rewrite_path,
)
from meshsim.dataplane.decide.route_match import RuntimeFraction, Stream
from meshsim.dataplane.decide.routes import DirectResponse, Forward, Redirect, RouteConfiguration
from meshsim.dataplane.decide.routing import (
    Chosen,
    choose_route,
    draw_cluster,
    filter_config,
    find_virtual_host,
    selected_cluster,
    without_port,
)
from meshsim.dataplane.decide.subjects import Subject
from meshsim.dataplane.decide.values import Connection
from meshsim.dataplane.resource_cache import ResourceCache
from meshsim.xds import type_urls
from meshsim.xds.messages import route_components_pb2
from meshsim.xds.packing import from_json

CLIENT = Connection(source="127.0.0.1", source_port=1000, destination="127.0.0.1", destination_port=80)


def nobody() -> Subject:
    raise AssertionError("only a matcher tree looks at the subject")


def table_of(body: Mapping[str, Any]) -> RouteConfiguration:
    decoded = ResourceCache().decode(type_urls.ROUTE, encode(type_urls.ROUTE, body))
    assert isinstance(decoded, RouteConfiguration)
    return decoded


def hosts(*domains: str, **more: Any) -> RouteConfiguration:
    route = {"match": {"prefix": "/"}, "direct_response": {"status": 200}}
    return table_of(
        {"name": "t", "virtual_hosts": [{"name": d, "domains": [d], "routes": [route]} for d in domains], **more}
    )


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("a.com", "a.com"),
        ("A.COM", "a.com"),
        ("b.a.com", "*.a.com"),
        ("c.b.a.com", "*.a.com"),
        (".a.com", "*.com"),
        ("x.com", "*.com"),
        ("foo", "*"),
        ("foo.x", "foo.*"),
        ("foobar", "foo*"),
        ("a.com.", "*"),
        ("a.com:80", "*"),
        ("", "*"),
    ],
)
def test_the_most_specific_domain_wins(host: str, found: str) -> None:
    table = hosts("*", "foo*", "*.com", "foo.*", "*.a.com", "a.com")
    virtual_host, _ = find_virtual_host(table, host)
    assert virtual_host is not None
    assert virtual_host.name == found


def test_ports_may_be_ignored() -> None:
    table = hosts("a.com", ignore_port_in_host_matching=True)
    assert find_virtual_host(table, "a.com:x")[0] is not None
    assert find_virtual_host(table, "b.com")[0] is None
    assert without_port("[::1]:80") == "[::1]"
    assert without_port("[::1]") == "[::1]"


@pytest.mark.parametrize(
    ("selects", "header", "found"),
    [
        ({"header_name": "x-n"}, "0", "a"),
        ({"header_name": "x-n"}, "11", "b"),
        ({"header_name": "x-n"}, "29", "b"),
        ({"header_name": "x-n"}, "30", "a"),
        ({"header_name": "x-n"}, "-1", None),
        ({"use_hash_policy": True}, "0", "a"),
        ({"use_hash_policy": True}, "2", "b"),
        ({"use_hash_policy": True}, "", None),
        ({}, "0", None),
    ],
)
def test_a_request_may_select_its_cluster(selects: dict[str, Any], header: str, found: str | None) -> None:
    """Measured on 1.40 (lb-clusters-header, lb-clusters-hash): xxHash64 of 0 and of 2 are 8 and 21 modulo 30."""
    clusters = [{"name": "a", "weight": 10}, {"name": "b", "weight": 20}]
    action = {
        "weighted_clusters": {"clusters": clusters, **selects},
        "hash_policy": [{"header": {"header_name": "x-n"}}],
    }
    route = {"match": {"prefix": "/"}, "route": action}
    table = table_of({"name": "t", "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [route]}]})
    forward = table.virtual_hosts[0].routes[0].action
    assert isinstance(forward, Forward)
    headers = HeaderMap([("x-n", header)] if header else [])
    chosen = selected_cluster(forward, Stream(headers, CLIENT, Fixed(0), {}))
    assert (chosen.name if chosen else None) == found


def test_tls_may_be_required_before_any_route() -> None:
    body = {"name": "t", "virtual_hosts": [{"name": "v", "domains": ["*"], "require_tls": "ALL"}]}
    headers = HeaderMap([(":authority", "a"), (":path", "/"), ("x-forwarded-proto", "http")])
    chosen = choose_route(table_of(body), Stream(headers, CLIENT, Fixed(0), {}), False, Trail(False), nobody)
    assert chosen.needs_tls


def test_the_most_specific_filter_configuration_wins() -> None:
    def fault(seconds: int) -> dict[str, Any]:
        kind = "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault"
        return {"f": {"@type": kind, "delay": {"fixed_delay": f"{seconds}s", "percentage": {"numerator": 100}}}}

    route = {"match": {"prefix": "/"}, "direct_response": {"status": 200}, "typed_per_filter_config": fault(1)}
    host = {"name": "v", "domains": ["*"], "routes": [route], "typed_per_filter_config": fault(2)}
    table = table_of({"name": "t", "virtual_hosts": [host], "typed_per_filter_config": fault(3)})
    virtual_host = table.virtual_hosts[0]
    found = filter_config("f", Chosen(virtual_host, virtual_host.routes[0]), table)
    assert isinstance(found, FaultConfig)
    assert found.delay == 1_000_000_000
    assert filter_config("g", Chosen(virtual_host, virtual_host.routes[0]), table) is None


class ToolStream(Stream):
    """The checking tool's runtime: one key is on, other fractions are off, and the bound itself counts as inside."""

    runtime = ""

    def runtime_fraction(self, runtime: RuntimeFraction) -> bool:
        share = runtime.fraction
        return runtime.key == self.runtime and self.chance.stream_below(share.denominator, share.numerator + 1)


def check(table: RouteConfiguration, test: Mapping[str, Any]) -> Iterator[str]:
    """What of a test's expectations does not hold."""
    given, wanted = test["input"], test["validate"]
    scheme = "https" if given.get("ssl") else "http"
    headers = HeaderMap([(":authority", given["authority"]), (":path", given["path"]), (":method", given["method"])])
    headers.set(":scheme", scheme)
    headers.set("x-forwarded-proto", scheme)
    if given.get("internal"):
        headers.set("x-envoy-internal", "true")
    for extra in given.get("additional_request_headers", []):
        headers.add(extra["key"].lower(), extra["value"])
    stream = ToolStream(headers, CLIENT, Fixed(int(given.get("random_value", 0))), tool_metadata(given))
    stream.runtime = given.get("runtime", "")
    chosen = choose_route(table, stream, bool(given.get("internal")), Trail(False), nobody)
    found = outcome(table, chosen, stream, given)
    for name in ("cluster_name", "virtual_host_name", "virtual_cluster_name", "path_rewrite", "host_rewrite"):
        if name in wanted and wanted[name] != found[name]:
            yield f"{name}: {wanted[name]!r}, got {found[name]!r}"
    for name in ("path_redirect", "code_redirect"):
        if name in wanted and str(wanted[name]) != found[name]:
            yield f"{name}: {wanted[name]!r}, got {found[name]!r}"
    yield from header_matches(wanted.get("request_header_matches", []), stream.headers)
    yield from header_matches(wanted.get("response_header_matches", []), found["response"])


def outcome(table: RouteConfiguration, chosen: Chosen, stream: Stream, given: Mapping[str, Any]) -> dict[str, Any]:
    """What the router makes of the request, in the words of the tests."""
    headers, route, host = stream.headers, chosen.route, chosen.virtual_host
    response = HeaderMap([(h["key"].lower(), h["value"]) for h in given.get("additional_response_headers", [])])
    found: dict[str, Any] = dict.fromkeys(("cluster_name", "path_rewrite", "host_rewrite", "path_redirect"), "")
    found |= {"code_redirect": "", "response": response, "virtual_host_name": "", "virtual_cluster_name": ""}
    if chosen.needs_tls:
        found |= {"path_redirect": f"https://{headers.get(':authority')}{headers.get(':path')}", "code_redirect": "301"}
    if route is None or host is None:
        return found
    context = FormatContext(headers, CLIENT, ORDINARY, "127.0.0.1", "", "", "", "", "HTTP/1.1")
    if isinstance(route.action, Forward):
        weighted = draw_cluster(route, stream)
        choice = route.action.clusters
        found["virtual_host_name"] = host.name
        found["virtual_cluster_name"] = host.virtual_cluster(headers)
        found["cluster_name"] = weighted.name if weighted else choice.name or headers.get(choice.header or "-") or ""
        finalize_request(headers, table, host, route, weighted, context.format, announce=True)
        found["path_rewrite"], found["host_rewrite"] = headers.get(":path"), headers.get(":authority")
        levels = mutation_levels(table, host, route, weighted, lambda level: level.response)
    else:
        levels = mutation_levels(table, host, route, None, lambda level: level.response)
        found["code_redirect"] = str(getattr(route.action, "status", ""))
        action = route.action if isinstance(route.action, Redirect) else None
        if isinstance(route.action, DirectResponse) and route.action.body:
            response.set("content-type", "text/plain")
            response.set("content-length", str(len(route.action.body)))
        if action:
            rewrite_path(headers, action.rewrite, route.match, announce=True)
        if action or isinstance(route.action, DirectResponse):
            found["path_redirect"] = redirect_location(action or NO_REDIRECT, headers)
    for mutations in levels:
        apply_mutations(response, mutations, context.format)
    return found


NO_REDIRECT = Redirect(0, "", False, "", 0, "", rewrite=None, strip_query=False)  # type: ignore[arg-type]


def tool_metadata(given: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for entry in given.get("dynamic_metadata", []):
        if entry.get("allow_overwrite") or entry["metadata_namespace"] not in found:
            found[entry["metadata_namespace"]] = entry["value"]
    return found


def header_matches(bodies: list[Mapping[str, Any]], headers: HeaderMap) -> Iterator[str]:
    for body in bodies:
        matcher = decode_header_matcher(from_json(body, route_components_pb2.HeaderMatcher), [])
        if not matcher.matches(headers):
            yield f"{matcher} does not match {list(headers)}"


def corpus(folder: Path) -> Iterator[tuple[str, RouteConfiguration, Mapping[str, Any]]]:
    for golden in sorted(folder.glob("*.golden.proto.json")):
        name = golden.name.partition(".")[0]
        text = (folder / f"{name.removesuffix('Failures')}.yaml").read_text()
        text = re.sub(r"(max_\w+|timeout):\s*\n\s+seconds: (\d+)", r'\1: "\2s"', text)
        text = re.sub(r"\{nanos: 0\}|\{ nanos: 0 \}", '"0s"', text)
        body = yaml.safe_load(text)
        table = table_of(durations(body))
        for test in yaml.safe_load(golden.read_text())["tests"]:
            yield name, table, test


def durations(value: Any) -> Any:
    """Durations written as objects, as protobuf JSON wants them."""
    if isinstance(value, dict):
        if value and set(value) <= {"seconds", "nanos"}:
            return f"{value.get('seconds', 0)}s"
        return {k: durations(v) for k, v in value.items()}
    return [durations(v) for v in value] if isinstance(value, list) else value


@pytest.mark.needs_shared
def test_the_router_check_corpus(shared: Path) -> None:
    """103 cases: 102 hold, the one of the failures file must not."""
    failures: dict[str, list[str]] = {}
    count = 0
    for name, table, test in corpus(shared / "conformance" / "envoy-router-check"):
        count += 1
        wrong = list(check(table, test))
        if wrong:
            failures[f"{name}: {test['test_name']}"] = wrong
    assert count == 103
    assert list(failures) == ["TestRoutesFailures: ResponseHeaderMatches Failures"], failures
