"""What an Envoy decides for a connection and a request, from its active configuration."""

from __future__ import annotations

from meshsim.dataplane.decide.chances import Chance, Fixed, Fractional
from meshsim.dataplane.decide.decide import Decider, decide_direct, decide_inbound, decide_outbound, outcomes
from meshsim.dataplane.decide.decision import (
    Decision,
    Disposition,
    ExternalAnswer,
    Flag,
    Policies,
    Step,
    Surroundings,
    Upstream,
    UpstreamTls,
)
from meshsim.dataplane.decide.values import Connection, PeerCertificate, Protocol, Request, Transport

__all__ = [
    "Chance",
    "Connection",
    "Decider",
    "Decision",
    "Disposition",
    "ExternalAnswer",
    "Fixed",
    "Flag",
    "Fractional",
    "PeerCertificate",
    "Policies",
    "Protocol",
    "Request",
    "Step",
    "Surroundings",
    "Transport",
    "Upstream",
    "UpstreamTls",
    "decide_direct",
    "decide_inbound",
    "decide_outbound",
    "outcomes",
]
