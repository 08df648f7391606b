"""A delta response as a value: what a DeltaDiscoveryResponse says, without a copy of every resource.

In one process a response travels as it is, and all who hold a resource hold the same bytes; only a wire needs the
message.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from google.protobuf import any_pb2

from meshsim.xds.bodies import Bodies, BodyTable, NamedBody
from meshsim.xds.messages import discovery_pb2


class ReceivedBody(NamedTuple):
    """A resource as it came over a wire."""

    name: str
    body: bytes


@dataclass(frozen=True, slots=True)
class DeltaResponse:
    """One response of a delta stream."""

    type_url: str
    nonce: str
    system_version_info: str
    resources: Bodies[NamedBody] = field(default_factory=Bodies)
    removed_resources: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    """Version by name of a resource; absent ones are empty. A name without a resource comes with no body."""

    def bodies(self) -> BodyTable:
        """Serialized resources by name."""
        return self.resources.table

    def problem(self) -> str:
        """What makes Envoy refuse a response before it looks at any resource, or an empty text."""
        if self.resources.distinct and not self.versions and not self.removed_resources:
            return ""
        names = list(self.resources.names)
        if self.versions:
            held = set(names)
            names += [name for name in self.versions if name not in held]
        gone = self.removed_resources
        if len({*names, *gone}) == len(names) + len(gone):
            return ""
        seen: set[str] = set()
        for name in names:
            if name in seen:
                return f"duplicate name {name} found among added/updated resources"
            seen.add(name)
        for name in gone:
            if name in seen:
                break
            seen.add(name)
        return f"duplicate name {name} found in the union of added+removed resources"

    def encode(self) -> discovery_pb2.DeltaDiscoveryResponse:
        """The message of this response."""
        versions, bodies = self.versions, self.bodies() if self.versions else {}
        resources = [
            discovery_pb2.Resource(
                name=resource.name,
                version=versions.get(resource.name, ""),
                resource=any_pb2.Any(type_url=self.type_url, value=resource.body),
            )
            for resource in self.resources
        ]
        resources += [discovery_pb2.Resource(name=n, version=versions[n]) for n in versions if n not in bodies]
        return discovery_pb2.DeltaDiscoveryResponse(
            system_version_info=self.system_version_info,
            type_url=self.type_url,
            nonce=self.nonce,
            resources=resources,
            removed_resources=self.removed_resources,
        )


def decode_response(message: discovery_pb2.DeltaDiscoveryResponse) -> DeltaResponse:
    """The value of a message whose resources are all of its type."""
    return DeltaResponse(
        message.type_url,
        message.nonce,
        message.system_version_info,
        Bodies(ReceivedBody(r.name, r.resource.value) for r in message.resources if r.HasField("resource")),
        tuple(message.removed_resources),
        {r.name: r.version for r in message.resources},
    )
