"""Small protobuf values that clusters and endpoints are built of."""

from __future__ import annotations

from collections.abc import Mapping

from meshsim.api import Fields
from meshsim.units import SECOND, Nanos
from meshsim.xds.messages import address_pb2, duration_pb2, struct_pb2, wrappers_pb2

UNIX_PREFIX = "unix://"


def duration(span: Nanos) -> duration_pb2.Duration:
    """A span as protobuf writes it."""
    seconds, nanos = divmod(abs(span), SECOND)
    sign = -1 if span < 0 else 1
    return duration_pb2.Duration(seconds=sign * seconds, nanos=sign * nanos)


def optional_duration(fields: Fields, key: str) -> duration_pb2.Duration | None:
    """A duration field, `None` when absent."""
    span = fields.duration(key)
    return None if span is None else duration(span)


def uint32(value: int) -> wrappers_pb2.UInt32Value:
    return wrappers_pb2.UInt32Value(value=value)


def socket_address(address: str, port: int) -> address_pb2.Address:
    """An address of an endpoint: IP or host name with port, or a unix domain socket."""
    if address.startswith(("unix://", "/")):
        return address_pb2.Address(pipe=address_pb2.Pipe(path=address.removeprefix(UNIX_PREFIX)))
    return address_pb2.Address(socket_address=address_pb2.SocketAddress(address=address, port_value=port))


def text_struct(values: Mapping[str, str]) -> struct_pb2.Struct:
    """A Struct of strings."""
    return struct_pb2.Struct(fields={k: struct_pb2.Value(string_value=v) for k, v in values.items()})
