"""One document body to one `ApiObject`: identity and metadata read out, nothing checked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from meshsim.api.fields import Fields
from meshsim.api.objects import ApiObject, Origin
from meshsim.api.schema.kinds import CLUSTER_SCOPED
from meshsim.units import SECOND, Nanos


def make_object(
    body: Mapping[str, object], origin: Origin | None = None, default_namespace: str = "default"
) -> ApiObject:
    """The object of a document body; a namespaced object without namespace goes to `default_namespace`."""
    document = Fields(body)
    metadata = document.fields("metadata")
    kind = document.text("kind")
    namespace = "" if kind in CLUSTER_SCOPED else metadata.text("namespace", default_namespace)
    return ApiObject(
        api_version=document.text("apiVersion"),
        kind=kind,
        name=metadata.text("name"),
        namespace=namespace,
        labels=metadata.text_map("labels"),
        annotations=metadata.text_map("annotations"),
        created=parse_timestamp(metadata.value("creationTimestamp")),
        body=body,
        origin=origin,
    )


def parse_timestamp(value: object) -> Nanos:
    """Nanoseconds since 1970 of an RFC 3339 time (YAML may have made a datetime of it), 0 when absent."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.replace("Z", "+00:00"))
        except ValueError:
            return 0
    if not isinstance(value, datetime):
        return 0
    if value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    return int(value.timestamp()) * SECOND
