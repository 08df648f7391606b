"""Whether a pod's nat rules hand a connection to its proxy, and by which rule."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from meshsim.api import ApiObject
from meshsim.netfilter import (
    INBOUND_PORT,
    OUTBOUND_PORT,
    Ruleset,
    Verdict,
    build_rules,
    capture_of_pod,
    parse_rules,
    pod_host,
    walk,
)

_APPLICATION: Final = 1000
"""User and group of an application's processes: anything but the proxy's 1337."""


@dataclass(slots=True)
class Interception:
    """The rules of every pod; pods with equal options share them, equal connections of a pod are walked once."""

    _rulesets: dict[str, Ruleset] = field(default_factory=dict)
    _by_pod: dict[str, Ruleset | None] = field(default_factory=dict)
    _walked: dict[tuple[str, str, str, int], Verdict] = field(default_factory=dict)

    def enter(self, pod_id: str, pod: ApiObject) -> bool:
        """Take a pod's rules in as its init container or the CNI plugin writes them; whether it has any."""
        options = capture_of_pod(pod)
        if options is None:
            self._by_pod[pod_id] = None
            return False
        text = build_rules(options).restore_v4
        ruleset = self._rulesets.get(text)
        if ruleset is None:
            ruleset = self._rulesets[text] = parse_rules(text)
        self._by_pod[pod_id] = ruleset
        return True

    def walk_outbound(self, pod_id: str, address: str, destination: str, port: int) -> Verdict | None:
        """The way of an application's connection; `None` without rules."""
        ruleset = self._by_pod.get(pod_id)
        if ruleset is None:
            return None
        key = (pod_id, "", destination, port)
        found = self._walked.get(key)
        if found is None:
            host = pod_host(address)
            packet = host.outbound(destination, port, uid=_APPLICATION, gid=_APPLICATION)
            found = self._walked[key] = walk(ruleset, host, packet)
        return found

    def walk_inbound(self, pod_id: str, source: str, address: str, port: int) -> Verdict | None:
        """The way of a peer's connection; `None` without rules."""
        ruleset = self._by_pod.get(pod_id)
        if ruleset is None:
            return None
        key = (pod_id, source, address, port)
        found = self._walked.get(key)
        if found is None:
            host = pod_host(address)
            found = self._walked[key] = walk(ruleset, host, host.inbound(source, address, port))
        return found

    def captures_outbound(self, pod_id: str, address: str, destination: str, port: int) -> bool:
        """Whether an application's connection comes to the proxy's outbound port."""
        verdict = self.walk_outbound(pod_id, address, destination, port)
        return verdict is not None and verdict.redirected_to == OUTBOUND_PORT

    def captures_inbound(self, pod_id: str, source: str, address: str, port: int) -> bool:
        """Whether a peer's connection comes to the proxy's inbound port."""
        verdict = self.walk_inbound(pod_id, source, address, port)
        return verdict is not None and verdict.redirected_to == INBOUND_PORT
