"""The rules of pods, ready to be asked: equal options are built and read once."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from meshsim.api import ApiObject
from meshsim.netfilter.capture import CaptureRules, build_rules
from meshsim.netfilter.options import CaptureOptions
from meshsim.netfilter.packet import Host, Transport, pod_host
from meshsim.netfilter.parser import Ruleset, parse_rules
from meshsim.netfilter.pods import capture_of_pod
from meshsim.netfilter.walk import Verdict, walk

APP_OWNER = (1000, 1000)
"""User and group of an application that names none: anything but root's and the proxy's."""


@dataclass(frozen=True, slots=True)
class PodRules:
    """One captured pod: its options, its rules and the way of connections through them."""

    options: CaptureOptions
    rules: CaptureRules
    host: Host
    v4: Ruleset
    v6: Ruleset

    def outbound(
        self,
        address: str,
        port: int,
        *,
        by_proxy: bool = False,
        uid: int | None = None,
        gid: int | None = None,
        transport: Transport = Transport.TCP,
        source: str = "",
    ) -> Verdict:
        """A connection that the application opens, or the proxy; `uid` and `gid` are another user's and group's."""
        owner = self._proxy_owner() if by_proxy else APP_OWNER
        packet = self.host.outbound(
            address,
            port,
            uid=owner[0] if uid is None else uid,
            gid=owner[1] if gid is None else gid,
            transport=transport,
            source=source,
        )
        return walk(self._ruleset(address), self.host, packet)

    def inbound(self, source: str, address: str, port: int, *, transport: Transport = Transport.TCP) -> Verdict:
        """A connection that a peer opens to one of the pod's addresses."""
        packet = self.host.inbound(source, address, port, transport=transport)
        return walk(self._ruleset(address), self.host, packet)

    def _ruleset(self, address: str) -> Ruleset:
        return self.v4 if ipaddress.ip_address(address).version == 4 else self.v6

    def _proxy_owner(self) -> tuple[int, int]:
        return int(self.options.proxy_uid.split(",")[0]), int(self.options.proxy_gid.split(",")[0])


@dataclass(slots=True)
class PodRulesFactory:
    """Makes the rules of pods."""

    _read: dict[CaptureOptions, tuple[CaptureRules, Ruleset, Ruleset]] = field(default_factory=dict)

    def of_pod(self, pod: ApiObject, nameservers: Sequence[str] = ()) -> PodRules | None:
        """The rules of a pod with its addresses, ``None`` when it is not captured; raises `InputError`."""
        options = capture_of_pod(pod, nameservers)
        if options is None:
            return None
        addresses = [entry.text("ip") for entry in pod.status.items("podIPs")] or [pod.status.text("podIP")]
        return self.of_options(options, [address for address in addresses if address])

    def of_options(self, options: CaptureOptions, addresses: Sequence[str]) -> PodRules:
        """The rules for these options on a host with these addresses."""
        shared = replace(options, host_address="")
        if shared not in self._read:
            rules = build_rules(options)
            self._read[shared] = (rules, parse_rules(rules.restore_v4), parse_rules(rules.restore_v6))
        return PodRules(options, self._read[shared][0], pod_host(*addresses), *self._read[shared][1:])
