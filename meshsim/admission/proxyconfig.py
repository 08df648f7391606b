"""The ProxyConfig of one pod: mesh defaults, ProxyConfig objects and the pod's annotation merged.

Rules: istio pilot/pkg/model/proxy_config.go and pkg/config/mesh/mesh.go, release 1.31.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Final

from meshsim.api import Fields
from meshsim.errors import InputError
from meshsim.units import MILLISECOND, parse_duration

DEFAULTS: Final[Mapping[str, object]] = {
    "configPath": "./etc/istio/proxy",
    "binaryPath": "/usr/local/bin/envoy",
    "serviceCluster": "istio-proxy",
    "drainDuration": "45s",
    "discoveryAddress": "istiod.istio-system.svc:15012",
    "proxyAdminPort": 15000,
    "controlPlaneAuthPolicy": "MUTUAL_TLS",
    "statNameLength": 189,
    "statusPort": 15020,
    "terminationDrainDuration": "5s",
}
"""DefaultProxyConfig of pkg/config/mesh/mesh.go."""

_FIELDS: Final = (
    "configPath",
    "binaryPath",
    "serviceCluster",
    "tracingServiceName",
    "drainDuration",
    "discoveryAddress",
    "zipkinAddress",
    "statsdUdpAddress",
    "proxyAdminPort",
    "controlPlaneAuthPolicy",
    "customConfigFile",
    "statNameLength",
    "concurrency",
    "proxyBootstrapTemplatePath",
    "interceptionMode",
    "tracing",
    "envoyAccessLogService",
    "envoyMetricsService",
    "proxyMetadata",
    "runtimeValues",
    "statusPort",
    "extraStatTags",
    "gatewayTopology",
    "terminationDrainDuration",
    "meshId",
    "readinessProbe",
    "proxyStatsMatcher",
    "holdApplicationUntilProxyStarts",
    "caCertificatesPem",
    "image",
    "privateKeyProvider",
    "proxyHeaders",
    "fileFlushInterval",
    "fileFlushMinSizeKb",
    "statsCompression",
)
_STRINGS: Final = ("configPath", "binaryPath", "serviceCluster", "discoveryAddress", "customConfigFile", "meshId")
_NUMBERS: Final = ("proxyAdminPort", "statNameLength", "concurrency", "statusPort")
_DURATIONS: Final = ("drainDuration", "terminationDrainDuration", "fileFlushInterval")
_MAPS: Final = ("proxyMetadata", "runtimeValues")
_ENUMS: Final = {
    "interceptionMode": ("REDIRECT", "TPROXY"),
    "controlPlaneAuthPolicy": ("NONE", "MUTUAL_TLS", "INHERIT"),
}


def parse_proxy_config(text: str) -> Mapping[str, object]:
    """The fields of a ``proxy.istio.io/config`` annotation; unknown ones are left out, as protojson does there."""
    import yaml

    try:
        value: object = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"failed to convert to apply proxy config: {error}", None, "write YAML or JSON") from error
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InputError("failed to convert to apply proxy config: it is no mapping", None, "write YAML or JSON")
    known = {key: value[key] for key in _FIELDS if value.get(key) is not None}
    for key, item in known.items():
        _check_type(key, item)
    return known


def _check_type(key: str, item: object) -> None:
    wrong = (
        (key in _STRINGS and not isinstance(item, str))
        or (key in _NUMBERS and not _is_int32(item))
        or (key in _DURATIONS and not _is_duration(item))
        or (key in _ENUMS and item not in _ENUMS[key])
        or (key == "proxyMetadata" and not isinstance(item, Mapping))
        or (key == "holdApplicationUntilProxyStarts" and not isinstance(item, bool))
    )
    if wrong:
        raise InputError(
            f"failed to convert to apply proxy config: {key} cannot be {json.dumps(item, default=str)}",
            None,
            "look up the field in the ProxyConfig reference",
            key,
        )


def _is_int32(item: object) -> bool:
    return isinstance(item, int) and not isinstance(item, bool) and -(1 << 31) <= item < 1 << 31


def _is_duration(item: object) -> bool:
    if not isinstance(item, str):
        return False
    try:
        parse_duration(item)
    except InputError:
        return False
    return True


def check_proxy_config(text: str) -> str:
    """What is wrong with a ``proxy.istio.io/config`` annotation, empty when nothing is."""
    try:
        config = {**DEFAULTS, **parse_proxy_config(text)}
    except InputError as error:
        return error.message
    problems = [
        message
        for key, message in (
            ("configPath", "config path must be set"),
            ("binaryPath", "binary path must be set"),
            ("serviceCluster", "service cluster must be specified"),
        )
        if not config[key]
    ]
    for key, name in (("drainDuration", "drain duration"),):
        if parse_duration(str(config[key])) < MILLISECOND:
            problems.append(f"invalid {name}: duration must be greater than 1ms")
    problem = _address_problem(str(config["discoveryAddress"]))
    if problem:
        problems.append(f"invalid discovery address: {problem}")
    port = config["proxyAdminPort"]
    if not isinstance(port, int) or not 0 < port < 1 << 16:
        problems.append(f"invalid proxy admin port: port number {port} must be in the range 1..65535")
    tracing = Fields(config).fields("tracing")
    for tracer in ("zipkin", "lightstep"):
        address = tracing.fields(tracer).text("address")
        problem = _address_problem(address) if tracer in tracing else ""
        if problem:
            problems.append(f"invalid {tracer} config: {problem}")
    return "; ".join(problems)


def _address_problem(address: str) -> str:
    host, colon, port = address.rpartition(":")
    if not colon:
        return f'unable to split "{address}": address {address}: missing port in address'
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        return f'unable to split "{address}": address {address}: too many colons in address'
    return "" if port.isdigit() and 0 < int(port) < 1 << 16 else f'invalid port "{port}" in "{address}"'


def merge(base: Mapping[str, object], over: Mapping[str, object]) -> dict[str, object]:
    """`over` replaces fields of `base`; proxyMetadata merges by name."""
    metadata = {**Fields(base).text_map("proxyMetadata"), **Fields(over).text_map("proxyMetadata")}
    merged = {**base, **over}
    if metadata:
        merged["proxyMetadata"] = metadata
    return merged


def effective_proxy_config(
    mesh: Fields,
    objects: Iterable[Fields],
    namespace: str,
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
) -> Fields:
    """The ProxyConfig of a pod; `objects` are whole ProxyConfig documents.

    Later wins: defaults, mesh `defaultConfig`, objects of the root namespace, of the pod's namespace, the annotation,
    objects that select the pod.
    """
    config = merge(DEFAULTS, mesh.fields("defaultConfig").body)
    root = mesh.text("rootNamespace", "istio-system")
    everywhere, here, selected = [], [], []
    for item in objects:
        spec = item.fields("spec")
        where = item.fields("metadata").text("namespace")
        selector = spec.fields("selector").text_map("matchLabels")
        if where == root and not selector:
            everywhere.append(spec)
        elif where == namespace and not selector:
            here.append(spec)
        elif where == namespace and all(labels.get(key) == value for key, value in selector.items()):
            selected.append(spec)
    for spec in (*everywhere[:1], *here[:1]):
        config = merge(config, _from_object(spec))
    if "proxy.istio.io/config" in annotations:
        config = merge(config, parse_proxy_config(annotations["proxy.istio.io/config"]))
    for spec in selected[:1]:
        config = merge(config, _from_object(spec))
    return Fields(config)


def _from_object(spec: Fields) -> Mapping[str, object]:
    fields: dict[str, object] = {}
    if "concurrency" in spec:
        fields["concurrency"] = spec.integer("concurrency")
    if "environmentVariables" in spec:
        fields["proxyMetadata"] = spec.text_map("environmentVariables")
    if "image" in spec:
        fields["image"] = {"imageType": spec.fields("image").text("imageType")}
    return fields


def print_proxy_config(config: Fields) -> str:
    """The value of the PROXY_CONFIG variable: JSON of what differs from the defaults, with a line end."""
    shown: dict[str, object] = {}
    for key in _FIELDS:
        value = config.value(key)
        default = DEFAULTS.get(key, "REDIRECT" if key == "interceptionMode" else None)
        if value is None or value == default or value in ("", []) or (key in _MAPS and not value):
            continue
        if key in ("statusPort", "proxyAdminPort", "statNameLength") and value == 0:
            continue
        shown[key] = value
    return json.dumps(shown, separators=(",", ":")) + "\n"
