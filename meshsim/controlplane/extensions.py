"""WasmPlugin and TrafficExtension: filters that users add, by phase, and their configurations (ECDS).

istio pilot/pkg/model/extensions.go, push_context.go (TrafficExtensionsByListenerInfo), bootstrap/configcontroller.go
(a WasmPlugin is read as a TrafficExtension) and networking/core/extension, release 1.31.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from meshsim.api import ApiObject, Fields
from meshsim.controlplane.policy_attachment import applies_to
from meshsim.controlplane.telemetry import ListenerClass
from meshsim.xds.messages import (
    any_pb2,
    base_pb2,
    config_source_pb2,
    duration_pb2,
    extension_pb2,
    http_connection_manager_pb2,
    listener_components_pb2,
    lua_pb2,
    network_wasm_pb2,
    wasm_filter_pb2,
    wasm_pb2,
    wrappers_pb2,
)
from meshsim.xds.packing import pack
from meshsim.xds.sharing import ByIdentity
from meshsim.xds.type_urls import PREFIX

if TYPE_CHECKING:
    from meshsim.controlplane.model import Proxy
    from meshsim.controlplane.push_context import PushContext

_NAME_PREFIX: Final = "extensions.istio.io/trafficextension/"
_TRANSLATED: Final = "~istio-translated-wasmplugin"
_RUNTIME: Final = "envoy.wasm.runtime.v8"
_FETCH_TIMEOUT_SECONDS: Final = 30
_PULL_SECRET_ENV: Final = "ISTIO_META_WASM_IMAGE_PULL_SECRET"
_PULL_POLICY_ENV: Final = "ISTIO_META_WASM_IMAGE_PULL_POLICY"
_VERSION_ENV: Final = "ISTIO_META_WASM_PLUGIN_RESOURCE_VERSION"
_DOCKER_CONFIG: Final = ".dockerconfigjson"
_HTTP_TYPES: Final = (
    PREFIX + "envoy.extensions.filters.http.wasm.v3.Wasm",
    PREFIX + "envoy.extensions.filters.http.rbac.v3.RBAC",
)
_NETWORK_TYPES: Final = (
    PREFIX + "envoy.extensions.filters.network.wasm.v3.Wasm",
    PREFIX + "envoy.extensions.filters.network.rbac.v3.RBAC",
)
_FAILURE_POLICIES: Final = {
    "FAIL_OPEN": wasm_pb2.FailurePolicy.FAIL_OPEN,
    "FAIL_RELOAD": wasm_pb2.FailurePolicy.FAIL_RELOAD,
}


class Phase(Enum):
    """Where in the filter chain an extension stands."""

    AUTHN = "AUTHN"
    AUTHZ = "AUTHZ"
    STATS = "STATS"
    UNSPECIFIED = "UNSPECIFIED"
    """Just before the proxy's own traffic management filters."""


@dataclass(frozen=True, slots=True, eq=False)
class Extension:
    """One extension in force for a workload."""

    source: ApiObject
    plugin: Fields
    """The wasm settings; empty for Lua."""
    lua: str
    """Inline code; empty for wasm."""

    @property
    def name(self) -> str:
        """``namespace.name``, marked when a WasmPlugin stands behind it."""
        mark = _TRANSLATED if self.source.kind == "WasmPlugin" else ""
        return f"{self.source.namespace}.{self.source.name}{mark}"

    @property
    def resource_name(self) -> str:
        """Name of its filter and of its ECDS resource."""
        return _NAME_PREFIX + self.name

    @property
    def phase(self) -> Phase:
        text = self.source.spec.text("phase")
        return Phase(text) if text in ("AUTHN", "AUTHZ", "STATS") else Phase.UNSPECIFIED

    @property
    def priority(self) -> int | None:
        return self.source.spec.optional_integer("priority")

    @property
    def is_network(self) -> bool:
        return self.plugin.text("type") == "NETWORK"

    def takes(self, listener_class: ListenerClass, port: int) -> bool:
        """Whether its traffic selectors, if any, hold a listener's direction and port."""
        selectors = self.source.spec.items("match")
        return not selectors or any(
            _matches_mode(s.text("mode"), listener_class) and _matches_port(s.items("ports"), port) for s in selectors
        )


