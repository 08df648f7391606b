"""Rules of a DestinationRule and of its traffic policies.

Source: istio pkg/config/validation/validation.go (ValidateDestinationRule, validateTrafficPolicy and below), 1.31.
"""

from __future__ import annotations

from typing import Final

from meshsim.api.fields import Fields
from meshsim.api.rules.common import check_export_to, check_labels
from meshsim.api.rules.locality import check_locality, check_zone_aware
from meshsim.api.rules.names import (
    is_address,
    is_namespace,
    refuse_host,
    refuse_port,
    refuse_subset_name,
    refuse_wildcard_host,
)
from meshsim.api.rules.report import Report

_POLICY_FIELDS: Final = ("loadBalancer", "connectionPool", "outlierDetection", "tls")
_MAX_TABLE: Final = 5_000_011
"""Greatest Maglev table of Envoy."""
_CONFIG_MAP: Final = "configmap://"


def check_destination_rule(spec: Fields, report: Report) -> None:
    """Host, subsets, visibility and every traffic policy."""
    report.refuse_if(refuse_wildcard_host(spec.text("host")), spec.at("host"))
    check_export_to(spec, report)
    if "workloadSelector" in spec:
        exported = spec.texts("exportTo")
        if len(exported) > 1:
            report.refuse(spec.at("exportTo"), "a rule with a workloadSelector has one exportTo entry at most")
        elif exported and exported[0] not in (".", report.namespace):
            report.refuse(spec.at("exportTo"), "a rule with a workloadSelector stays in its own namespace", "write '.'")
    if "trafficPolicy" in spec:
        check_traffic_policy(spec.fields("trafficPolicy"), report)
    names: list[str] = []
    for subset in spec.items("subsets"):
        name = subset.text("name")
        report.refuse_if(refuse_subset_name(name), subset.at("name"))
        if name in names:
            report.refuse(subset.at("name"), f"there are two subsets '{name}'")
        names.append(name)
        check_labels(subset, "labels", report)
        if "trafficPolicy" in subset:
            check_traffic_policy(subset.fields("trafficPolicy"), report)


def check_traffic_policy(policy: Fields, report: Report) -> None:
    """A traffic policy of a rule or subset, with those of single ports."""
    known = (*_POLICY_FIELDS, "portLevelSettings", "tunnel", "proxyProtocol", "retryBudget")
    if not any(policy.value(field) is not None for field in known):
        report.refuse(policy.path, "a traffic policy needs at least one field")
    _check_parts(policy, report)
    for port_policy in policy.items("portLevelSettings"):
        if "port" not in port_policy:
            report.refuse(port_policy.path, "a policy of a port needs the port", "port: {number: ...}")
        if not any(field in port_policy for field in _POLICY_FIELDS):
            report.refuse(port_policy.path, "a policy of a port needs at least one setting")
        _check_parts(port_policy, report)
    if "tunnel" in policy and "proxyProtocol" in policy:
        report.refuse(policy.at("proxyProtocol"), "'tunnel' and 'proxyProtocol' exclude each other")
    if "tunnel" in policy:
        _check_tunnel(policy.fields("tunnel"), report)


def _check_parts(policy: Fields, report: Report) -> None:
    if "connectionPool" in policy:
        check_connection_pool(policy.fields("connectionPool"), report)
    if "loadBalancer" in policy:
        _check_load_balancer(policy.fields("loadBalancer"), "outlierDetection" in policy, report)
    if "outlierDetection" in policy:
        _check_outliers(policy.fields("outlierDetection"), report)
    if "tls" in policy:
        check_client_tls(policy.fields("tls"), report)


def check_connection_pool(pool: Fields, report: Report) -> None:
    """Limits of connections, also those of a Sidecar's inbound listeners."""
    tcp, http = pool.fields("tcp"), pool.fields("http")
    if "tcp" not in pool and "http" not in pool:
        report.refuse(pool.path, "a connection pool needs tcp or http")
    limits = ("http1MaxPendingRequests", "http2MaxRequests", "maxRequestsPerConnection", "maxRetries")
    for part, fields in ((tcp, ("maxConnections",)), (http, (*limits, "maxConcurrentStreams"))):
        for field in fields:
            if part.integer(field) < 0:
                report.refuse(part.at(field), f"'{field}' must not be negative, this is {part.integer(field)}")
    idle = tcp.duration("idleTimeout")
    if idle is not None and idle < 0:
        report.refuse(tcp.at("idleTimeout"), "an idle timeout must not be negative", "0s disables it")
    if http.flag("useClientProtocol") and http.text("h2UpgradePolicy") == "UPGRADE":
        report.refuse(http.at("useClientProtocol"), "useClientProtocol contradicts h2UpgradePolicy: UPGRADE")
    if "http2KeepAlive" in http:
        keep_alive = http.fields("http2KeepAlive")
        for field in ("interval", "timeout"):
            if field not in keep_alive:
                report.refuse(keep_alive.path, f"http2KeepAlive needs '{field}'")


