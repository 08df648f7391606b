"""Decoded resources by their bytes, as Envoy reads them off the wire."""

from __future__ import annotations

import weakref
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from typing import Final, TypeAlias, TypeVar

from google.protobuf.message import DecodeError, Message

from meshsim.dataplane.decide.addresses import check_addresses
from meshsim.dataplane.decide.clusters import Cluster, LoadAssignment, decode_assignment, decode_cluster
from meshsim.dataplane.decide.listeners import Listener, decode_listener
from meshsim.dataplane.decide.rejected import (
    MalformedResourceError,
    NotModelledError,
    ResourceRejectedError,
    check_constraints,
)
from meshsim.dataplane.decide.route_decoding import HostMemo, decode_route_configuration
from meshsim.dataplane.decide.routes import RouteConfiguration
from meshsim.errors import InternalError
from meshsim.xds import type_urls
from meshsim.xds.messages import cluster_pb2, endpoint_pb2, listener_pb2, route_pb2

M = TypeVar("M", bound=Message)
Resource: TypeAlias = Listener | Cluster | LoadAssignment | RouteConfiguration

_VIRTUAL_HOSTS: Final = ("virtual_hosts",)
"""Checked by their decoder, which remembers those it has seen."""


def _parse(kind: type[M], body: bytes, checked_later: Sequence[str] = ()) -> M:
    """The message; raises `MalformedResourceError` as Envoy's resource decoder does."""
    try:
        message = kind.FromString(body)
    except DecodeError as error:
        raise MalformedResourceError(f"Unable to unpack as {kind.DESCRIPTOR.full_name}: {error}") from error
    check_constraints(message, checked_later)
    return message


def _listener(body: bytes, _: HostMemo) -> Listener:
    message = _parse(listener_pb2.Listener, body)
    with _packed():
        return decode_listener(message)


def _cluster(body: bytes, _: HostMemo) -> Cluster:
    message = _parse(cluster_pb2.Cluster, body)
    with _packed():
        return decode_cluster(message)


def _assignment(body: bytes, _: HostMemo) -> LoadAssignment:
    message = _parse(endpoint_pb2.ClusterLoadAssignment, body)
    check_addresses(message)
    return decode_assignment(message)


def _routes(body: bytes, memo: HostMemo) -> RouteConfiguration:
    message = _parse(route_pb2.RouteConfiguration, body, _VIRTUAL_HOSTS)
    try:
        return decode_route_configuration(message, memo)
    except MalformedResourceError:
        check_constraints(message)
        raise


@contextmanager
def _packed() -> Iterator[None]:
    """What is packed in a resource is looked at when it is applied: its faults are those of this resource alone."""
    try:
        yield
    except MalformedResourceError as error:
        raise ResourceRejectedError(error.message) from error


_DECODE: Final[Mapping[str, Callable[[bytes, HostMemo], Resource]]] = {
    type_urls.LISTENER: _listener,
    type_urls.CLUSTER: _cluster,
    type_urls.ENDPOINT: _assignment,
    type_urls.ROUTE: _routes,
}


_MALFORMED: Final = (DecodeError, NotModelledError, InternalError, ValueError, KeyError, RecursionError, OverflowError)
"""What a decoder meets in packed parts that are no such message: broken wire format, an Any of another type, a number
that its enum has not. Envoy refuses these resources too."""


BY_NAME: Final[Mapping[str, type[Message]]] = {
    type_urls.ENDPOINT: endpoint_pb2.ClusterLoadAssignment,
    type_urls.ROUTE: route_pb2.RouteConfiguration,
}
"""Types of which a resource that nobody follows is not tried."""


def check_readable(type_url: str, body: bytes) -> None:
    """Raise `MalformedResourceError` where Envoy cannot read a resource that it then passes over."""
    _parse(BY_NAME[type_url], body)


def check_name(name: str, resource: Resource) -> None:
    """Raise `ResourceRejectedError` for endpoints or a table that come under the name of another."""
    if isinstance(resource, LoadAssignment) and resource.cluster_name != name:
        raise ResourceRejectedError(f"Unexpected EDS cluster (expecting {name}): {resource.cluster_name}")
    if isinstance(resource, RouteConfiguration) and resource.name != name:
        raise ResourceRejectedError(f"Unexpected RDS configuration (expecting {name}): {resource.name}")


class ResourceCache:
    """Decoded resources by their bytes, shared by all proxies of a world; what nobody holds any more is forgotten."""

    def __init__(self) -> None:
        self._decoded: MutableMapping[tuple[str, bytes], Resource] = weakref.WeakValueDictionary()
        self._named: dict[str, dict[tuple[str, bytes], weakref.ref[Resource]]] = defaultdict(dict)
        """By type: those that were decoded and came under the right name."""
        self._virtual_hosts: HostMemo = weakref.WeakValueDictionary()
        self.noted = False
        """Whether any resource had something in it that is not modelled."""

    def known(self, type_url: str, bodies: Mapping[str, bytes]) -> dict[str, Resource | None]:
        """By name, the resources that `named` has seen before and that are still used; `None` for others."""
        find = self._named[type_url].get
        found = {pair[0]: find(pair) for pair in bodies.items()}
        return {name: reference() if reference is not None else None for name, reference in found.items()}

    def named(self, type_url: str, name: str, body: bytes) -> Resource:
        """`decode`, and a check of its name; raises `ResourceRejectedError`."""
        resource = self.decode(type_url, body)
        check_name(name, resource)
        kept, key = self._named[type_url], (name, body)

        def forget(gone: weakref.ref[Resource]) -> None:
            if kept.get(key) is gone:
                del kept[key]

        kept[key] = weakref.ref(resource, forget)
        return resource

    def decode(self, type_url: str, body: bytes) -> Resource:
        """The resource; equal bytes give the same object. Raises `ResourceRejectedError` for what Envoy refuses."""
        key = (type_url, body)
        found = self._decoded.get(key)
        if found is None:
            decoder = _DECODE.get(type_url)
            if decoder is None:
                raise InternalError(f"no decoder of {type_url}")
            try:
                found = decoder(body, self._virtual_hosts)
            except _MALFORMED as error:
                raise ResourceRejectedError(f"Unable to unpack as {type_url.rpartition('.')[2]}: {error}") from error
            self._decoded[key] = found
            self.noted = self.noted or bool(found.unmodelled)
        return found
