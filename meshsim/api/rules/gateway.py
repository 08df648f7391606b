"""Rules of an Istio Gateway and of the TLS settings of servers.

Source: istio pkg/config/validation/validation.go (ValidateGateway, validateServer, validateTLSOptions), 1.31.
"""

from __future__ import annotations

from typing import Final

from meshsim.api.fields import Fields
from meshsim.api.rules.common import PROTOCOLS, TLS_PROTOCOLS, check_protocol
from meshsim.api.rules.names import (
    is_address,
    is_namespace,
    refuse_host,
    refuse_port,
    refuse_unix_path,
    refuse_wildcard_host,
)
from meshsim.api.rules.report import Report

_PASSTHROUGH: Final = ("PASSTHROUGH", "AUTO_PASSTHROUGH")
_CERTIFICATE_FIELDS: Final = ("serverCertificate", "privateKey", "caCertificates", "credentialName")
_UNIX: Final = "unix://"


def check_gateway(spec: Fields, report: Report) -> None:
    """Every server, and that port names are unique."""
    servers = spec.items("servers")
    if "." in report.name:
        report.refuse("metadata.name", f"'{report.name}' is not a gateway's name", "no dots")
    if not servers:
        report.refuse(spec.path, "a gateway needs at least one server")
    names: list[str] = []
    for server in servers:
        _check_server(server, report)
        port = server.fields("port")
        if port.text("name") in names:
            report.refuse(port.at("name"), f"there are two ports '{port.text('name')}'")
        names.append(port.text("name"))


def _check_server(server: Fields, report: Report) -> None:
    port = server.fields("port")
    bind = server.text("bind")
    is_unix = bind.startswith(_UNIX)
    if is_unix:
        report.refuse_if(refuse_unix_path(bind.removeprefix(_UNIX)), server.at("bind"))
        if port.integer("number"):
            report.refuse(port.at("number"), "a unix domain socket has the port number 0")
    else:
        report.refuse_if(refuse_port(port.integer("number")), port.at("number"))
        if bind and not is_address(bind):
            report.refuse(server.at("bind"), f"'{bind}' is not an IP address")
    protocol = port.text("protocol").upper()
    check_protocol(port, report)
    if port.integer("targetPort"):
        report.refuse(port.at("targetPort"), "targetPort has no effect on gateways", "leave it out")
    hosts = server.texts("hosts")
    if not hosts:
        report.refuse(server.at("hosts"), "a server needs at least one host", "'*' for all")
    for index, host in enumerate(hosts):
        check_namespaced_host(host, f"{server.at('hosts')}[{index}]", report, "a gateway")
    tls = server.fields("tls")
    if protocol in TLS_PROTOCOLS:
        if "tls" not in server:
            report.refuse(server.path, f"a server with the protocol {protocol} needs tls settings")
        else:
            check_server_tls(tls, report)
    elif "tls" in server and protocol in PROTOCOLS:
        # A plain-text server may only redirect to https.
        if any(key != "httpsRedirect" for key in tls if tls.value(key)):
            report.refuse(server.at("tls"), f"a server with the plain-text protocol {protocol} has no tls settings")
        elif tls.flag("httpsRedirect") and protocol not in ("HTTP", "HTTP2", "GRPC", "GRPC-WEB"):
            report.warn(tls.at("httpsRedirect"), f"httpsRedirect has no effect on {protocol}")


