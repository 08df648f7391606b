"""Which of Envoy's statistics a proxy keeps: Istio leaves most of them out unless proxyStatsMatcher names them.

istio pkg/bootstrap/config.go (getStatsOptions), release 1.31.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final

_PREFIXES: Final = ("reporter=", "cluster_manager", "listener_manager", "server", "cluster.xds-grpc", "wasm")
_LAST_PREFIXES: Final = ("component", "istio")
_SUFFIXES: Final = ("rbac.allowed", "rbac.denied", "shadow_allowed", "shadow_denied", "downstream_cx_active")
_REGEXPS: Final = (r"vhost\..*\.route\..*",)


@dataclass(frozen=True, slots=True)
class StatsMatcher:
    """The inclusion list of a proxy's bootstrap."""

    prefixes: tuple[str, ...]
    suffixes: tuple[str, ...]
    regexps: tuple[re.Pattern[str], ...]

    def keeps(self, name: str) -> bool:
        """Whether the proxy has a statistic of this name."""
        return (
            name.startswith(self.prefixes)
            or name.endswith(self.suffixes)
            or any(pattern.fullmatch(name) for pattern in self.regexps)
        )


def stats_matcher(configured: str, address: str) -> StatsMatcher:
    """The list of a pod from what is configured for it (a JSON object, or nothing); ``{pod_ip}`` is its address.

    An expression that is not one is left out: Envoy would refuse to start with it.
    """
    more = json.loads(configured) if configured else {}

    def listed(key: str) -> tuple[str, ...]:
        return tuple(str(item).replace("{pod_ip}", address) for item in more.get(key, ()))

    patterns = []
    for text in (*listed("inclusionRegexps"), *_REGEXPS):
        try:
            patterns.append(re.compile(text))
        except re.error:
            continue
    return StatsMatcher(
        (*_PREFIXES, *listed("inclusionPrefixes"), *_LAST_PREFIXES),
        (*listed("inclusionSuffixes"), *_SUFFIXES),
        tuple(patterns),
    )
