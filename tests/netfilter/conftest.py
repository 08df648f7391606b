"""Reading the recordings of istio-iptables and of the CNI plugin."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from meshsim.netfilter.options import CaptureOptions

_FIELDS = {
    "CAPTURE_ALL_DNS": "capture_all_dns",
    "DROP_INVALID": "drop_invalid",
    "DUAL_STACK": "dual_stack",
    "ENABLE_INBOUND_IPV6": "ipv6",
    "EXCLUDE_INTERFACES": "exclude_interfaces",
    "HOST_IP": "host_address",
    "HOST_IPV4_LOOPBACK_CIDR": "loopback_range",
    "INBOUND_CAPTURE_PORT": "inbound_capture_port",
    "INBOUND_INTERCEPTION_MODE": "inbound_interception_mode",
    "INBOUND_PORTS_EXCLUDE": "inbound_ports_exclude",
    "INBOUND_PORTS_INCLUDE": "inbound_ports_include",
    "INBOUND_TPROXY_MARK": "inbound_tproxy_mark",
    "INBOUND_TPROXY_ROUTE_TABLE": "inbound_tproxy_route_table",
    "INBOUND_TUNNEL_PORT": "inbound_tunnel_port",
    "KUBE_VIRT_INTERFACES": "kube_virt_interfaces",
    "OUTBOUND_IPRANGES_EXCLUDE": "outbound_ranges_exclude",
    "OUTBOUND_IPRANGES_INCLUDE": "outbound_ranges_include",
    "OUTBOUND_OWNER_GROUPS_EXCLUDE": "owner_groups_exclude",
    "OUTBOUND_OWNER_GROUPS_INCLUDE": "owner_groups_include",
    "OUTBOUND_PORTS_EXCLUDE": "outbound_ports_exclude",
    "OUTBOUND_PORTS_INCLUDE": "outbound_ports_include",
    "PROXY_GID": "proxy_gid",
    "PROXY_PORT": "proxy_port",
    "PROXY_UID": "proxy_uid",
    "REDIRECT_DNS": "redirect_dns",
    "SKIP_RULE_APPLY": "skip_rule_apply",
}


@pytest.fixture
def recording(oracle: Path) -> Callable[[str], Any]:
    """Reads one recorded file by name."""

    def read(name: str) -> Any:
        path = oracle / "iptables" / name
        text = gzip.decompress(path.read_bytes()) if name.endswith(".gz") else path.read_bytes()
        return json.loads(text)

    return read


@pytest.fixture
def options_of() -> Callable[[dict[str, Any]], CaptureOptions]:
    """Makes options of a recorded configuration."""

    def make(config: dict[str, Any]) -> CaptureOptions:
        fields = {name: config[key] for key, name in _FIELDS.items()}
        for version in ("V4", "V6"):
            fields[f"dns_servers_{version.lower()}"] = tuple(config[f"DNS_SERVERS_{version}"] or ())
        return CaptureOptions(**fields)

    return make
