"""What the HTTP routes of a VirtualService ask about their surroundings: what else their translation depends on."""

from __future__ import annotations

from dataclasses import dataclass

from meshsim.controlplane.host_names import is_wildcard
from meshsim.controlplane.model import VirtualService


@dataclass(frozen=True, slots=True)
class RouteFacts:
    """The names a VirtualService compares or looks up."""

    exact_hosts: tuple[tuple[str, str], ...]
    """Plain hosts, as written and in lower case."""
    wildcard_hosts: tuple[str, ...]
    """Hosts with a wildcard, in lower case."""
    source_labels: tuple[str, ...]
    """Labels of the client that some condition compares."""
    source_namespace: bool
    """Whether some condition compares the client's namespace."""
    destinations: tuple[str, ...]
    """Hosts of destinations and mirrors."""

    @classmethod
    def of(cls, virtual_service: VirtualService) -> RouteFacts:
        """The facts of one VirtualService."""
        labels: dict[str, None] = {}
        hosts: dict[str, None] = {}
        namespace = False
        for http in virtual_service.spec.items("http"):
            for match in http.items("match"):
                labels.update(dict.fromkeys(match.text_map("sourceLabels")))
                namespace = namespace or bool(match.text("sourceNamespace"))
            for target in (*http.items("route"), *http.items("mirrors")):
                hosts[target.fields("destination").text("host")] = None
            hosts[http.fields("mirror").text("host")] = None
        return cls(
            exact_hosts=tuple((host, host.lower()) for host in virtual_service.hosts if not is_wildcard(host)),
            wildcard_hosts=tuple(host.lower() for host in virtual_service.hosts if is_wildcard(host)),
            source_labels=tuple(labels),
            source_namespace=namespace,
            destinations=tuple(host for host in hosts if host),
        )
