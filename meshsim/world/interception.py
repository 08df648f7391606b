"""Whether a pod's rules hand a connection to its proxy."""

from __future__ import annotations

from meshsim.world.pod_facts import PodFacts


class Interception:
    """Walks the nat rules of pods; equal rules and connections are walked once."""

    def outbound(self, facts: PodFacts, source: str, address: str, port: int) -> bool:
        return facts.captured

    def inbound(self, facts: PodFacts, source: str, port: int) -> bool:
        return facts.captured
