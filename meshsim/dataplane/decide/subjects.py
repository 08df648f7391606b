"""What access rules and matcher trees look at."""

from __future__ import annotations

from dataclasses import dataclass

from meshsim.dataplane.decide.headers import HeaderMap
from meshsim.dataplane.decide.metadata import DynamicMetadata
from meshsim.dataplane.decide.strings import IpAddress
from meshsim.dataplane.decide.values import PeerCertificate


@dataclass(frozen=True, slots=True)
class Subject:
    """What a rule can ask about: the connection, and the request for HTTP."""

    headers: HeaderMap
    path: str | None
    """Without query; None on the network level."""
    destination: IpAddress | None
    destination_port: int
    direct_remote: IpAddress | None
    remote: IpAddress | None
    """The client as the connection manager sees it (after x-forwarded-for)."""
    sni: str
    tls: bool
    certificate: PeerCertificate | None
    metadata: DynamicMetadata
    source_port: int = 0
