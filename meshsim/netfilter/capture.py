"""The rules that istio-iptables writes for a pod, from its options.

Rules and their order: istio tools/istio-iptables/pkg/capture/run.go, release 1.31.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from meshsim.errors import InputError
from meshsim.netfilter.options import CaptureOptions, split

INBOUND: Final = "ISTIO_INBOUND"
OUTPUT: Final = "ISTIO_OUTPUT"
OUTPUT_DNS: Final = "ISTIO_OUTPUT_DNS"
REDIRECT: Final = "ISTIO_REDIRECT"
IN_REDIRECT: Final = "ISTIO_IN_REDIRECT"
DIVERT: Final = "ISTIO_DIVERT"
TPROXY: Final = "ISTIO_TPROXY"
DROP: Final = "ISTIO_DROP"
DNS_PORT: Final = "15053"
"""Where the agent's DNS proxy listens."""
OUTBOUND_MARK: Final = "1338"
BUILT_IN: Final = ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")


class RuleCommand(NamedTuple):
    """One rule to be written; `position` 0 appends."""

    table: str
    chain: str
    arguments: tuple[str, ...]
    position: int = 0

    @property
    def text(self) -> str:
        """The rule as it stands in an iptables-restore input."""
        where = f"-I {self.chain} {self.position}" if self.position else f"-A {self.chain}"
        return " ".join((where, *self.arguments))


class _Family(NamedTuple):
    """What differs between IPv4 and IPv6."""

    localhost: str
    passthrough: str
    """Source of what Envoy sends on to the application."""
    host_bits: int


class _Ranges(NamedTuple):
    everything: bool
    v4: tuple[str, ...]
    v6: tuple[str, ...]
    loopback: bool


@dataclass(slots=True)
class _Builder:
    """Collects rules for one family; `mine` tells whether a version-specific address belongs to it."""

    version: int
    family: _Family
    rules: list[RuleCommand] = field(default_factory=list)

    def append(self, table: str, chain: str, *arguments: str) -> None:
        self.rules.append(RuleCommand(table, chain, arguments))

    def insert(self, table: str, chain: str, position: int, *arguments: str) -> None:
        self.rules.append(RuleCommand(table, chain, arguments, position))


@dataclass(frozen=True, slots=True)
class CaptureRules:
    """The rules of one pod, by family; `v6` is empty unless IPv6 is on."""

    v4: tuple[RuleCommand, ...]
    v6: tuple[RuleCommand, ...]

    @property
    def restore_v4(self) -> str:
        """Input of ``iptables-restore --noflush``."""
        return restore_text(self.v4)

    @property
    def restore_v6(self) -> str:
        """Input of ``ip6tables-restore --noflush``."""
        return restore_text(self.v6)


def restore_text(rules: Sequence[RuleCommand]) -> str:
    """An iptables-restore input: tables by name, in each the new chains and then the rules."""
    lines: list[str] = []
    for table in sorted({rule.table for rule in rules}):
        mine = [rule for rule in rules if rule.table == table]
        chains = dict.fromkeys(rule.chain for rule in mine if rule.chain not in BUILT_IN)
        lines.append(f"* {table}")
        lines += [f"-N {chain}" for chain in chains]
        lines += [rule.text for rule in mine]
        lines.append("COMMIT")
    return "\n".join(lines) + "\n" if lines else ""


def build_rules(options: CaptureOptions) -> CaptureRules:
    """The rules for these options; raises `InputError` for ranges that cannot be read."""
    include = _ranges(options.outbound_ranges_include)
    exclude = _ranges(options.outbound_ranges_exclude)
    if exclude.everything:
        raise InputError("invalid value for OUTBOUND_IP_RANGES_EXCLUDE", None, "list the ranges to exclude")
    families = [_Builder(4, _Family(options.loopback_range, "127.0.0.6/32", 32))]
    if options.ipv6:
        families.append(_Builder(6, _Family("::1/128", "::6/128", 128)))
    for builder in families:
        _build(builder, options, include, exclude)
    v6 = families[1].rules if options.ipv6 else []
    return CaptureRules(tuple(families[0].rules), tuple(v6))


def _ranges(text: str) -> _Ranges:
    if text == "*":
        return _Ranges(True, (), (), False)
    v4: list[str] = []
    v6: list[str] = []
    loopback = False
    for part in split(text):
        try:
            interface = ipaddress.ip_interface(part)
            if "/" not in part:
                raise ValueError
        except ValueError as error:
            raise InputError(f"'{part}' is not an address range", None, "write one such as 10.0.0.0/8") from error
        loopback = loopback or interface.ip.is_loopback
        (v4 if interface.version == 4 else v6).append(part)
    return _Ranges(False, tuple(v4), tuple(v6), loopback)


