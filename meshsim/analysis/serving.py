"""What Pilot would send a proxy, for the conflicts it counts on the way and for what a patch changes."""

from __future__ import annotations

from typing import Final, TypeAlias

from meshsim.controlplane.model import Proxy
from meshsim.controlplane.push_context import PushContext
from meshsim.controlplane.resources import generate
from meshsim.xds import type_urls
from meshsim.xds.references import references

_FOLLOWED: Final = (type_urls.ROUTE, type_urls.EXTENSION)
"""What listeners refer to."""

Served: TypeAlias = dict[tuple[str, str], bytes]
"""Resources by type URL and name."""


def serve(push: PushContext, proxy: Proxy) -> Served:
    """Clusters, listeners and what these refer to; endpoints conflict with nothing and are left out."""
    found: Served = {}
    names: dict[str, dict[str, None]] = {}
    for resource in generate(push, proxy, type_urls.CLUSTER, ()):
        found[type_urls.CLUSTER, resource.name] = resource.body
    for resource in generate(push, proxy, type_urls.LISTENER, ()):
        found[type_urls.LISTENER, resource.name] = resource.body
        for wanted, referred in references(type_urls.LISTENER, resource.body).items():
            names.setdefault(wanted, {}).update(dict.fromkeys(referred))
    for type_url in _FOLLOWED:
        for resource in generate(push, proxy, type_url, tuple(names.get(type_url, ()))):
            found[type_url, resource.name] = resource.body
    return found


def listen(push: PushContext, proxy: Proxy) -> None:
    """The listeners alone, for the conflicts that Pilot counts while it makes them."""
    generate(push, proxy, type_urls.LISTENER, ())
