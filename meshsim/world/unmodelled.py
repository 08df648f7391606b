"""What proxies were told to do and the data plane does not do: nothing of it is dropped in silence."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from meshsim.dataplane.active import Unmodelled
from meshsim.xds import type_urls

_KINDS: Final = {
    type_urls.LISTENER: "listener",
    type_urls.ROUTE: "route configuration",
    type_urls.CLUSTER: "cluster",
    type_urls.ENDPOINT: "endpoints of cluster",
}
_SHOWN: Final = 10
"""So many things are named."""


@dataclass(slots=True)
class _Places:
    """Where one thing was met."""

    resources: dict[tuple[str, str], None] = field(default_factory=dict)
    """Type URL and name."""
    proxies: dict[str, None] = field(default_factory=dict)


@dataclass(slots=True)
class UnmodelledLog:
    """Collects what is not simulated over a run, each thing once."""

    _found: dict[str, _Places] = field(default_factory=dict)

    def add(self, proxy: str, item: Unmodelled) -> None:
        """A proxy's traffic follows a resource with something in it that is not simulated."""
        places = self._found.setdefault(item.what, _Places())
        places.resources.setdefault((item.type_url, item.name))
        places.proxies.setdefault(proxy)

    def notes(self) -> tuple[str, ...]:
        """One line a thing, with an example of where it stands, by name."""
        lines = [_line(what, self._found[what]) for what in sorted(self._found)]
        more = len(lines) - _SHOWN
        return (*lines[:_SHOWN], *((f"not simulated: {more} more things of this sort",) if more > 0 else ()))


def _line(what: str, places: _Places) -> str:
    type_url, name = next(iter(places.resources))
    others = len(places.resources) - 1
    where = f"{_KINDS[type_url]} {name}" + (f" and {others} more" if others else "")
    proxies = list(places.proxies)
    who = proxies[0] if len(proxies) == 1 else f"{len(proxies)} proxies"
    return f"not simulated: {what}, in {where} of {who}"
