"""Rules of a Sidecar. Source: istio pkg/config/validation/validation.go (ValidateSidecar) and sidecar.go, 1.31."""

from __future__ import annotations

import re
from typing import Final

from meshsim.api.fields import Fields
from meshsim.api.rules.common import TLS_PROTOCOLS, check_destination, check_protocol
from meshsim.api.rules.destination_rule import check_connection_pool
from meshsim.api.rules.gateway import check_namespaced_host, check_server_tls
from meshsim.api.rules.names import is_address, refuse_port, refuse_port_name, refuse_unix_path
from meshsim.api.rules.report import Report

_ENDPOINT: Final = re.compile(r"(?:127\.0\.0\.1|0\.0\.0\.0|\[::1\]|\[::\]):(\d+)\Z")
_UNIX: Final = "unix://"
_INGRESS_TLS: Final = (
    ("httpsRedirect", "httpsRedirect"),
    ("credentialName", "credentialName (certificates come from files)"),
    ("credentialNames", "credentialNames (certificates come from files)"),
    ("tlsCertificates", "tlsCertificates"),
    ("subjectAltNames", "subjectAltNames"),
)


def check_sidecar(spec: Fields, report: Report) -> None:
    """Listeners in and out, and what happens to unknown destinations."""
    if not any(spec.value(field) for field in ("ingress", "egress", "outboundTrafficPolicy", "inboundConnectionPool")):
        report.refuse(spec.path, "a sidecar needs one of ingress, egress and outboundTrafficPolicy")
    _check_ingress(spec.items("ingress"), report)
    _check_egress(spec.items("egress"), report)
    if "inboundConnectionPool" in spec:
        check_connection_pool(spec.fields("inboundConnectionPool"), report)
    _check_outbound(spec.fields("outboundTrafficPolicy"), report)
    if "workloadSelector" in spec and not spec.fields("workloadSelector").text_map("labels"):
        report.warn(spec.at("workloadSelector"), "a selector without labels selects every workload")


def _check_outbound(policy: Fields, report: Report) -> None:
    if "egressProxy" not in policy:
        return
    proxy = policy.fields("egressProxy")
    if policy.text("mode", "REGISTRY_ONLY") != "ALLOW_ANY":
        report.refuse(proxy.path, "an egressProxy goes with mode ALLOW_ANY only")
    if "port" not in proxy:
        report.refuse(proxy.path, "an egressProxy needs a port")
    check_destination(proxy, report)


def _check_ingress(listeners: tuple[Fields, ...], report: Report) -> None:
    numbers: list[int] = []
    for listener in listeners:
        port = listener.fields("port")
        _check_port(port, report)
        report.refuse_if(refuse_port(port.integer("number")), port.at("number"))
        if port.integer("number") in numbers:
            report.refuse(port.at("number"), f"there are two listeners on port {port.integer('number')}")
        numbers.append(port.integer("number"))
        _check_bind(listener, report)
        endpoint = listener.text("defaultEndpoint")
        if endpoint:
            report.refuse_if(_refuse_endpoint(endpoint), listener.at("defaultEndpoint"))
        if "tls" in listener:
            _check_ingress_tls(listener.fields("tls"), port.text("protocol").upper(), report)
        if "connectionPool" in listener:
            check_connection_pool(listener.fields("connectionPool"), report)


def _refuse_endpoint(endpoint: str) -> str | None:
    if endpoint.startswith(_UNIX):
        return refuse_unix_path(endpoint.removeprefix(_UNIX))
    found = _ENDPOINT.match(endpoint)
    if found is None:
        return f"'{endpoint}' is not 127.0.0.1:port, 0.0.0.0:port, [::1]:port, [::]:port or unix://path"
    return refuse_port(int(found.group(1)))


def _check_ingress_tls(tls: Fields, protocol: str, report: Report) -> None:
    if tls.text("mode") in ("ISTIO_MUTUAL", "AUTO_PASSTHROUGH"):
        report.refuse(tls.at("mode"), f"mode {tls.text('mode')} is not for ingress listeners of sidecars")
    for field, what in _INGRESS_TLS:
        if tls.value(field):
            report.refuse(tls.at(field), f"ingress listeners of sidecars do not support {what}")
    if protocol not in TLS_PROTOCOLS:
        report.refuse(tls.path, f"a listener with the protocol {protocol or 'unknown'} has no tls settings")
    elif tls.text("mode") not in ("ISTIO_MUTUAL",):
        check_server_tls(tls, report)


def _check_egress(listeners: tuple[Fields, ...], report: Report) -> None:
    numbers: list[int] = []
    sockets: list[str] = []
    for position, listener in enumerate(listeners):
        port = listener.fields("port")
        bind = listener.text("bind")
        if "port" not in listener:
            if position != len(listeners) - 1:
                report.refuse(listener.path, "the egress listener without a port must be the last and only such one")
            elif bind and not is_address(bind):
                report.refuse(listener.at("bind"), f"'{bind}' is not an IP address")
        else:
            _check_port(port, report)
            number = port.integer("number")
            if number == 0:
                _check_socket(listener, sockets, report)
            else:
                report.refuse_if(refuse_port(number), port.at("number"))
                if number in numbers:
                    report.refuse(port.at("number"), f"there are two listeners on port {number}")
                numbers.append(number)
                _check_bind(listener, report)
        _check_egress_hosts(listener, report)


def _check_socket(listener: Fields, sockets: list[str], report: Report) -> None:
    bind = listener.text("bind")
    if not bind.startswith(_UNIX):
        report.refuse(listener.at("port"), "port 0 is for unix domain sockets", "bind: unix://...")
        return
    report.refuse_if(refuse_unix_path(bind.removeprefix(_UNIX)), listener.at("bind"))
    if bind in sockets:
        report.refuse(listener.at("bind"), f"there are two listeners on {bind}")
    sockets.append(bind)
    if listener.text("captureMode") == "IPTABLES":
        report.refuse(listener.at("captureMode"), "iptables cannot capture traffic to a unix domain socket")


def _check_bind(listener: Fields, report: Report) -> None:
    bind = listener.text("bind")
    if bind and not is_address(bind):
        report.refuse(listener.at("bind"), f"'{bind}' is not an IP address")


def _check_port(port: Fields, report: Report) -> None:
    check_protocol(port, report)
    if port.text("name"):
        report.refuse_if(refuse_port_name(port.text("name")), port.at("name"))
    if port.integer("targetPort"):
        report.refuse(port.at("targetPort"), "targetPort has no effect on sidecars", "leave it out")


def _check_egress_hosts(listener: Fields, report: Report) -> None:
    hosts = listener.texts("hosts")
    if not hosts:
        report.refuse(listener.at("hosts"), "an egress listener needs at least one host", "'*/*' for all")
    for index, host in enumerate(hosts):
        path = f"{listener.at('hosts')}[{index}]"
        if "/" not in host:
            report.refuse(
                path, f"'{host}' is not of the form namespace/host", "such as ./* or */reviews.prod.svc.cluster.local"
            )
            continue
        check_namespaced_host(host, path, report, "a sidecar")
    if len(hosts) != len(set(hosts)):
        report.warn(listener.at("hosts"), "a host is listed twice")
    if "*/*" in hosts and len(hosts) > 1:
        report.warn(listener.at("hosts"), "'*/*' makes the other hosts meaningless")
