"""Whether a pod's nat rules hand a connection to its proxy, and by which rule."""

from __future__ import annotations

from dataclasses import dataclass, field

from meshsim.api import ApiObject
from meshsim.netfilter import INBOUND_PORT, OUTBOUND_PORT, PodRules, PodRulesFactory, Verdict
from meshsim.netfilter.options import options_text


@dataclass(slots=True)
class Interception:
    """The rules of every pod; equal connections of a pod are walked once."""

    _factory: PodRulesFactory = field(default_factory=PodRulesFactory)
    _rules: dict[str, PodRules | None] = field(default_factory=dict)
    _walked: dict[tuple[str, str, str, int], Verdict] = field(default_factory=dict)

    def enter(self, pod_id: str, pod: ApiObject) -> None:
        """Take a pod's rules in as its init container or the CNI plugin writes them."""
        self._rules[pod_id] = self._factory.of_pod(pod)

    def options_text(self, pod_id: str) -> str:
        """The options of a pod's rules as a recording keeps them; empty without rules."""
        rules = self._rules.get(pod_id)
        return options_text(rules.options) if rules is not None else ""

    def walk_outbound(self, pod_id: str, destination: str, port: int) -> Verdict | None:
        """The way of an application's connection; `None` without rules."""
        rules = self._rules.get(pod_id)
        if rules is None:
            return None
        key = (pod_id, "", destination, port)
        found = self._walked.get(key)
        if found is None:
            found = self._walked[key] = rules.outbound(destination, port)
        return found

    def walk_inbound(self, pod_id: str, source: str, address: str, port: int) -> Verdict | None:
        """The way of a peer's connection; `None` without rules."""
        rules = self._rules.get(pod_id)
        if rules is None:
            return None
        key = (pod_id, source, address, port)
        found = self._walked.get(key)
        if found is None:
            found = self._walked[key] = rules.inbound(source, address, port)
        return found

    def captures_outbound(self, pod_id: str, destination: str, port: int) -> bool:
        """Whether an application's connection comes to the proxy's outbound port."""
        verdict = self.walk_outbound(pod_id, destination, port)
        return verdict is not None and verdict.redirected_to == OUTBOUND_PORT

    def captures_inbound(self, pod_id: str, source: str, address: str, port: int) -> bool:
        """Whether a peer's connection comes to the proxy's inbound port."""
        verdict = self.walk_inbound(pod_id, source, address, port)
        return verdict is not None and verdict.redirected_to == INBOUND_PORT
