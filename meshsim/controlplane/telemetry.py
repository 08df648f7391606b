"""Telemetry objects and provider defaults as they apply to one proxy: metrics, access logging, tracing.

istio pilot/pkg/model/telemetry.go, release 1.31.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final

from meshsim.api import ApiObject, Fields
from meshsim.controlplane.policy_attachment import applies_to, target_refs
from meshsim.units import Nanos
from meshsim.xds.istio_messages import StatsMetricConfig, StatsPluginConfig
from meshsim.xds.messages import any_pb2
from meshsim.xds.packing import pack

if TYPE_CHECKING:
    from meshsim.controlplane.model import Proxy
    from meshsim.controlplane.push_context import PushContext

STATS_FILTER: Final = "istio.stats"


class ListenerClass(Enum):
    """What a listener is for; decides which side of a Telemetry counts."""

    SIDECAR_INBOUND = "inbound"
    SIDECAR_OUTBOUND = "outbound"
    GATEWAY = "gateway"

    @property
    def mode(self) -> WorkloadMode:
        return WorkloadMode.SERVER if self is ListenerClass.SIDECAR_INBOUND else WorkloadMode.CLIENT


class WorkloadMode(Enum):
    """Role of the workload in a request."""

    CLIENT = "CLIENT"
    SERVER = "SERVER"


BUILT_IN_PROVIDERS: Final[Mapping[str, Mapping[str, object]]] = {
    "prometheus": {"name": "prometheus", "prometheus": {}},
    "stackdriver": {"name": "stackdriver", "stackdriver": {}},
    "envoy": {"name": "envoy", "envoyFileAccessLog": {"path": "/dev/stdout"}},
}
"""Extension providers every mesh has (istio pkg/config/mesh/mesh.go DefaultMeshConfig)."""

_PROMETHEUS_METRICS: Final[Mapping[str, str]] = {
    "GRPC_REQUEST_MESSAGES": "request_messages_total",
    "GRPC_RESPONSE_MESSAGES": "response_messages_total",
    "REQUEST_COUNT": "requests_total",
    "REQUEST_DURATION": "request_duration_milliseconds",
    "REQUEST_SIZE": "request_bytes",
    "RESPONSE_SIZE": "response_bytes",
    "TCP_CLOSED_CONNECTIONS": "tcp_connections_closed_total",
    "TCP_OPENED_CONNECTIONS": "tcp_connections_opened_total",
    "TCP_RECEIVED_BYTES": "tcp_received_bytes_total",
    "TCP_SENT_BYTES": "tcp_sent_bytes_total",
}
"""Every metric of the API, sorted, with its Prometheus name."""


@dataclass(frozen=True, slots=True)
class AppliedTelemetry:
    """What the Telemetry objects of root namespace, namespace and workload say, later levels overriding."""

    objects: tuple[ApiObject, ...]
    """The objects in force."""
    metrics: tuple[Fields, ...]
    logging: tuple[tuple[Fields, ...], ...]
    """By level."""
    tracing: tuple[Fields, ...]


def applied_telemetry(push: PushContext, proxy: Proxy) -> AppliedTelemetry:
    """Telemetry in force for a proxy: the oldest general object of each namespace, then all that select it."""
    root = push.mesh.root_namespace
    objects = []
    for namespace in dict.fromkeys((root, proxy.namespace)):
        general = next((t for t in push.configs("Telemetry", namespace) if not _selective(t)), None)
        if general is not None:
            objects.append(general)
    objects += [
        item
        for item in push.configs("Telemetry", proxy.namespace)
        if _selective(item) and applies_to(item, proxy.namespace, proxy.labels)
    ]
    return AppliedTelemetry(
        objects=tuple(objects),
        metrics=tuple(entry for item in objects for entry in item.spec.items("metrics")),
        logging=tuple(entries for item in objects if (entries := item.spec.items("accessLogging"))),
        tracing=tuple(entry for item in objects for entry in item.spec.items("tracing")),
    )


def _selective(item: ApiObject) -> bool:
    return bool(item.spec.fields("selector").text_map("matchLabels") or target_refs(item))


def find_provider(push: PushContext, name: str) -> Fields | None:
    """An extension provider by name, in any case; those of the mesh before the built-in ones."""
    for provider in push.mesh.fields.items("extensionProviders"):
        if provider.text("name").lower() == name.lower():
            return provider
    built_in = BUILT_IN_PROVIDERS.get(name.lower())
    return Fields(built_in) if built_in is not None else None


def default_providers(push: PushContext, kind: str) -> tuple[str, ...]:
    """`defaultProviders` of the mesh for ``metrics``, ``accessLogging`` or ``tracing``."""
    return push.mesh.fields.fields("defaultProviders").texts(kind)


def _names(entry: Fields) -> tuple[str, ...]:
    return tuple(provider.text("name") for provider in entry.items("providers"))


# --- metrics -----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Override:
    disabled: bool | None = None
    tags: dict[str, Fields] = field(default_factory=dict)


@dataclass(slots=True)
class _ProviderMetrics:
    """Overrides of one provider by role and metric."""

    overrides: dict[WorkloadMode, dict[str, _Override]] = field(default_factory=dict)
    off: set[WorkloadMode] = field(default_factory=set)
    reporting_interval: Nanos | None = None


def stats_configs(push: PushContext, applied: AppliedTelemetry, listener_class: ListenerClass) -> list[any_pb2.Any]:
    """Configurations of the `istio.stats` filters of a listener, one a Prometheus provider (usually one or none)."""
    out = []
    merged = _merge_metrics(applied.metrics, default_providers(push, "metrics"))
    for name in sorted(merged):
        provider = find_provider(push, name)
        if provider is None or "prometheus" not in provider or listener_class.mode in merged[name].off:
            continue
        config = StatsPluginConfig(disable_host_header_fallback=listener_class is not ListenerClass.SIDECAR_OUTBOUND)
        interval = merged[name].reporting_interval
        if interval is not None:
            config.tcp_reporting_duration.FromNanoseconds(interval)
        overrides = merged[name].overrides.get(listener_class.mode, {})
        for metric in sorted(overrides):
            config.metrics.append(_metric_config(metric, overrides[metric]))
        out.append(pack(config))
    return out


def _metric_config(metric: str, override: _Override) -> StatsMetricConfig:
    removed = [tag for tag in sorted(override.tags) if override.tags[tag].text("operation") == "REMOVE"]
    return StatsMetricConfig(
        name=_PROMETHEUS_METRICS.get(metric, metric),
        drop=bool(override.disabled),
        tags_to_remove=removed,
        dimensions={tag: override.tags[tag].text("value") for tag in sorted(override.tags) if tag not in removed},
    )


def _merge_metrics(entries: Sequence[Fields], defaults: tuple[str, ...]) -> dict[str, _ProviderMetrics]:
    """Providers in force with their overrides; an entry without providers goes to those of the entry before."""
    if not entries:
        return {name: _ProviderMetrics() for name in defaults}
    in_force = next((names for entry in reversed(entries) if (names := _names(entry))), defaults)
    merged: dict[str, _ProviderMetrics] = {}
    inherited = defaults
    for entry in entries:
        inherited = _names(entry) or inherited
        for name in inherited:
            if name not in in_force:
                continue
            target = merged.setdefault(name, _ProviderMetrics())
            interval = entry.duration("reportingInterval")
            target.reporting_interval = interval if interval is not None else target.reporting_interval
            for override in entry.items("overrides"):
                _apply_override(target, override)
    return merged


def _apply_override(target: _ProviderMetrics, override: Fields) -> None:
    match = override.fields("match")
    all_metrics = "customMetric" not in match and match.text("metric", "ALL_METRICS") == "ALL_METRICS"
    modes = _modes(match.text("mode"))
    if all_metrics and override.flag("disabled"):
        target.off.update(modes)
        return
    if "customMetric" in match:
        metrics: Iterable[str] = (match.text("customMetric"),)
    else:
        metrics = _PROMETHEUS_METRICS if all_metrics else (match.text("metric"),)
    for mode in modes:
        target.off.discard(mode)
        for metric in metrics:
            entry = target.overrides.setdefault(mode, {}).setdefault(metric, _Override())
            disabled = override.optional_flag("disabled")
            entry.disabled = disabled if disabled is not None else entry.disabled
            entry.tags.update(override.fields_map("tagOverrides"))


def _modes(text: str) -> tuple[WorkloadMode, ...]:
    return (WorkloadMode(text),) if text in ("CLIENT", "SERVER") else tuple(WorkloadMode)


# --- access logging ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LoggingChoice:
    """One access log provider in force."""

    provider: Fields
    expression: str | None
    """CEL filter; ``None`` without."""
    disabled: bool


def logging_choices(push: PushContext, applied: AppliedTelemetry, listener_class: ListenerClass) -> list[LoggingChoice]:
    """Access logs of a listener by provider name; empty when nothing but the mesh's older fields can say anything."""
    chosen = _merge_logging(applied.logging, default_providers(push, "accessLogging"), listener_class.mode)
    out = []
    for name, (entry, disabled) in chosen.items():
        provider = find_provider(push, name)
        if provider is None:
            continue
        has_filter = entry is not None and "filter" in entry
        expression = entry.fields("filter").text("expression") if has_filter and entry is not None else None
        out.append(LoggingChoice(provider, expression, disabled))
    out.sort(key=lambda choice: choice.provider.text("name"))
    return out