def check_namespaced_host(host: str, path: str, report: Report, what: str) -> None:
    """A host, perhaps with the namespace that its services must be in."""
    namespace, slash, name = host.rpartition("/") if host.count("/") == 1 else ("", "", host)
    if host.count("/") > 1:
        namespace, slash, name = host.partition("/")
    if slash:
        if not namespace or not name:
            report.refuse(path, f"'{host}' is not of the form namespace/host")
        elif what == "a gateway" and namespace.startswith("~"):
            report.refuse(path, f"'{namespace}' (not this namespace) makes no sense for {what}")
        elif namespace not in ("*", ".", "~") and not is_namespace(namespace.removeprefix("~")):
            report.refuse(path, f"'{namespace}' is not a namespace")
    if name == "*":
        return
    if name and "." not in name and not is_address(name):
        report.refuse(
            path, f"'{name}' is a short name; {what} needs full host names", "such as reviews.prod.svc.cluster.local"
        )
    if is_address(name) and what == "a gateway":
        return
    reason = refuse_wildcard_host(name)
    if reason is None and "*" in name and not name.startswith("*."):
        reason = f"the wildcard in '{name}' must be the whole first label, as in *.example.com"
    report.refuse_if(reason or (None if name.startswith("*.") else refuse_host(name)), path)


def check_server_tls(tls: Fields, report: Report) -> None:
    """TLS that a server terminates or passes on."""
    mode = tls.text("mode", "PASSTHROUGH")
    _check_sources(tls, mode, report)
    if mode == "ISTIO_MUTUAL":
        for field in (*_CERTIFICATE_FIELDS, "credentialNames", "caCrl", "tlsCertificates", "caCertCredentialName"):
            if tls.value(field):
                report.refuse(tls.at(field), f"mode ISTIO_MUTUAL uses the mesh's certificates, not '{field}'")
        return
    if mode in _PASSTHROUGH:
        for field in _CERTIFICATE_FIELDS:
            if tls.text(field):
                report.warn(tls.at(field), f"'{field}' has no effect with mode {mode}")
        if tls.text("caCrl"):
            report.refuse(tls.at("caCrl"), f"'caCrl' has no effect with mode {mode}")
        return
    by_secret = bool(tls.text("credentialName") or tls.texts("credentialNames"))
    certificates = tls.items("tlsCertificates")
    for field, what in (("serverCertificate", "certificate"), ("privateKey", "private key")):
        if by_secret:
            break
        if certificates:
            for certificate in certificates:
                if not certificate.text(field):
                    report.refuse(certificate.path, f"a TLS certificate needs '{field}'")
        elif not tls.text(field):
            report.refuse(tls.path, f"mode {mode} needs a {what}", f"give credentialName, or {field}")
    if mode in ("MUTUAL", "OPTIONAL_MUTUAL"):
        if not by_secret and not tls.text("caCertificates") and not tls.text("caCertCredentialName"):
            report.refuse(tls.path, f"mode {mode} needs the clients' CA", "give credentialName, or caCertificates")
    elif tls.text("caCrl") and not by_secret:
        report.refuse(tls.at("caCrl"), f"'caCrl' is for verifying clients, which mode {mode} does not")


def _check_sources(tls: Fields, mode: str, report: Report) -> None:
    """Certificates come from one source: secret, secrets, list of files, or files."""
    given = [field for field in ("credentialName", "credentialNames", "tlsCertificates") if tls.value(field)]
    if tls.text("serverCertificate") and mode not in _PASSTHROUGH:
        given.append("serverCertificate")
    if len(given) > 1:
        report.refuse(tls.at(given[1]), f"'{given[0]}' and '{given[1]}' exclude each other")
    for field in ("verifyCertificateSpki", "verifyCertificateHash"):
        if tls.texts(field) and mode in ("SIMPLE", "ISTIO_MUTUAL"):
            report.warn(tls.at(field), f"'{field}' has no effect with mode {mode}")
    _check_versions(tls, report)


def _check_versions(tls: Fields, report: Report) -> None:
    order = ["TLSV1_0", "TLSV1_1", "TLSV1_2", "TLSV1_3"]
    least, most = tls.text("minProtocolVersion"), tls.text("maxProtocolVersion")
    if least in order and most in order and order.index(least) > order.index(most):
        report.warn(tls.at("minProtocolVersion"), f"the least version {least} is above the greatest, {most}")
    for field in ("minProtocolVersion", "maxProtocolVersion"):
        if tls.text(field) in order[:2]:
            report.warn(tls.at(field), f"{tls.text(field)} is older than TLS 1.2, which clients refuse")
