"""exportTo: which namespaces see an object (istio pkg/config/visibility, release 1.31)."""

from __future__ import annotations

from collections.abc import Iterable


def parse_export_to(values: Iterable[str], namespace: str) -> frozenset[str]:
    """Visibility values of an object, `.` written as its own namespace would be."""
    return frozenset(namespace if value == "." else value for value in values)


def exported_to(export_to: frozenset[str], owner: str, viewer: str) -> bool:
    """Whether the namespace `viewer` sees an object of namespace `owner`."""
    if "~" in export_to:
        return False
    return "*" in export_to or viewer in export_to or ("." in export_to and owner == viewer)