def _merge_logging(
    levels: Sequence[Sequence[Fields]], defaults: tuple[str, ...], mode: WorkloadMode
) -> dict[str, tuple[Fields | None, bool]]:
    """Provider name to (entry whose filter counts, disabled); the last level that names providers decides which."""
    if not levels:
        return dict.fromkeys(defaults, (None, False))
    in_force: Iterable[str] = defaults
    entry_of: dict[str, Fields] = {}
    for level in levels:
        names: dict[str, None] = {}
        for entry in level:
            if _matches_mode(entry, mode):
                for name in _names(entry):
                    names[name] = None
                    entry_of[name] = entry
        in_force = names or in_force
    scope = set(in_force)
    merged: dict[str, tuple[Fields | None, bool]] = {}
    inherited = defaults
    for entry in (entry for level in levels for entry in level):
        inherited = _names(entry) or inherited
        if not _matches_mode(entry, mode):
            continue
        for name in inherited:
            if name in scope:
                disabled = entry.flag("disabled")
                merged[name] = (None, True) if disabled else (entry_of.get(name), False)
    return merged


def _matches_mode(entry: Fields, mode: WorkloadMode) -> bool:
    wanted = entry.fields("match").text("mode")
    return wanted not in ("CLIENT", "SERVER") or wanted == mode.value