def _matches_mode(mode: str, listener_class: ListenerClass) -> bool:
    if mode not in ("CLIENT", "SERVER"):
        return True
    return mode == listener_class.mode.value


def _matches_port(ports: Sequence[Fields], port: int) -> bool:
    return not ports or any(p.integer("number") in (0, port) for p in ports)


class Extensions:
    """All extensions of one workload."""

    def __init__(self, found: Sequence[Extension]) -> None:
        self._found = tuple(found)

    @property
    def key(self) -> tuple[ByIdentity[ApiObject], ...]:
        """Equal keys mean the same extensions."""
        return tuple(ByIdentity(extension.source) for extension in self._found)

    def http_filters(
        self, listener_class: ListenerClass, port: int, phase: Phase
    ) -> list[http_connection_manager_pb2.HttpFilter]:
        """The HTTP filters of a phase on a port, the highest priority first."""
        return [_http_filter(e) for e in self._select(listener_class, port, phase) if not e.is_network]

    def network_filters(
        self, listener_class: ListenerClass, port: int, *phases: Phase
    ) -> list[listener_components_pb2.Filter]:
        """The network filters of phases on a port."""
        return [
            _network_filter(e)
            for phase in phases or tuple(Phase)
            for e in self._select(listener_class, port, phase)
            if e.is_network
        ]

    def _select(self, listener_class: ListenerClass, port: int, phase: Phase) -> list[Extension]:
        return [e for e in self._found if e.phase is phase and e.takes(listener_class, port)]

    def configurations(self, push: PushContext, names: Sequence[str]) -> list[extension_pb2.TypedExtensionConfig]:
        """The ECDS resources of these names, as far as they are extensions of the workload."""
        wanted = set(names)
        return [
            extension_pb2.TypedExtensionConfig(name=e.resource_name, typed_config=_wasm(push, e))
            for e in self._found
            if e.resource_name in wanted and not e.lua
        ]


def workload_extensions(push: PushContext, proxy: Proxy) -> Extensions:
    """Extensions of the proxy's own and of the root namespace that attach to it; equal priorities in that order."""
    namespaces = dict.fromkeys((proxy.namespace, push.mesh.root_namespace))
    found = [
        extension
        for namespace in namespaces
        for source in sorted(
            (*push.configs("WasmPlugin", namespace), *push.configs("TrafficExtension", namespace)),
            key=lambda o: (o.created, o.name),
        )
        if applies_to(source, proxy.namespace, proxy.labels) and (extension := _extension(source)) is not None
    ]
    # An extension without priority comes after those with one, however low.
    found.sort(key=lambda e: (e.priority is None, -(e.priority or 0)))
    return Extensions(found)


def _extension(source: ApiObject) -> Extension | None:
    if source.kind == "WasmPlugin":
        return Extension(source, source.spec, "")
    if "wasm" in source.spec:
        return Extension(source, source.spec.fields("wasm"), "")
    code = source.spec.fields("lua").text("inlineCode")
    return Extension(source, Fields(None), code) if code else None


# --- filters -----------------------------------------------------------------------------------------------------


def _discovery(types: Sequence[str]) -> config_source_pb2.ExtensionConfigSource:
    """Asked for over ADS; the listener waits for it, since it may guard the workload."""
    source = config_source_pb2.ConfigSource(
        ads=config_source_pb2.AggregatedConfigSource(),
        initial_fetch_timeout=duration_pb2.Duration(),
        resource_api_version=config_source_pb2.ApiVersion.V3,
    )
    return config_source_pb2.ExtensionConfigSource(config_source=source, type_urls=types)


