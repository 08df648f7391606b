"""Rules of ServiceEntry, WorkloadEntry and WorkloadGroup.

Source: istio pkg/config/validation/validation.go (ValidateServiceEntry, ValidateWorkloadEntry, ValidateWorkloadGroup)
and the CEL rules of the CRDs, 1.31.
"""

from __future__ import annotations

from typing import Final

from meshsim.api.fields import Fields
from meshsim.api.rules.common import check_export_to, check_labels, check_protocol
from meshsim.api.rules.names import (
    is_address,
    refuse_header_name,
    refuse_host,
    refuse_port_name,
    refuse_subnet,
    refuse_unix_path,
    refuse_wildcard_host,
)
from meshsim.api.rules.report import Report

_WAYPOINT: Final = "istio.io/use-waypoint"
_UNIX: Final = "unix://"
_DNS: Final = ("DNS", "DNS_ROUND_ROBIN")
_BY_HOST: Final = frozenset({"HTTP", "HTTP2", "GRPC", "GRPC-WEB", "HTTPS", "TLS"})
"""Protocols in which a request names its host."""
_DYNAMIC: Final = frozenset({"HTTP", "HTTP2", "GRPC", "GRPC-WEB", "TLS", "HTTPS"})


def check_service_entry(spec: Fields, report: Report) -> None:
    """Hosts, addresses, ports and endpoints, as the resolution allows them."""
    resolution = spec.text("resolution", "NONE")
    _check_hosts(spec, resolution, report)
    _check_addresses(spec, resolution, report)
    _check_ports(spec, resolution, report)
    if "workloadSelector" in spec:
        if spec.items("endpoints"):
            report.refuse(spec.at("endpoints"), "'workloadSelector' and 'endpoints' exclude each other")
        if resolution == "NONE":
            report.warn(spec.at("workloadSelector"), "a workloadSelector has no effect with resolution NONE")
    _check_endpoints(spec, resolution, report)
    check_export_to(spec, report, allow_none=True)
    if resolution == "DYNAMIC_DNS" and spec.text("location") == "MESH_INTERNAL" and _WAYPOINT in report.labels:
        report.refuse(spec.at("location"), "resolution DYNAMIC_DNS through a waypoint is for MESH_EXTERNAL only")


def _check_hosts(spec: Fields, resolution: str, report: Report) -> None:
    endpoints = spec.items("endpoints")
    for index, host in enumerate(spec.texts("hosts")):
        path = f"{spec.at('hosts')}[{index}]"
        if host == "*":
            report.refuse(path, "the host '*' is not allowed", "name the hosts, or a domain such as *.example.com")
            continue
        reason = refuse_wildcard_host(host)
        report.refuse_if(reason, path)
        if resolution == "DYNAMIC_DNS" and not host.startswith("*"):
            report.refuse(path, "resolution DYNAMIC_DNS is for wildcard hosts", "use DNS for a single host")
        if resolution in _DNS and not endpoints and reason is None and refuse_host(host) is not None:
            report.refuse(
                path, f"'{host}' cannot be resolved: with {resolution} a host is a full name", "or give endpoints"
            )
        if reason is None and host.startswith("*") and not host.startswith("*."):
            report.warn(path, f"'{host}' has a wildcard within a label, which clients may not support")


def _check_addresses(spec: Fields, resolution: str, report: Report) -> None:
    addresses = spec.texts("addresses")
    for index, address in enumerate(addresses):
        path = f"{spec.at('addresses')}[{index}]"
        report.refuse_if(refuse_subnet(address), path)
        if "/" in address and resolution not in ("NONE", "STATIC"):
            report.refuse(path, f"a CIDR block is for resolution NONE or STATIC, not {resolution}")
    if addresses and resolution == "DYNAMIC_DNS":
        report.refuse(spec.at("addresses"), "resolution DYNAMIC_DNS takes no addresses")


