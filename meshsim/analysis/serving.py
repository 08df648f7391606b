"""What Pilot would send a proxy, for the conflicts it counts on the way and for what a patch changes."""

from __future__ import annotations

from typing import Final, TypeAlias

from meshsim.controlplane.model import Proxy
from meshsim.controlplane.push_context import PushContext
from meshsim.controlplane.resources import generate
from meshsim.xds import type_urls
from meshsim.xds.references import references

_TYPES: Final = (type_urls.CLUSTER, type_urls.ENDPOINT, type_urls.LISTENER, type_urls.ROUTE, type_urls.EXTENSION)

Served: TypeAlias = dict[tuple[str, str], bytes]
"""Resources by type URL and name."""


def serve(push: PushContext, proxy: Proxy) -> Served:
    """Every resource of a proxy, names followed from clusters to endpoints and from listeners to routes."""
    found: Served = {}
    names: dict[str, dict[str, None]] = {}
    for type_url in _TYPES:
        for resource in generate(push, proxy, type_url, tuple(names.get(type_url, ()))):
            found[type_url, resource.name] = resource.body
            for wanted, referred in references(type_url, resource.body).items():
                names.setdefault(wanted, {}).update(dict.fromkeys(referred))
    return found