def _http_filter(extension: Extension) -> http_connection_manager_pb2.HttpFilter:
    out = http_connection_manager_pb2.HttpFilter(name=extension.resource_name)
    if extension.lua:
        lua = lua_pb2.Lua(default_source_code=base_pb2.DataSource(inline_string=extension.lua))
        out.typed_config.CopyFrom(pack(lua))
    else:
        out.config_discovery.CopyFrom(_discovery(_HTTP_TYPES))
    return out


def _network_filter(extension: Extension) -> listener_components_pb2.Filter:
    return listener_components_pb2.Filter(name=extension.resource_name, config_discovery=_discovery(_NETWORK_TYPES))


def _wasm(push: PushContext, extension: Extension) -> any_pb2.Any:
    plugin = extension.plugin
    config = wasm_pb2.PluginConfig(
        name=extension.name,
        root_id=plugin.text("pluginName"),
        configuration=_plugin_configuration(plugin),
        vm_config=_vm_config(push, extension),
        failure_policy=_FAILURE_POLICIES.get(plugin.text("failStrategy"), wasm_pb2.FailurePolicy.FAIL_CLOSED),
    )
    if extension.is_network:
        return pack(network_wasm_pb2.Wasm(config=config))
    return pack(wasm_filter_pb2.Wasm(config=config))


def _plugin_configuration(plugin: Fields) -> any_pb2.Any:
    body = plugin.fields("pluginConfig").body
    if not body:
        return any_pb2.Any()
    return pack(wrappers_pb2.StringValue(value=json.dumps(body, sort_keys=True, separators=(",", ":"))))


def _vm_config(push: PushContext, extension: Extension) -> wasm_pb2.VmConfig:
    plugin = extension.plugin
    out = wasm_pb2.VmConfig(runtime=_RUNTIME, code=_code(plugin))
    values = out.environment_variables.key_values
    if plugin.text("imagePullSecret"):
        values[_PULL_SECRET_ENV] = _pull_secret(push, plugin.text("imagePullSecret"), extension.source.namespace)
    policy = plugin.text("imagePullPolicy", "UNSPECIFIED_POLICY")
    if policy != "UNSPECIFIED_POLICY":
        values[_PULL_POLICY_ENV] = policy
    values[_VERSION_ENV] = extension.source.metadata.text("resourceVersion", "1")
    for entry in plugin.fields("vmConfig").items("env"):
        if entry.text("valueFrom", "INLINE") == "HOST":
            out.environment_variables.host_env_keys.append(entry.text("name"))
        else:
            values[entry.text("name")] = entry.text("value")
    return out


def _code(plugin: Fields) -> base_pb2.AsyncDataSource:
    """Where the module is: a file of the proxy's container, else an address that the proxy's agent fetches."""
    url = plugin.text("url")
    scheme = urlsplit(url).scheme
    if scheme == "file":
        return base_pb2.AsyncDataSource(local=base_pb2.DataSource(filename=url.removeprefix("file://")))
    out = base_pb2.AsyncDataSource()
    out.remote.http_uri.uri = url if scheme else f"oci://{url}"
    out.remote.http_uri.timeout.seconds = _FETCH_TIMEOUT_SECONDS
    out.remote.http_uri.cluster = "_"
    out.remote.sha256 = plugin.text("sha256")
    return out


def _pull_secret(push: PushContext, name: str, namespace: str) -> str:
    """The registry credentials of a Secret in the extension's namespace, empty when there is none."""
    name = name.rpartition("/")[2]
    for secret in push.objects.select("Secret", "", namespace):
        if secret.name == name:
            data = secret.fields.text_map("data").get(_DOCKER_CONFIG)
            if data is not None:
                return base64.b64decode(data).decode()
            return secret.fields.text_map("stringData").get(_DOCKER_CONFIG, "")
    return ""
