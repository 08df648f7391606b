"""Records of one run, all times in nanoseconds since its start."""

from __future__ import annotations

from typing import NamedTuple

from meshsim.units import Nanos


class ConfigChange(NamedTuple):
    """A write to the API server that Pilot noticed."""

    time: Nanos
    change: int
    """Number of the change, from 1."""
    verb: str
    """``add``, ``update`` or ``delete``."""
    kind: str
    namespace: str
    name: str
    cause: str
    """Timeline id that made it, or the controller's name."""


class Push(NamedTuple):
    """One debounced push of Pilot: the changes it merged and when its stages ended."""

    push: int
    first_change: Nanos
    debounced: Nanos
    """When the quiet period ended and the push context was begun."""
    started: Nanos
    """When the push context was ready and every connection was queued."""
    changes: tuple[int, ...]
    version: str


class PushSent(NamedTuple):
    """One xDS response to one proxy."""

    time: Nanos
    push: int
    """Number of the push, 0 for the answer to a proxy's own request."""
    proxy: str
    type_url: str
    version: str
    queued: Nanos
    """When the connection left the push queue."""
    generated: Nanos
    resources: int
    removed: int
    size: int
    """Bytes of the resources."""


class PushAnswer(NamedTuple):
    """A proxy's ACK or NACK as Pilot received it."""

    time: Nanos
    push: int
    proxy: str
    type_url: str
    version: str
    accepted: bool
    reason: str


class ProxyEffective(NamedTuple):
    """The instant from which a proxy's traffic follows a response."""

    time: Nanos
    push: int
    proxy: str
    type_url: str
    version: str


class XdsEvent(NamedTuple):
    """A message on one ADS stream as the server saw it; a real Envoy's stream leaves the same records."""

    time: Nanos
    stream: str
    kind: str
    """``first``, ``subscribe``, ``unsubscribe``, ``ack``, ``nack`` or ``expired`` for a request, ``send``."""
    type_url: str
    nonce: str
    """Of the response that is sent or answered; empty for a request that answers none."""
    version: str
    """Of the response; in a request the version the client says it follows (state of the world only)."""
    names: tuple[str, ...]
    """Sorted: resources sent, names that a request asks for."""
    removed: tuple[str, ...]
    """Sorted: resources removed, names that a request lets go."""
    reason: str
    """Error text of a NACK."""


class PodPhase(NamedTuple):
    """A step of a pod's life."""

    time: Nanos
    namespace: str
    pod: str
    phase: str
    """What the API server or the node knows:

    ``scheduled``, ``ready`` and ``unready`` (Ready condition), ``terminating`` (deletion asked for), ``gone``; on the
    node ``proxy_started`` (istio-proxy runs), ``started`` (every application container answers), ``stopping`` (SIGTERM
    to an application), ``stopped``, ``crashed``, ``proxy_stopped``, ``proxy_crashed``, ``hung``, ``resumed``, ``lost``
    (its node died).
    """
    node: str


class TimelineMark(NamedTuple):
    """A timeline action that began or was undone, or what an autoscaler did (its id is ``hpa/`` and its name)."""

    time: Nanos
    id: str
    action: str
    begins: bool
    detail: str
