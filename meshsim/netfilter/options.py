"""Options of istio-iptables: command line, environment, host addresses and name servers to one configuration.

Rules: istio tools/istio-iptables/pkg/cmd/root.go and tools/common/config/config.go, release 1.31.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from meshsim.errors import InputError

_TRUE: Final = ("1", "t", "T", "TRUE", "true", "True")
_FALSE: Final = ("0", "f", "F", "FALSE", "false", "False")
_MOST_GROUPS: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureOptions:
    """What decides the rules of one pod; lists are comma separated as on the command line."""

    proxy_port: str = "15001"
    inbound_capture_port: str = "15006"
    inbound_tunnel_port: str = "15008"
    proxy_uid: str = "1337"
    proxy_gid: str = "1337"
    inbound_interception_mode: str = ""
    """``TPROXY``, or anything else for REDIRECT."""
    inbound_tproxy_mark: str = "1337"
    inbound_tproxy_route_table: str = "133"
    inbound_ports_include: str = ""
    """``*``, a list, or empty for no inbound capture."""
    inbound_ports_exclude: str = ""
    outbound_ranges_include: str = ""
    """``*``, a list, or empty for no outbound capture."""
    outbound_ranges_exclude: str = ""
    outbound_ports_include: str = ""
    outbound_ports_exclude: str = ""
    owner_groups_include: str = "*"
    owner_groups_exclude: str = ""
    exclude_interfaces: str = ""
    kube_virt_interfaces: str = ""
    """Interfaces of virtual machines: what enters there counts as outbound."""
    redirect_dns: bool = False
    capture_all_dns: bool = False
    dns_servers_v4: tuple[str, ...] = ()
    dns_servers_v6: tuple[str, ...] = ()
    drop_invalid: bool = False
    ipv6: bool = False
    """Whether IPv6 rules are written."""
    dual_stack: bool = False
    host_address: str = ""
    loopback_range: str = "127.0.0.1/32"
    skip_rule_apply: bool = False
    """Whether only to check (istio-validation)."""


_FLAGS: Final[Mapping[str, tuple[str, str]]] = {
    "envoy-port": ("p", "proxy_port"),
    "inbound-capture-port": ("z", "inbound_capture_port"),
    "inbound-tunnel-port": ("e", "inbound_tunnel_port"),
    "proxy-uid": ("u", "proxy_uid"),
    "proxy-gid": ("g", "proxy_gid"),
    "istio-inbound-interception-mode": ("m", "inbound_interception_mode"),
    "istio-inbound-tproxy-mark": ("t", "inbound_tproxy_mark"),
    "istio-inbound-tproxy-route-table": ("r", "inbound_tproxy_route_table"),
    "istio-inbound-ports": ("b", "inbound_ports_include"),
    "istio-local-exclude-ports": ("d", "inbound_ports_exclude"),
    "istio-service-cidr": ("i", "outbound_ranges_include"),
    "istio-service-exclude-cidr": ("x", "outbound_ranges_exclude"),
    "istio-outbound-ports": ("q", "outbound_ports_include"),
    "istio-local-outbound-ports-exclude": ("o", "outbound_ports_exclude"),
    "istio-exclude-interfaces": ("c", "exclude_interfaces"),
    "kube-virt-interfaces": ("k", "kube_virt_interfaces"),
}
"""Text flags: letter and field. A flag not given is read from the variable of its name; ENVOY_PORT is not."""
_SWITCHES: Final[Mapping[str, tuple[str, str]]] = {
    "redirect-dns": ("ISTIO_META_DNS_CAPTURE", "redirect_dns"),
    "drop-invalid": ("INVALID_DROP", "drop_invalid"),
    "dual-stack": ("ISTIO_DUAL_STACK", "dual_stack"),
    "capture-all-dns": ("CAPTURE_ALL_DNS", "capture_all_dns"),
    "skip-rule-apply": ("SKIP_RULE_APPLY", "skip_rule_apply"),
}
_OTHER_SWITCHES: Final = (
    "cleanup-only",
    "cni-mode",
    "dry-run",
    "force-apply",
    "log_as_json",
    "native-nftables",
    "reconcile",
    "run-validation",
)
_OTHER_TEXTS: Final = (
    "force-iptables-binary",
    "iptables-probe-port",
    "log_output_level",
    "network-namespace",
    "probe-timeout",
)
"""Flags that do not change which rules there are."""


def parse_arguments(
    arguments: Sequence[str],
    environment: Mapping[str, str] | None = None,
    host_addresses: Sequence[str] = (),
    nameservers: Sequence[str] = (),
    *,
    ip6tables: bool = True,
) -> CaptureOptions:
    """The configuration that istio-iptables would use; raises `InputError` where it would stop.

    `host_addresses` are the pod's addresses in interface order, `nameservers` those of its resolv.conf; `ip6tables`
    tells whether that program is there.
    """
    environment = environment if environment is not None else {}
    given = _read(arguments[1:] if arguments and arguments[0] == "istio-iptables" else arguments)
    texts = {}
    for flag, (_, name) in _FLAGS.items():
        variable = flag.upper().replace("-", "_")
        if flag in given:
            texts[name] = given[flag]
        elif variable in environment and flag != "envoy-port":
            texts[name] = environment[variable]
    switches = {}
    for flag, (variable, name) in _SWITCHES.items():
        switches[name] = _switch(flag, given, environment, variable)
    options = replace(CaptureOptions(proxy_uid="", proxy_gid=""), **texts, **switches)  # type: ignore[arg-type]
    options = replace(
        options,
        owner_groups_include=environment.get("ISTIO_OUTBOUND_OWNER_GROUPS", "*"),
        owner_groups_exclude=environment.get("ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE", ""),
        loopback_range=environment.get("ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR", "127.0.0.1/32"),
    )
    if given.get("force-iptables-binary", "") not in ("", "legacy", "nft"):
        message = f'invalid FORCE_IPTABLES_BINARY value "{given["force-iptables-binary"]}"'
        raise InputError(message, None, "give legacy or nft")
    options = with_host(_with_owner(options), host_addresses, nameservers)
    if options.ipv6 and not ip6tables:
        raise InputError("ip6tables binary not found", None, "IPv6 rules need it")
    return options


def _with_owner(options: CaptureOptions) -> CaptureOptions:
    uid = options.proxy_uid or "1337"
    return replace(options, proxy_uid=uid, proxy_gid=options.proxy_gid or uid)


def options_text(options: CaptureOptions) -> str:
    """The options that differ from the defaults, as a JSON object."""
    plain = CaptureOptions()
    values = {item.name: getattr(options, item.name) for item in fields(CaptureOptions)}
    return json.dumps({name: value for name, value in values.items() if value != getattr(plain, name)}, sort_keys=True)


def options_from_text(text: str) -> CaptureOptions:
    """The options that `options_text` wrote."""
    values: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in json.loads(text).items()}
    return CaptureOptions(**values)


def with_host(options: CaptureOptions, addresses: Sequence[str], nameservers: Sequence[str]) -> CaptureOptions:
    """The options completed by what a pod's addresses and resolv.conf say; raises `InputError`."""
    if addresses:
        usable = _usable(addresses)
        ipv6 = usable[0].version == 6 or (options.dual_stack and any(a.version == 6 for a in usable))
        options = replace(options, host_address=str(usable[0]), ipv6=ipv6)
    if options.redirect_dns and not options.capture_all_dns:
        servers = [server for server in map(_address, nameservers) if server is not None]
        options = replace(
            options,
            dns_servers_v4=tuple(str(s) for s in servers if s.version == 4),
            dns_servers_v6=tuple(str(s) for s in servers if s.version == 6),
        )
    check_options(options)
    return options


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _usable(addresses: Sequence[str]) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    parsed = [ipaddress.ip_interface(text).ip for text in addresses]
    usable = [address for address in parsed if not address.is_loopback and not address.is_link_local]
    if not usable:
        raise InputError("no valid local IP address found", None, "give the pod an address")
    return usable


