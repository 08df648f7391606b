"""Reading and replacing parts of an API object's document; documents are shared: nothing here changes one in place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, TypeAlias

from meshsim.api import ApiObject, Fields
from meshsim.units import SECOND, Nanos

Body: TypeAlias = dict[str, object]
"""A document, or a part of one, as JSON values."""

_EMPTY: Final[Mapping[str, object]] = {}
_UNIX_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def mapping(value: object) -> Mapping[str, object]:
    """A value that should be a mapping; empty when it is none."""
    return value if isinstance(value, Mapping) else _EMPTY


def rfc3339(since_unix_epoch: Nanos) -> str:
    """A Kubernetes timestamp: whole seconds, UTC."""
    return (_UNIX_EPOCH + timedelta(seconds=since_unix_epoch // SECOND)).strftime("%Y-%m-%dT%H:%M:%SZ")


def with_metadata(item: ApiObject, changes: Mapping[str, object]) -> ApiObject:
    """The object with metadata fields replaced; labels, annotations and name are read again."""
    metadata = {**mapping(item.body.get("metadata")), **changes}
    fields = Fields(metadata)
    return replace(
        item,
        name=fields.text("name"),
        labels=fields.text_map("labels"),
        annotations=fields.text_map("annotations"),
        body={**item.body, "metadata": metadata},
    )


def with_spec(item: ApiObject, changes: Mapping[str, object]) -> ApiObject:
    """The object with spec fields replaced."""
    return replace(item, body={**item.body, "spec": {**mapping(item.body.get("spec")), **changes}})


def with_status(item: ApiObject, status: Mapping[str, object]) -> ApiObject:
    """The object with its whole status replaced."""
    return replace(item, body={**item.body, "status": status})


class Owner(NamedTuple):
    """The controlling owner of an object."""

    kind: str
    name: str


def owner_reference(owner: ApiObject) -> Body:
    """The controller reference to an owner."""
    return {
        "apiVersion": owner.api_version,
        "kind": owner.kind,
        "name": owner.name,
        "uid": uid_of(owner),
        "controller": True,
        "blockOwnerDeletion": True,
    }


def controller_of(item: ApiObject) -> Owner | None:
    """The owner whose reference says ``controller: true``."""
    for reference in item.metadata.items("ownerReferences"):
        if reference.flag("controller"):
            return Owner(reference.text("kind"), reference.text("name"))
    return None


def uid_of(item: ApiObject) -> str:
    """metadata.uid, empty before the API server has stored the object."""
    return item.metadata.text("uid")


def is_terminating(item: ApiObject) -> bool:
    """Whether deletion has been asked for and waits for a grace period."""
    return "deletionTimestamp" in item.metadata
