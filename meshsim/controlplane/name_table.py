"""NDS: names and addresses for the agent's DNS proxy (istio pkg/dns/server/name_table.go, release 1.31)."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from meshsim.controlplane.model import Health, Registry, Resolution, Service
from meshsim.controlplane.resources import Resource
from meshsim.xds.istio_messages import NameTable

if TYPE_CHECKING:
    from meshsim.controlplane.model import Endpoint, Proxy
    from meshsim.controlplane.push_context import PushContext

UNSPECIFIED: Final = ("0.0.0.0", "::")


class _View(NamedTuple):
    """What a table depends on besides the scope."""

    network: str
    dns_capture: bool


def build_name_table(push: PushContext, proxy: Proxy) -> tuple[Resource, ...]:
    """The one table of a sidecar; gateways do not resolve for applications and get none."""
    if proxy.is_router:
        return ()
    scope = push.scope(proxy)
    view = _View(proxy.metadata.text("NETWORK"), proxy.captures_dns)

    def make() -> tuple[Resource, ...]:
        table = NameTable()
        for listener in scope.egress_listeners:
            for service in listener.services:
                _add_service(table, push, view, service)
        return (Resource("", table.SerializeToString(deterministic=True)),)

    return push.response(("nds", scope, view), make)


def _add_service(table: NameTable, push: PushContext, view: _View, service: Service) -> None:
    addresses = service.addresses_for(dns_capture=view.dns_capture)
    found: list[str] = []
    if any(a in UNSPECIFIED for a in addresses):
        if service.resolution is Resolution.PASSTHROUGH and service.ports:
            found = _instances(table, push, view, service)
    else:
        found = [a for a in addresses if _is_ip(a)]
    if not found:
        return
    kubernetes = service.registry is Registry.KUBERNETES
    if service.hostname not in table.table:
        _write(table, service.hostname, found, service, service.name if kubernetes else "")
        return
    known = table.table[service.hostname]
    if known.registry != Registry.KUBERNETES.value:
        if kubernetes:
            _write(table, service.hostname, found, service, service.name)
        else:
            known.ips.extend(found)


def _instances(table: NameTable, push: PushContext, view: _View, service: Service) -> list[str]:
    """Addresses behind a headless service; pods with a subdomain get names of their own as well."""
    found: list[str] = []
    own: dict[str, list[str]] = {}
    seen: set[str] = set()
    domain = service.hostname.partition(".")[2]
    for port in service.ports:
        for endpoint in push.endpoints(service, port):
            if not _is_listed(endpoint, service) or endpoint.address in seen:
                continue
            seen.add(endpoint.address)
            if view.network and endpoint.network and endpoint.network != view.network:
                continue
            if endpoint.subdomain and domain:
                own.setdefault(f"{endpoint.hostname}.{endpoint.subdomain}", []).append(endpoint.address)
            found.append(endpoint.address)
    for short, addresses in own.items():
        _write(table, f"{short}.{domain}", addresses, service, short)
    return found


def _is_listed(endpoint: Endpoint, service: Service) -> bool:
    return _is_ip(endpoint.address) and (service.publish_not_ready or endpoint.health is Health.HEALTHY)


def _write(table: NameTable, host: str, addresses: list[str], service: Service, short: str) -> None:
    entry = table.table[host]
    entry.Clear()
    entry.ips.extend(addresses)
    entry.registry = service.registry.value
    if short:
        entry.namespace = service.namespace
        entry.shortname = short


@lru_cache(maxsize=65536)
def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
