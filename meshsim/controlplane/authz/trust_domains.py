"""Trust domain and aliases in the principals of rules (istio pilot/pkg/security/trustdomain/bundle.go, 1.31)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

_CLUSTER_LOCAL: Final = "cluster.local"
"""Stands for the mesh's trust domain and its aliases, whatever they are."""


@dataclass(frozen=True, slots=True)
class TrustDomains:
    """The mesh's own trust domain, then its aliases."""

    names: tuple[str, ...]

    @classmethod
    def of(cls, trust_domain: str, aliases: Iterable[str]) -> TrustDomains:
        return cls((trust_domain, *aliases))

    def expand_principals(self, principals: Sequence[str]) -> list[str]:
        """Each principal in every equal trust domain; others as written."""
        out: list[str] = []
        for principal in principals:
            domain = _enforced_domain(principal)
            if domain is None or not (_matches_any(domain, self.names) or domain == _CLUSTER_LOCAL):
                out.append(principal)
            else:
                out += self._in_every_domain(principal, domain)
        return out

    def expand_domains(self, domains: Sequence[str]) -> list[str]:
        """`trustDomains` of a rule: a known one stands for all; each once."""
        out: dict[str, None] = {}
        for domain in domains:
            for name in self.names if domain in self.names else (domain,):
                out.setdefault(name)
        return list(out)

    def _in_every_domain(self, principal: str, domain: str) -> list[str]:
        out: dict[str, None] = {}
        for name in self.names:
            covered = domain.startswith("*") and name.endswith(domain[1:])
            out.setdefault(principal if covered else f"{name}/{principal.partition('/')[2]}")
        return list(out)


def _enforced_domain(principal: str) -> str | None:
    """The trust domain of ``td/ns/NAMESPACE/sa/ACCOUNT``; ``None`` for other forms and for ``*``."""
    parts = principal.split("/")
    return parts[0] if len(parts) == 5 and parts[0] != "*" else None


def _matches_any(domain: str, names: Iterable[str]) -> bool:
    """Whether `domain` is one of the names; either side may be a wildcard."""
    return any(name in (domain, "*") or _covers(domain, name) or _covers(name, domain) for name in names)


def _covers(pattern: str, text: str) -> bool:
    """Whether a pattern with one ``*`` at its end or start covers the text."""
    if pattern.endswith("*") and text.startswith(pattern[:-1]):
        return True
    return pattern.startswith("*") and text.endswith(pattern[1:])
