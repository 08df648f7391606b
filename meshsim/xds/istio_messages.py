"""Istio's own messages that no Python package carries, declared by descriptor.

Field names and numbers: istio/proxy ``source/extensions/filters/http/istio_stats/config.proto``,
``source/extensions/filters/http/alpn/config.proto`` and istio/istio ``pkg/dns/proto/nds.proto``.
"""

from __future__ import annotations

from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, duration_pb2, message_factory

_F = descriptor_pb2.FieldDescriptorProto
_TYPES: Final = {
    "string": _F.TYPE_STRING,
    "bool": _F.TYPE_BOOL,
    "enum": _F.TYPE_ENUM,
    "message": _F.TYPE_MESSAGE,
}


def _field(name: str, number: int, kind: str, type_name: str = "", repeated: bool = False) -> Any:
    return _F(
        name=name,
        number=number,
        type=_TYPES[kind],
        type_name=type_name or None,
        label=_F.LABEL_REPEATED if repeated else _F.LABEL_OPTIONAL,
    )


def _map(owner: str, name: str, number: int, value_kind: str, value_type: str = "") -> tuple[Any, Any]:
    entry_name = "".join(part.capitalize() for part in name.split("_")) + "Entry"
    entry = descriptor_pb2.DescriptorProto(
        name=entry_name,
        field=[_field("key", 1, "string"), _field("value", 2, value_kind, value_type)],
        options=descriptor_pb2.MessageOptions(map_entry=True),
    )
    return entry, _field(name, number, "message", f"{owner}.{entry_name}", repeated=True)


def _enum(name: str, *values: str) -> Any:
    return descriptor_pb2.EnumDescriptorProto(
        name=name,
        value=[descriptor_pb2.EnumValueDescriptorProto(name=v, number=i) for i, v in enumerate(values)],
    )


def _stats_file() -> Any:
    entry, dimensions = _map(".stats.MetricConfig", "dimensions", 1, "string")
    duration = ".google.protobuf.Duration"
    return descriptor_pb2.FileDescriptorProto(
        name="meshsim/istio_stats.proto",
        package="stats",
        syntax="proto3",
        dependency=[duration_pb2.DESCRIPTOR.name],
        enum_type=[
            _enum("MetricType", "COUNTER", "GAUGE", "HISTOGRAM"),
            _enum("Reporter", "UNSPECIFIED", "SERVER_GATEWAY"),
        ],
        message_type=[
            descriptor_pb2.DescriptorProto(
                name="MetricConfig",
                nested_type=[entry],
                field=[
                    dimensions,
                    _field("name", 2, "string"),
                    _field("tags_to_remove", 3, "string", repeated=True),
                    _field("match", 4, "string"),
                    _field("drop", 5, "bool"),
                ],
            ),
            descriptor_pb2.DescriptorProto(
                name="MetricDefinition",
                field=[
                    _field("name", 1, "string"),
                    _field("value", 2, "string"),
                    _field("type", 3, "enum", ".stats.MetricType"),
                ],
            ),
            descriptor_pb2.DescriptorProto(
                name="PluginConfig",
                field=[
                    _field("disable_host_header_fallback", 6, "bool"),
                    _field("tcp_reporting_duration", 7, "message", duration),
                    _field("metrics", 8, "message", ".stats.MetricConfig", repeated=True),
                    _field("definitions", 9, "message", ".stats.MetricDefinition", repeated=True),
                    _field("reporter", 10, "enum", ".stats.Reporter"),
                    _field("rescoping_duration", 11, "message", duration),
                    _field("scope_grace_period_duration", 12, "message", duration),
                ],
            ),
        ],
    )


def _alpn_file() -> Any:
    package = "istio.envoy.config.filter.http.alpn.v2alpha1"
    return descriptor_pb2.FileDescriptorProto(
        name="meshsim/istio_alpn.proto",
        package=package,
        syntax="proto3",
        message_type=[
            descriptor_pb2.DescriptorProto(
                name="FilterConfig",
                enum_type=[_enum("Protocol", "HTTP10", "HTTP11", "HTTP2")],
                nested_type=[
                    descriptor_pb2.DescriptorProto(
                        name="AlpnOverride",
                        field=[
                            _field("upstream_protocol", 1, "enum", f".{package}.FilterConfig.Protocol"),
                            _field("alpn_override", 2, "string", repeated=True),
                        ],
                    )
                ],
                field=[_field("alpn_override", 1, "message", f".{package}.FilterConfig.AlpnOverride", repeated=True)],
            )
        ],
    )


def _name_table_file() -> Any:
    package = "istio.networking.nds.v1"
    entry, table = _map(f".{package}.NameTable", "table", 1, "message", f".{package}.NameTable.NameInfo")
    info = descriptor_pb2.DescriptorProto(
        name="NameInfo",
        field=[
            _field("ips", 1, "string", repeated=True),
            _field("registry", 2, "string"),
            _field("shortname", 3, "string"),
            _field("namespace", 4, "string"),
            _field("alt_hosts", 5, "string", repeated=True),
        ],
    )
    return descriptor_pb2.FileDescriptorProto(
        name="meshsim/istio_nds.proto",
        package=package,
        syntax="proto3",
        message_type=[descriptor_pb2.DescriptorProto(name="NameTable", nested_type=[info, entry], field=[table])],
    )


_POOL: Final = descriptor_pool.Default()
for _file in (_stats_file(), _alpn_file(), _name_table_file()):
    _POOL.AddSerializedFile(_file.SerializeToString())


def _class(full_name: str) -> Any:
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(full_name))


StatsPluginConfig: Final = _class("stats.PluginConfig")
StatsMetricConfig: Final = _class("stats.MetricConfig")
AlpnFilterConfig: Final = _class("istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig")
NameTable: Final = _class("istio.networking.nds.v1.NameTable")
