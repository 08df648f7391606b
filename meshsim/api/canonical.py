"""Canonical service and revision of a pod: what Istio's telemetry groups by (istio pkg/model/proxy.go, 1.31)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

NAME_LABELS: Final = ("service.istio.io/canonical-name", "app.kubernetes.io/name", "app")
REVISION_LABELS: Final = ("service.istio.io/canonical-revision", "app.kubernetes.io/version", "version")


def canonical_name(labels: Mapping[str, str], workload: str) -> str:
    """The first of these labels that says something, else the workload's name."""
    return next((labels[key] for key in NAME_LABELS if labels.get(key)), workload)


def canonical_revision(labels: Mapping[str, str]) -> str:
    """The first of these labels that says something, else `latest`."""
    return next((labels[key] for key in REVISION_LABELS if labels.get(key)), "latest")