def _check_outliers(outliers: Fields, report: Report) -> None:
    for field in ("maxEjectionPercent", "minHealthPercent"):
        if not 0 <= outliers.integer(field) <= 100:
            report.refuse(outliers.at(field), f"a percentage is from 0 to 100, this is {outliers.integer(field)}")
    if outliers.integer("consecutiveLocalOriginFailures") and not outliers.flag("splitExternalLocalOriginErrors"):
        hint = "set splitExternalLocalOriginErrors: true"
        report.refuse(outliers.at("consecutiveLocalOriginFailures"), "local failures are not counted apart here", hint)
    if "consecutiveErrors" in outliers:
        hint = "use consecutiveGatewayErrors or consecutive5xxErrors"
        report.warn(outliers.at("consecutiveErrors"), "consecutiveErrors is deprecated", hint)


def _check_load_balancer(balancer: Fields, outliers: bool, report: Report) -> None:
    if "consistentHash" in balancer:
        _check_hash(balancer.fields("consistentHash"), report)
    if "localityLbSetting" in balancer and "zoneAwareLbSetting" in balancer:
        message = "'localityLbSetting' and 'zoneAwareLbSetting' exclude each other"
        report.refuse(balancer.at("zoneAwareLbSetting"), message)
    elif "localityLbSetting" in balancer:
        check_locality(balancer.fields("localityLbSetting"), outliers, report)
    elif "zoneAwareLbSetting" in balancer:
        check_zone_aware(balancer.fields("zoneAwareLbSetting"), report)
    warmup = balancer.fields("warmup")
    if "aggression" in warmup and warmup.number("aggression") <= 0:
        report.refuse(warmup.at("aggression"), "aggression must be more than 0")


def _check_hash(settings: Fields, report: Report) -> None:
    if "minimumRingSize" in settings:
        if "ringHash" in settings or "maglev" in settings:
            hint = "put it into ringHash"
            report.refuse(settings.at("minimumRingSize"), "minimumRingSize stands beside ringHash or maglev", hint)
        else:
            report.warn(settings.at("minimumRingSize"), "minimumRingSize is deprecated here", "put it into ringHash")
    if "maglev" in settings:
        maglev = settings.fields("maglev")
        size = maglev.integer("tableSize")
        if size >= _MAX_TABLE or not _is_prime(size):
            message = f"a Maglev table has a prime size below {_MAX_TABLE}, this is {size}"
            report.refuse(maglev.at("tableSize"), message, "such as 65537")
    names: list[str] = []
    for attribute in settings.fields("httpCookie").items("attributes"):
        name = attribute.text("name")
        if not name or name in names:
            message = f"the cookie attribute '{name}' is given twice" if name else "a cookie attribute needs a name"
            report.refuse(attribute.at("name"), message)
        names.append(name)


def _is_prime(number: int) -> bool:
    return number > 1 and all(number % divisor for divisor in range(2, int(number**0.5) + 1))


def check_client_tls(tls: Fields, report: Report) -> None:
    """TLS that a proxy originates."""
    mode = tls.text("mode", "DISABLE")
    files = ("clientCertificate", "privateKey", "caCertificates", "caCrl")
    credential = tls.text("credentialName")
    if tls.flag("insecureSkipVerify"):
        unused = ("caCertificates", "subjectAltNames", *(("credentialName",) if mode == "SIMPLE" else ()))
        for field in unused:
            if tls.value(field):
                report.refuse(tls.at(field), f"insecureSkipVerify leaves no use for '{field}'")
    if mode in ("SIMPLE", "MUTUAL") and credential:
        for field in files:
            if tls.text(field):
                report.refuse(tls.at(field), f"'{field}' and 'credentialName' exclude each other")
        _check_config_map(tls, credential, report)
    elif mode == "MUTUAL":
        for field in ("clientCertificate", "privateKey"):
            if not tls.text(field):
                hint = "or give credentialName"
                report.refuse(tls.path, f"mode MUTUAL needs '{field}'", hint)


def _check_config_map(tls: Fields, credential: str, report: Report) -> None:
    if not credential.startswith(_CONFIG_MAP):
        return
    namespace, slash, name = credential.removeprefix(_CONFIG_MAP).partition("/")
    if not slash or not name or not is_namespace(namespace):
        report.refuse(tls.at("credentialName"), f"'{credential}' is not of the form configmap://namespace/name")
    elif namespace != report.namespace or "/" in name:
        report.refuse(tls.at("credentialName"), f"'{credential}' is not in the namespace of this object")


def _check_tunnel(tunnel: Fields, report: Report) -> None:
    if tunnel.text("protocol") not in ("", "CONNECT", "POST"):
        report.refuse(tunnel.at("protocol"), f"a tunnel uses CONNECT or POST, not '{tunnel.text('protocol')}'")
    host = tunnel.text("targetHost")
    reason = refuse_host(host)
    if reason is not None and not is_address(host):
        report.refuse(tunnel.at("targetHost"), reason)
    report.refuse_if(refuse_port(tunnel.integer("targetPort")), tunnel.at("targetPort"))