# --- tracing -----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class TracingChoice:
    """Tracing of one role, all levels merged."""

    provider: Fields | None
    disabled: bool = False
    sampling: float | None = None
    """Percent; ``None`` leaves it to the proxy configuration."""
    custom_tags: Mapping[str, Fields] = field(default_factory=dict)
    request_id_decides: bool = True
    """useRequestIdForTraceSampling."""
    istio_tags: bool = True


def tracing_choice(push: PushContext, applied: AppliedTelemetry, listener_class: ListenerClass) -> TracingChoice | None:
    """Tracing of a listener; ``None`` when no Telemetry and no default provider says anything."""
    defaults = default_providers(push, "tracing")
    if not applied.tracing and not defaults:
        return None
    choice = TracingChoice(find_provider(push, defaults[0]) if defaults else None)
    for entry in applied.tracing:
        mode = entry.fields("match").text("mode")
        if mode in ("CLIENT", "SERVER") and mode != listener_class.mode.value:
            continue
        _apply_tracing(push, choice, entry)
    if choice.provider is None:
        choice.disabled = True
    return choice


def _apply_tracing(push: PushContext, choice: TracingChoice, entry: Fields) -> None:
    names = _names(entry)
    if names:
        choice.provider = find_provider(push, names[0])
    choice.disabled = entry.flag("disableSpanReporting", choice.disabled)
    if "customTags" in entry:
        choice.custom_tags = entry.fields_map("customTags")
    if "randomSamplingPercentage" in entry:
        choice.sampling = entry.number("randomSamplingPercentage")
    choice.request_id_decides = entry.flag("useRequestIdForTraceSampling", choice.request_id_decides)
    choice.istio_tags = entry.flag("enableIstioTags", choice.istio_tags)