def _check_ports(spec: Fields, resolution: str, report: Report) -> None:
    numbers: list[int] = []
    plain: list[Fields] = []
    for port in spec.items("ports"):
        number = port.integer("number")
        if number in numbers:
            report.refuse(port.at("number"), f"there are two ports with the number {number}")
        numbers.append(number)
        report.refuse_if(refuse_port_name(port.text("name")), port.at("name"))
        check_protocol(port, report)
        protocol = port.text("protocol").upper()
        if protocol not in _BY_HOST:
            plain.append(port)
        if resolution == "DYNAMIC_DNS" and protocol not in _DYNAMIC:
            report.refuse(port.at("protocol"), "resolution DYNAMIC_DNS is for HTTP, HTTP2, GRPC, HTTPS and TLS")
        if protocol == "TCP" and not spec.texts("addresses") and resolution != "DYNAMIC_DNS":
            hint = "give addresses, or Istio matches the port alone"
            report.warn(port.path, "a TCP port of an entry without addresses takes all traffic of that port", hint)
    if len(spec.texts("hosts")) > 1 and plain and resolution != "NONE":
        hint = "such traffic does not name its host; make one entry a host"
        report.refuse(plain[0].path, "several hosts share a port that is neither HTTP nor TLS", hint)


def _check_endpoints(spec: Fields, resolution: str, report: Report) -> None:
    endpoints = spec.items("endpoints")
    if endpoints and resolution in ("NONE", "DYNAMIC_DNS"):
        report.refuse(spec.at("endpoints"), f"resolution {resolution} takes no endpoints")
    if len(endpoints) > 1 and resolution == "DNS_ROUND_ROBIN":
        report.refuse(spec.at("endpoints"), "resolution DNS_ROUND_ROBIN takes one endpoint", "use DNS for several")
    names = [port.text("name") for port in spec.items("ports")]
    for endpoint in endpoints:
        check_workload_address(endpoint, report, resolution)
        check_labels(endpoint, "labels", report)
        address = endpoint.text("address")
        if address.startswith(_UNIX) and len(names) != 1:
            report.refuse(endpoint.at("address"), "an entry with unix domain sockets has exactly one port")
        for name in endpoint.fields("ports"):
            if name not in names:
                known = "its ports are " + ", ".join(names)
                report.refuse(f"{endpoint.at('ports')}.{name}", f"the entry has no port '{name}'", known)


def check_workload_address(workload: Fields, report: Report, resolution: str = "") -> None:
    """The address of a workload: an IP, a host where DNS is asked, or a unix domain socket without ports."""
    address = workload.text("address")
    path = workload.at("address")
    if not address:
        if (
            ("network" not in workload and "address" not in workload)
            or (resolution and not workload.text("network"))
            or (resolution in _DNS)
        ):
            report.refuse(path, "an address is required", "or a network whose gateway leads there")
        elif not resolution:
            report.warn(path, "without an address the workload is reached through its network's gateway only")
        return
    if address.startswith(_UNIX):
        report.refuse_if(refuse_unix_path(address.removeprefix(_UNIX)), path)
        if resolution in _DNS:
            report.refuse(path, f"a unix domain socket is not found by {resolution}", "use resolution STATIC")
        if workload.value("ports"):
            report.refuse(workload.at("ports"), "a unix domain socket has no ports")
    elif resolution == "STATIC":
        if not is_address(address):
            report.refuse(path, f"'{address}' is not an IP address, which resolution STATIC needs")
    elif not is_address(address) and refuse_host(address) is not None:
        report.refuse(path, f"'{address}' is neither an IP address nor a full host name")


def check_workload_entry(spec: Fields, report: Report) -> None:
    """A workload outside of kube."""
    check_workload_address(spec, report)
    check_labels(spec, "labels", report)


def check_workload_group(spec: Fields, report: Report) -> None:
    """A template of workloads, and how their health is probed."""
    check_labels(spec.fields("metadata"), "labels", report)
    if "probe" not in spec:
        return
    probe = spec.fields("probe")
    if not any(method in probe for method in ("httpGet", "tcpSocket", "exec", "grpc")):
        report.refuse(probe.path, "a probe needs one of httpGet, tcpSocket, exec and grpc")
    if "grpc" in probe:
        report.refuse(probe.at("grpc"), "Istio's webhook does not know grpc probes yet", "use tcpSocket")
    if "exec" in probe and not probe.fields("exec").texts("command"):
        report.refuse(probe.at("exec"), "exec needs a command")
    for header in probe.fields("httpGet").items("httpHeaders"):
        report.refuse_if(refuse_header_name(header.text("name"), strict=True), header.at("name"))