def _build(builder: _Builder, options: CaptureOptions, include: _Ranges, exclude: _Ranges) -> None:
    tproxy = options.inbound_interception_mode == "TPROXY"
    some_server = options.dns_servers_v4 or options.dns_servers_v6
    dns = options.redirect_dns and bool(options.capture_all_dns or some_server)
    _exclude_interfaces(builder, options, tproxy)
    for interface in split(options.kube_virt_interfaces):
        builder.insert("nat", "PREROUTING", 1, "-i", interface, "-j", "RETURN")
    if options.drop_invalid:
        builder.append("mangle", "PREROUTING", "-m", "conntrack", "--ctstate", "INVALID", "-j", DROP)
        builder.append("mangle", DROP, "-j", "DROP")
    builder.append("nat", INBOUND, "-p", "tcp", "--dport", options.inbound_tunnel_port, "-j", "RETURN")
    builder.append("nat", REDIRECT, "-p", "tcp", "-j", "REDIRECT", "--to-ports", options.proxy_port)
    builder.append("nat", IN_REDIRECT, "-p", "tcp", "-j", "REDIRECT", "--to-ports", options.inbound_capture_port)
    _inbound(builder, options, tproxy)
    builder.append("nat", "OUTPUT", "-j", OUTPUT)
    for port in split(options.outbound_ports_exclude):
        for protocol in ("tcp", "udp"):
            builder.append("nat", OUTPUT, "-p", protocol, "--dport", port, "-j", "RETURN")
    builder.append("nat", OUTPUT, "-o", "lo", "-s", builder.family.passthrough, "-j", "RETURN")
    for uid in split(options.proxy_uid):
        _owner(builder, options, "--uid-owner", uid, dns, include.loopback)
    for gid in split(options.proxy_gid):
        _owner(builder, options, "--gid-owner", gid, dns, include.loopback)
    _owner_groups(builder, options)
    if dns:
        _dns(builder, options)
    builder.append("nat", OUTPUT, "-d", builder.family.localhost, "-j", "RETURN")
    for cidr in exclude.v4 if builder.version == 4 else exclude.v6:
        builder.append("nat", OUTPUT, "-d", cidr, "-j", "RETURN")
    for port in split(options.outbound_ports_include):
        builder.append("nat", OUTPUT, "-p", "tcp", "--dport", port, "-j", REDIRECT)
    _outbound(builder, options, include)
    if tproxy:
        _marks(builder, options)


def _exclude_interfaces(builder: _Builder, options: CaptureOptions, tproxy: bool) -> None:
    for table in ("nat", "mangle") if tproxy else ("nat",):
        for interface in split(options.exclude_interfaces):
            builder.append(table, "PREROUTING", "-i", interface, "-j", "RETURN")
            builder.append(table, "OUTPUT", "-o", interface, "-j", "RETURN")


def _inbound(builder: _Builder, options: CaptureOptions, tproxy: bool) -> None:
    if not options.inbound_ports_include:
        return
    table = "nat"
    if tproxy:
        table = "mangle"
        mark = options.inbound_tproxy_mark
        builder.append(table, DIVERT, "-j", "MARK", "--set-mark", mark)
        builder.append(table, DIVERT, "-j", "ACCEPT")
        target = ("-j", "TPROXY", "--tproxy-mark", f"{mark}/0xffffffff", "--on-port", options.inbound_capture_port)
        builder.append(table, TPROXY, "!", "-d", builder.family.localhost, "-p", "tcp", *target)
    builder.append(table, "PREROUTING", "-p", "tcp", "-j", INBOUND)
    if options.inbound_ports_include == "*":
        for port in split(options.inbound_ports_exclude):
            builder.append(table, INBOUND, "-p", "tcp", "--dport", port, "-j", "RETURN")
        matches: list[tuple[str, ...]] = [()]
    else:
        matches = [("--dport", port) for port in split(options.inbound_ports_include)]
    for match in matches:
        if tproxy:
            state = ("-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED")
            builder.append(table, INBOUND, "-p", "tcp", *match, *state, "-j", DIVERT)
        builder.append(table, INBOUND, "-p", "tcp", *match, "-j", TPROXY if tproxy else IN_REDIRECT)


def _owner(
    builder: _Builder, options: CaptureOptions, kind: str, owner: str, dns: bool, loopback_included: bool
) -> None:
    """The three rules of one proxy user or group that break loops."""
    tunnel = options.inbound_tunnel_port
    if dns and kind == "--uid-owner":
        ports: tuple[str, ...] = ("-m", "multiport", "!", "--dports", f"53,{tunnel}")
    else:
        ports = ("!", "--dport", tunnel)
    local = ("-o", "lo", "!", "-d", builder.family.localhost, "-p", "tcp")
    builder.append("nat", OUTPUT, *local, *ports, "-m", "owner", kind, owner, "-j", IN_REDIRECT)
    if not loopback_included:
        except_dns = ("-p", "tcp", "!", "--dport", "53") if dns else ()
        builder.append("nat", OUTPUT, "-o", "lo", *except_dns, "-m", "owner", "!", kind, owner, "-j", "RETURN")
    builder.append("nat", OUTPUT, "-m", "owner", kind, owner, "-j", "RETURN")


