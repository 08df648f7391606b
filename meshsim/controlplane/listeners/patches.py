"""EnvoyFilter patches of listeners, their listener filters, chains, network filters and HTTP filters.

istio pilot/pkg/networking/core/envoyfilter/listener_patch.go and extension_configuration_patch.go, release 1.31.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

from google.protobuf.message import DecodeError, Message

from meshsim.api import Fields
from meshsim.controlplane.envoy_filters import NO_PATCHES, Patch, PatchContext, PatchSet, merge_into
from meshsim.controlplane.filters import HTTP_CONNECTION_MANAGER
from meshsim.xds.messages import (
    any_pb2,
    extension_pb2,
    http_connection_manager_pb2,
    listener_components_pb2,
    listener_pb2,
)
from meshsim.xds.packing import message_class, pack

if TYPE_CHECKING:
    from google.protobuf.internal.containers import RepeatedCompositeFieldContainer

Listener = listener_pb2.Listener
ListenerFilter = listener_components_pb2.ListenerFilter
FilterChain = listener_components_pb2.FilterChain
Filter = listener_components_pb2.Filter
HttpFilter = http_connection_manager_pb2.HttpFilter
HttpConnectionManager = http_connection_manager_pb2.HttpConnectionManager

_TARGETS: Final = ("LISTENER", "LISTENER_FILTER", "FILTER_CHAIN", "NETWORK_FILTER", "HTTP_FILTER")
_ROUTE_TARGETS: Final = ("ROUTE_CONFIGURATION", "VIRTUAL_HOST", "HTTP_ROUTE")
"""Also in the inline configurations of inbound listeners."""
_VIRTUAL: Final = ("virtualInbound", "virtualOutbound")
_MERGES: Final = ("MERGE", "MERGE_AND_REPLACE_LIST")
_INSERTS: Final = ("INSERT_FIRST", "INSERT_BEFORE", "INSERT_AFTER")


M = TypeVar("M", bound=Message)
F = TypeVar("F", bound="ListenerFilter | Filter | HttpFilter")


def relevant_patches(patches: PatchSet) -> PatchSet:
    """The patches, or none when they are all about other things than listeners."""
    return patches if touches_listeners(patches) or any(map(patches.of, _ROUTE_TARGETS)) else NO_PATCHES


def touches_listeners(patches: PatchSet) -> bool:
    """Whether a patch is about listeners or what is in them."""
    return any(map(patches.of, _TARGETS))


def patch_listeners(
    listeners: Sequence[listener_pb2.Listener], patches: PatchSet, context: PatchContext
) -> list[listener_pb2.Listener]:
    """Listeners after their patches, with those that patches add."""
    wanted = {
        target: [_Patch(patch) for patch in patches.of(target) if patch.in_context(context)] for target in _TARGETS
    }
    if not any(wanted.values()):
        return list(listeners)
    work = _Patches(wanted)
    out = [listener for listener in listeners if work.keeps(listener)]
    for patch in wanted["LISTENER"]:
        everywhere = patch.source.context == "ANY"
        if patch.adds and not (everywhere and context is PatchContext.SIDECAR_INBOUND):
            value = patch.value(Listener)
            if value is not None:
                out.append(value)
    return out


def added_extension_configs(patches: PatchSet, names: Sequence[str]) -> list[extension_pb2.TypedExtensionConfig]:
    """ECDS resources that patches add, as far as they are asked for."""
    out = []
    for patch in patches.of("EXTENSION_CONFIG"):
        value = patch.build(extension_pb2.TypedExtensionConfig) if patch.operation == "ADD" else None
        if value is not None and value.name in names:
            out.append(value)
    return out


class _Patch:
    """A patch with its match taken apart and its value read once."""

    def __init__(self, source: Patch) -> None:
        self.source = source
        self.operation = source.operation
        self.match: Fields | None = source.match.fields("listener") if "listener" in source.match else None
        chain = self.match.fields("filterChain") if self.match is not None else Fields(None)
        self.chain = chain if self.match is not None and "filterChain" in self.match else None
        self.listener_filter = self.match.text("listenerFilter") if self.match is not None else ""
        self.filter = chain.fields("filter") if "filter" in chain else None
        self.sub_filter = (
            self.filter.fields("subFilter").text("name")
            if self.filter is not None and "subFilter" in self.filter
            else None
        )
        self._body: bytes | None = None

    @property
    def adds(self) -> bool:
        """Whether it adds a whole object; inserting one that has no order is the same."""
        return self.operation == "ADD" or self.operation in _INSERTS

    @property
    def merges(self) -> bool:
        return self.operation in _MERGES

    def value(self, into: type[M]) -> M | None:
        """The patch as a message of its own; `None` when it cannot be read."""
        if self._body is None:
            built = self.source.build(into)
            if built is None:
                return None
            self._body = built.SerializeToString(deterministic=True)
        return into.FromString(self._body)

    def merge(self, target: Message, value: Message) -> None:
        merge_into(target, value, replace_lists=self.operation == "MERGE_AND_REPLACE_LIST")

    # --- what it is for -------------------------------------------------------------------------------------

    def takes_listener(self, listener: listener_pb2.Listener) -> bool:
        if self.match is None:
            return True
        if self.match.text("name") not in ("", listener.name):
            return False
        if self.source.apply_to != "LISTENER" and listener.name in _VIRTUAL:
            # The port means one of the chains.
            return True
        port = self.match.integer("portNumber")
        return not port or listener.address.socket_address.port_value == port

    def takes_chain(self, listener: listener_pb2.Listener, chain: listener_components_pb2.FilterChain) -> bool:
        if self.match is None:
            return True
        match = chain.filter_chain_match
        port = self.match.integer("portNumber")
        if listener.name in _VIRTUAL and port and match.destination_port.value != port:
            return False
        if self.chain is None:
            return True
        wanted = self.chain
        protocols = wanted.text("applicationProtocols")
        return (
            wanted.text("name") in ("", chain.name)
            and (not wanted.text("sni") or wanted.text("sni") in match.server_names)
            and wanted.text("transportProtocol") in ("", match.transport_protocol)
            and (not protocols or all(p in match.application_protocols for p in protocols.split(",")))
            and wanted.integer("destinationPort") in (0, match.destination_port.value)
        )

    def takes_filter(self, name: str) -> bool:
        return self.filter is None or self.filter.text("name") == name

    def takes_http_filter(self, name: str) -> bool:
        return self.sub_filter is None or self.sub_filter == name


class _Patches:
    """The patches of one context, applied to listeners in place."""

    def __init__(self, patches: dict[str, list[_Patch]]) -> None:
        self._patches = patches

    def keeps(self, listener: listener_pb2.Listener) -> bool:
        """Patch a listener; false when a patch removes it."""
        for patch in self._patches["LISTENER"]:
            if not patch.takes_listener(listener):
                continue
            if patch.operation == "REMOVE":
                return False
            value = patch.value(Listener) if patch.merges else None
            if value is not None:
                patch.merge(listener, value)
        filters = list(listener.listener_filters)
        for patch in self._patches["LISTENER_FILTER"]:
            if patch.takes_listener(listener):
                filters = _edit(filters, patch, ListenerFilter, patch.listener_filter or None)
        _replace(listener.listener_filters, filters)
        self._patch_chains(listener)
        return True

    def _patch_chains(self, listener: listener_pb2.Listener) -> None:
        chains = [chain for chain in listener.filter_chains if chain.filters and self._keeps_chain(listener, chain)]
        if listener.default_filter_chain.filters and not self._keeps_chain(listener, listener.default_filter_chain):
            listener.ClearField("default_filter_chain")
        for patch in self._patches["FILTER_CHAIN"]:
            value = patch.value(FilterChain) if patch.adds and patch.takes_listener(listener) else None
            if value is not None:
                chains.append(value)
        _replace(listener.filter_chains, chains)

    def _keeps_chain(self, listener: listener_pb2.Listener, chain: listener_components_pb2.FilterChain) -> bool:
        for patch in self._patches["FILTER_CHAIN"]:
            if not (patch.takes_listener(listener) and patch.takes_chain(listener, chain)):
                continue
            if patch.operation == "REMOVE":
                return False
            value = patch.value(FilterChain) if patch.merges else None
            if value is not None and not _merge_socket(chain, value, patch):
                patch.merge(chain, value)
        network = self._for_chain("NETWORK_FILTER", listener, chain)
        http = self._for_chain("HTTP_FILTER", listener, chain)
        filters = list(chain.filters)
        for patch in network:
            name = patch.filter.text("name") if patch.filter is not None else None
            filters = _edit(filters, patch, Filter, name)
        for item in filters:
            for patch in network:
                if patch.merges and patch.takes_filter(item.name):
                    _merge_filter(item, patch, patch.value(Filter))
            if item.name == HTTP_CONNECTION_MANAGER and http:
                _patch_http_filters(item, [patch for patch in http if patch.takes_filter(item.name)])
        _replace(chain.filters, filters)
        return True

    def _for_chain(
        self, target: str, listener: listener_pb2.Listener, chain: listener_components_pb2.FilterChain
    ) -> list[_Patch]:
        return [
            patch
            for patch in self._patches[target]
            if patch.takes_listener(listener) and patch.takes_chain(listener, chain)
        ]


def _patch_http_filters(item: listener_components_pb2.Filter, patches: Sequence[_Patch]) -> None:
    if not patches or not item.HasField("typed_config"):
        return
    try:
        manager = HttpConnectionManager.FromString(item.typed_config.value)
    except DecodeError:
        return
    filters = list(manager.http_filters)
    for patch in patches:
        filters = _edit(filters, patch, HttpFilter, patch.sub_filter)
    for http_filter in filters:
        for patch in patches:
            if patch.merges and patch.takes_http_filter(http_filter.name):
                _merge_filter(http_filter, patch, patch.value(HttpFilter))
    _replace(manager.http_filters, filters)
    item.typed_config.CopyFrom(pack(manager))


def _edit(filters: list[F], patch: _Patch, into: type[F], neighbour: str | None) -> list[F]:
    """The filters after an addition or removal; one that wants a certain neighbour needs it to be there."""
    operation = patch.operation
    found = next((i for i, item in enumerate(filters) if item.name == neighbour), None)
    if operation == "REMOVE":
        return [item for item in filters if item.name != neighbour] if neighbour is not None else filters
    if operation not in ("ADD", "REPLACE", *_INSERTS):
        return filters
    value = patch.value(into)
    if value is None:
        return filters
    if operation == "REPLACE":
        return filters if found is None else [*filters[:found], value, *filters[found + 1 :]]
    if operation == "ADD" or (operation == "INSERT_AFTER" and neighbour is None):
        return [*filters, value]
    if operation == "INSERT_FIRST" or neighbour is None:
        return [value, *filters]
    if found is None:
        return filters
    at = found + 1 if operation == "INSERT_AFTER" else found
    return [*filters[:at], value, *filters[at:]]


def _merge_filter(item: F, patch: _Patch, value: F | None) -> None:
    """Merge the configuration of a filter, whatever type the patch gives it, and take over its name."""
    if value is None or not item.HasField("typed_config"):
        return
    if value.name:
        item.name = value.name
    if value.HasField("typed_config"):
        _merge_any(item.typed_config, value.typed_config, patch)


def _merge_any(target: any_pb2.Any, value: any_pb2.Any, patch: _Patch) -> None:
    message = message_class(target.type_url)
    try:
        merged, addition = message.FromString(target.value), message.FromString(value.value)
    except DecodeError:
        return
    patch.merge(merged, addition)
    target.CopyFrom(pack(merged))


def _merge_socket(
    chain: listener_components_pb2.FilterChain, value: listener_components_pb2.FilterChain, patch: _Patch
) -> bool:
    """A patch with a transport socket of the chain's kind touches its configuration alone; whether this was one."""
    if not (value.HasField("transport_socket") and chain.HasField("transport_socket")):
        return False
    if value.transport_socket.name != chain.transport_socket.name:
        return False
    if value.transport_socket.HasField("typed_config") and chain.transport_socket.HasField("typed_config"):
        _merge_any(chain.transport_socket.typed_config, value.transport_socket.typed_config, patch)
    return True


def _replace(field: RepeatedCompositeFieldContainer[M], items: Iterable[M]) -> None:
    """Put messages, some of them now in the field, into a repeated field."""
    copies = [type(item).FromString(item.SerializeToString()) for item in items]
    del field[:]
    field.extend(copies)