def check_options(options: CaptureOptions) -> None:
    """Refuse what istio-iptables refuses before it writes rules."""
    try:
        interface = ipaddress.ip_interface(options.loopback_range)
        if "/" not in options.loopback_range:
            raise ValueError
    except ValueError as error:
        raise InputError(f"failed to parse CIDR {options.loopback_range}", None, "such as 127.0.0.1/32") from error
    if not interface.ip.is_loopback or interface.version != 4:
        message = f"expected valid IPv4 loopback address in CIDR {options.loopback_range}; found {interface.ip}"
        raise InputError(message, None, "such as 127.0.0.1/32")
    length = interface.network.prefixlen
    if length < 8:
        message = f"expected CIDR {options.loopback_range} to have mask in range [8, 32]; found {length}"
        raise InputError(message, None, "such as 127.0.0.1/32")
    for text, what in (
        (options.owner_groups_include, "should be redirected to Envoy"),
        (options.owner_groups_exclude, "should be excluded from redirection to Envoy"),
    ):
        groups = split(text)
        if len(groups) > _MOST_GROUPS:
            message = f"number of owner groups whose outgoing traffic {what} cannot exceed 64, got {len(groups)}"
            raise InputError(message, None, "name fewer groups")


def split(text: str) -> list[str]:
    """The items of a comma list without empty ones; spaces stay."""
    return [part for part in text.split(",") if part]


def _read(arguments: Sequence[str]) -> dict[str, str]:
    """Flags by long name, as cobra reads them."""
    letters = {letter: flag for flag, (letter, _) in _FLAGS.items()}
    texts = (*_FLAGS, *_OTHER_TEXTS)
    switches = (*_SWITCHES, *_OTHER_SWITCHES)
    given: dict[str, str] = {}
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        name, equals, value = argument.lstrip("-").partition("=")
        flag = letters.get(name, "") if not argument.startswith("--") else name
        if not argument.startswith("-") or flag not in (*texts, *switches):
            raise InputError(f"unknown flag: {argument}", None, "see istio-iptables --help", argument)
        if flag in switches:
            given[flag] = value if equals else "true"
        elif equals:
            given[flag] = value
        elif rest:
            given[flag] = rest.pop(0)
        else:
            raise InputError(f"flag needs an argument: '{name}' in {argument}", None, "give a value", argument)
    return given


def _switch(flag: str, given: Mapping[str, str], environment: Mapping[str, str], variable: str) -> bool:
    if flag in given:
        text = given[flag]
        if text not in (*_TRUE, *_FALSE):
            raise InputError(f'invalid argument "{text}" for "--{flag}" flag', None, "write true or false", flag)
        return text in _TRUE
    for name in (variable, flag.upper().replace("-", "_")):
        if environment.get(name) in _TRUE:
            return True
        if environment.get(name) in _FALSE:
            return False
    return False
