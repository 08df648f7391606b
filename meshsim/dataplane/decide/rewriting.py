"""What a route changes in a request: path, authority, headers; and where redirects lead.

Rules: Envoy source/common/router/config_impl.cc (finalizeRequestHeaders, newUri), source/common/http/utility.cc.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from meshsim.dataplane.decide.decision import Surroundings
from meshsim.dataplane.decide.headers import HeaderMap
from meshsim.dataplane.decide.metadata import NO_METADATA, DynamicMetadata, metadata_text
from meshsim.dataplane.decide.mutations import NO_MUTATIONS, HeaderMutations, apply_mutations, format_text
from meshsim.dataplane.decide.re2 import global_replace
from meshsim.dataplane.decide.route_match import RouteMatch, without_query
from meshsim.dataplane.decide.routes import (
    Forward,
    HostRewrite,
    PathRewrite,
    Redirect,
    Route,
    RouteConfiguration,
    VirtualHost,
    WeightedCluster,
)
from meshsim.dataplane.decide.values import Connection


class FormatContext(NamedTuple):
    """What header values can refer to."""

    headers: HeaderMap
    connection: Connection
    surroundings: Surroundings
    remote: str
    """Client address after x-forwarded-for."""
    sni: str
    route: str
    virtual_host: str
    cluster: str
    protocol: str
    status: int = 0
    metadata: DynamicMetadata = NO_METADATA

    def format(self, text: str) -> str:
        """The text with its commands substituted."""
        return format_text(text, self.lookup)

    def lookup(self, command: str, argument: str) -> str | None:
        """The value of a command, None when it has none."""
        if command in ("REQ", "REQUEST_HEADER"):
            first, _, second = argument.partition("?")
            value = self.headers.get(first.lower())
            return value if value is not None or not second else self.headers.get(second.lower())
        if command == "DYNAMIC_METADATA":
            return metadata_text(self.metadata, argument.split(":"))
        connection = self.connection
        certificate = connection.certificate
        values: dict[str, str | None] = {
            "DOWNSTREAM_REMOTE_ADDRESS": f"{self.remote}:{connection.source_port}",
            "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT": self.remote,
            "DOWNSTREAM_DIRECT_REMOTE_ADDRESS": f"{connection.source}:{connection.source_port}",
            "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT": connection.source,
            "DOWNSTREAM_LOCAL_ADDRESS": f"{connection.destination}:{connection.destination_port}",
            "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT": connection.destination,
            "DOWNSTREAM_LOCAL_PORT": str(connection.destination_port),
            "DOWNSTREAM_PEER_URI_SAN": ",".join(certificate.uris) if certificate else None,
            "DOWNSTREAM_PEER_SUBJECT": certificate.subject if certificate else None,
            "DOWNSTREAM_LOCAL_URI_SAN": self.surroundings.identity or None,
            "REQUESTED_SERVER_NAME": self.sni or None,
            "PROTOCOL": self.protocol,
            "ROUTE_NAME": self.route or None,
            "VIRTUAL_HOST_NAME": self.virtual_host or None,
            "UPSTREAM_CLUSTER": self.cluster or None,
            "UPSTREAM_CLUSTER_RAW": self.cluster or None,
            "RESPONSE_CODE": str(self.status) if self.status else None,
        }
        return values.get(command)


def rewritten_path(path: str, rewrite: PathRewrite, match: RouteMatch) -> str:
    """The path after a rewrite; the query stays as it is."""
    bare = without_query(path)
    rest = path[len(bare) :]
    if rewrite.prefix:
        return rewrite.prefix + path[match.matched_length(bare) :]
    if rewrite.regex:
        return global_replace(rewrite.regex.pattern, bare, rewrite.regex.substitution) + rest
    if rewrite.template and match.template:
        return match.template.rewrite(bare, rewrite.template) + rest
    return path


def rewrite_path(headers: HeaderMap, rewrite: PathRewrite, match: RouteMatch, announce: bool) -> None:
    """Rewrite ``:path``; the old one goes into x-envoy-original-path when `announce`."""
    if not (rewrite.prefix or rewrite.regex or rewrite.template):
        return
    path = headers.get(":path") or ""
    if announce:
        headers.set("x-envoy-original-path", path)
    headers.set(":path", rewritten_path(path, rewrite, match))


def rewrite_host(headers: HeaderMap, rewrite: HostRewrite, announce: bool) -> None:
    """Rewrite the authority; `auto` waits for the upstream host."""
    new: str | None = None
    if rewrite.literal:
        new = rewrite.literal
    elif rewrite.header:
        new = headers.get(rewrite.header) or None
    elif rewrite.path_regex:
        bare = without_query(headers.get(":path") or "")
        new = global_replace(rewrite.path_regex.pattern, bare, rewrite.path_regex.substitution)
    if new is not None:
        old = headers.get(":authority") or ""
        set_authority(headers, old, new, rewrite.append_forwarded_host, announce)


def set_authority(headers: HeaderMap, old: str, new: str, append_forwarded_host: bool, announce: bool) -> None:
    """Replace the authority; the old one is kept in headers where asked for."""
    if append_forwarded_host and old:
        forwarded = headers.get("x-forwarded-host")
        if forwarded is None or forwarded.rpartition(",")[2].strip() != old:
            headers.add("x-forwarded-host", old)
    if announce:
        headers.set("x-envoy-original-host", old)
    headers.set(":authority", new)


def mutation_levels(
    table: RouteConfiguration,
    virtual_host: VirtualHost | None,
    route: Route,
    weighted: WeightedCluster | None,
    pick: Callable[[RouteConfiguration | VirtualHost | Route | WeightedCluster], HeaderMutations],
) -> list[HeaderMutations]:
    """Mutations in the order they are applied: the most specific first, or last when it is to win."""
    picked = [pick(level) for level in (weighted, route, virtual_host, table) if level is not None]
    levels = [mutations for mutations in picked if mutations is not NO_MUTATIONS]
    return levels[::-1] if table.most_specific_wins else levels


def finalize_request(
    headers: HeaderMap,
    table: RouteConfiguration,
    virtual_host: VirtualHost,
    route: Route,
    weighted: WeightedCluster | None,
    format_value: Callable[[str], str],
    announce: bool,
) -> None:
    """Everything a forwarding route does to the request: header mutations, then host, then path."""
    action = route.action
    assert isinstance(action, Forward)
    for mutations in mutation_levels(table, virtual_host, route, weighted, lambda level: level.request):
        apply_mutations(headers, mutations, format_value)
    if weighted and weighted.host_rewrite:
        rewrite_host(headers, HostRewrite(literal=weighted.host_rewrite), announce=False)
    else:
        rewrite_host(headers, action.host, announce)
    rewrite_path(headers, action.path, route.match, announce)


def redirect_location(redirect: Redirect, headers: HeaderMap) -> str:
    """The Location of a redirect; a rewrite has changed the path already."""
    old_scheme = headers.get(":scheme") or "http"
    scheme = redirect.scheme or ("https" if redirect.https else old_scheme)
    port = f":{redirect.port}" if redirect.port else ""
    host = redirect.host or _redirect_host(headers, scheme, port)
    path = headers.get(":path") or ""
    keep_query = False
    if redirect.path:
        keep_query = "?" in redirect.path
        query = path.find("?")
        path = redirect.path + (path[query:] if query >= 0 and not keep_query else "")
    if redirect.strip_query and not keep_query:
        path = path.partition("?")[0]
    return f"{scheme}://{host}{port}{'' if path.startswith('/') else '/'}{path}"


def _redirect_host(headers: HeaderMap, new_scheme: str, new_port: str) -> str:
    """The request's host; a port goes when a new one is given, or when it was the default of the old scheme."""
    host = headers.get(":authority") or ""
    bracket = host.rfind("]:")
    colon = host.rfind(":") if not host.startswith("[") else bracket + 1 if bracket >= 0 else -1
    if colon < 0:
        return host
    port = host[colon:]
    protocol = headers.get("x-forwarded-proto") or ""
    default = (protocol == "https" and port == ":443") or (protocol == "http" and port == ":80")
    return host[:colon] if new_port or (new_scheme != protocol and default) else host