def _owner_groups(builder: _Builder, options: CaptureOptions) -> None:
    """All groups but some, or only some (config.ParseInterceptFilter)."""
    if options.owner_groups_include == "*":
        for group in split(options.owner_groups_exclude):
            builder.append("nat", OUTPUT, "-m", "owner", "--gid-owner", group, "-j", "RETURN")
        return
    groups = split(options.owner_groups_include)
    matches = [word for group in groups for word in ("-m", "owner", "!", "--gid-owner", group)]
    builder.append("nat", OUTPUT, *matches, "-j", "RETURN")


def _dns(builder: _Builder, options: CaptureOptions) -> None:
    every = options.capture_all_dns
    servers = options.dns_servers_v4 if builder.version == 4 else options.dns_servers_v6
    builder.append("raw", "OUTPUT", "-j", OUTPUT_DNS)
    if every or servers:
        builder.append("nat", OUTPUT, "-j", OUTPUT_DNS)
    bits = builder.family.host_bits
    destinations: list[tuple[str, ...]] = [()] if every else [("-d", f"{server}/{bits}") for server in servers]
    for protocol, option in (("tcp", "--to-ports"), ("udp", "--to-port")):
        for destination in destinations:
            match = ("-p", protocol, "--dport", "53", *destination)
            builder.append("nat", OUTPUT_DNS, *match, "-j", "REDIRECT", option, DNS_PORT)
    for kind, owners in (("--uid-owner", options.proxy_uid), ("--gid-owner", options.proxy_gid)):
        for owner in split(owners):
            for port, zone in (("--dport 53", "1"), (f"--sport {DNS_PORT}", "2")):
                match = ("-p", "udp", *port.split(), "-m", "owner", kind, owner)
                builder.append("raw", OUTPUT_DNS, *match, "-j", "CT", "--zone", zone)
    if destinations:
        builder.append("raw", "PREROUTING", "-j", INBOUND)
    for destination in destinations:
        source = ("-s", *destination[1:]) if destination else ()
        builder.append("raw", OUTPUT_DNS, "-p", "udp", "--dport", "53", *destination, "-j", "CT", "--zone", "2")
        builder.append("raw", INBOUND, "-p", "udp", "--sport", "53", *source, "-j", "CT", "--zone", "1")


def _outbound(builder: _Builder, options: CaptureOptions, include: _Ranges) -> None:
    interfaces = split(options.kube_virt_interfaces)
    if include.everything:
        builder.append("nat", OUTPUT, "-j", REDIRECT)
        for interface in interfaces:
            builder.insert("nat", "PREROUTING", 1, "-i", interface, "-j", REDIRECT)
        return
    for cidr in include.v4 if builder.version == 4 else include.v6:
        for interface in interfaces:
            builder.insert("nat", "PREROUTING", 1, "-i", interface, "-d", cidr, "-j", REDIRECT)
        builder.append("nat", OUTPUT, "-d", cidr, "-j", REDIRECT)


def _marks(builder: _Builder, options: CaptureOptions) -> None:
    """How transparently proxied connections keep their marks, and what stays out of the proxy."""
    mark = options.inbound_tproxy_mark
    builder.append("mangle", "PREROUTING", "-p", "tcp", "-m", "mark", "--mark", mark, "-j", "CONNMARK", "--save-mark")
    builder.append("mangle", "OUTPUT", "-p", "tcp", "-o", "lo", "-m", "mark", "--mark", mark, "-j", "RETURN")
    local = ("!", "-d", builder.family.localhost, "-p", "tcp", "-o", "lo")
    for kind, owners in (("--uid-owner", options.proxy_uid), ("--gid-owner", options.proxy_gid)):
        for owner in split(owners):
            target = ("-j", "MARK", "--set-mark", OUTBOUND_MARK)
            builder.append("mangle", "OUTPUT", *local, "-m", "owner", kind, owner, *target)
    restore = ("-j", "CONNMARK", "--restore-mark")
    builder.append("mangle", "OUTPUT", "-p", "tcp", "-m", "connmark", "--mark", mark, *restore)
    builder.insert("mangle", INBOUND, 1, "-p", "tcp", "-m", "mark", "--mark", mark, "-j", "RETURN")
    builder.insert("mangle", INBOUND, 2, "-p", "tcp", "-s", builder.family.passthrough, "-i", "lo", "-j", "RETURN")
    unmarked = ("-m", "mark", "!", "--mark", OUTBOUND_MARK)
    builder.insert("mangle", INBOUND, 3, "-p", "tcp", "-i", "lo", *unmarked, "-j", "RETURN")
