"""Tracing of HTTP connection managers: sampling, custom tags, the provider's exporter.

istio pilot/pkg/networking/core/tracing.go, release 1.31.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from meshsim.api import Fields
from meshsim.controlplane.provider_clusters import ProviderCluster, lookup_cluster
from meshsim.controlplane.telemetry import AppliedTelemetry, ListenerClass, TracingChoice, tracing_choice
from meshsim.units import SECOND, Nanos
from meshsim.xds.messages import (
    any_pb2,
    base_pb2,
    custom_tag_pb2,
    duration_pb2,
    dynatrace_resource_detector_pb2,
    dynatrace_sampler_pb2,
    environment_resource_detector_pb2,
    extension_pb2,
    grpc_service_pb2,
    http_connection_manager_pb2,
    http_service_pb2,
    http_tracer_pb2,
    http_uri_pb2,
    metadata_kind_pb2,
    percent_pb2,
    trace_datadog_pb2,
    trace_opentelemetry_pb2,
    trace_skywalking_pb2,
    trace_zipkin_pb2,
    wrappers_pb2,
)
from meshsim.xds.packing import pack

if TYPE_CHECKING:
    from meshsim.controlplane.model import Proxy
    from meshsim.controlplane.push_context import PushContext

Tracing = http_connection_manager_pb2.HttpConnectionManager.Tracing
CustomTag = custom_tag_pb2.CustomTag

_DEFAULT_SAMPLING: Final = 1.0
"""PILOT_TRACE_SAMPLING, percent."""
_ZIPKIN_TIMEOUT: Final[Nanos] = 5 * SECOND
_DRY_RUN_TAGS: Final = (
    ("istio.authorization.dry_run.allow_policy.name", "istio_dry_run_allow_shadow_effective_policy_id"),
    ("istio.authorization.dry_run.allow_policy.result", "istio_dry_run_allow_shadow_engine_result"),
    ("istio.authorization.dry_run.deny_policy.name", "istio_dry_run_deny_shadow_effective_policy_id"),
    ("istio.authorization.dry_run.deny_policy.result", "istio_dry_run_deny_shadow_engine_result"),
)


@dataclass(frozen=True, slots=True)
class TracingConfig:
    """What a connection manager is told about tracing."""

    tracing: http_connection_manager_pb2.HttpConnectionManager.Tracing | None
    request_id_decides: bool
    """Whether the request id carries the sampling decision."""


def tracing_config(
    push: PushContext, proxy: Proxy, applied: AppliedTelemetry, listener_class: ListenerClass
) -> TracingConfig:
    """Tracing by Telemetry and default providers, else by the mesh's and the proxy's configuration."""
    settings = push.proxy_config(proxy).fields("tracing")
    choice = tracing_choice(push, applied, listener_class)
    if choice is None:
        if not push.mesh.fields.flag("enableTracing", True):
            return TracingConfig(None, True)
        tracing = Tracing()
        _set_sampling(tracing, _proxy_sampling(settings))
        istio_tags = settings.flag("enableIstioTags", True)
        _set_tags(tracing, proxy, istio_tags, settings.fields_map("customTags"))
        _set_tag_length(tracing, settings)
        return TracingConfig(tracing, True)
    if choice.disabled or choice.provider is None:
        return TracingConfig(None, True)
    return _provider_tracing(push, proxy, choice, settings)


def _provider_tracing(push: PushContext, proxy: Proxy, choice: TracingChoice, settings: Fields) -> TracingConfig:
    assert choice.provider is not None
    built = _exporter(push, proxy, choice.provider)
    if built is None:
        return TracingConfig(None, True)
    tracing = Tracing(provider=built.provider)
    if built.max_tag_length:
        tracing.max_path_tag_length.value = built.max_tag_length
    if proxy.is_router or built.own_spans:
        tracing.spawn_upstream_span.value = True
    if built.own_sampler:
        sampling = 100.0
    else:
        sampling = choice.sampling if choice.sampling is not None else _proxy_sampling(settings)
    _set_sampling(tracing, sampling)
    _set_tags(tracing, proxy, choice.istio_tags, choice.custom_tags or settings.fields_map("customTags"))
    if not tracing.HasField("max_path_tag_length"):
        _set_tag_length(tracing, settings)
    return TracingConfig(tracing, choice.request_id_decides)


def _proxy_sampling(settings: Fields) -> float:
    sampling = settings.number("sampling")
    if not sampling:
        return _DEFAULT_SAMPLING
    return _DEFAULT_SAMPLING if sampling > 100 else sampling


def _set_sampling(tracing: http_connection_manager_pb2.HttpConnectionManager.Tracing, percent: float) -> None:
    tracing.client_sampling.CopyFrom(percent_pb2.Percent(value=100))
    tracing.overall_sampling.CopyFrom(percent_pb2.Percent(value=100))
    tracing.random_sampling.CopyFrom(percent_pb2.Percent(value=percent))


def _set_tag_length(tracing: http_connection_manager_pb2.HttpConnectionManager.Tracing, settings: Fields) -> None:
    if settings.integer("maxPathTagLength"):
        tracing.max_path_tag_length.value = settings.integer("maxPathTagLength")


# --- tags --------------------------------------------------------------------------------------------------------


def _set_tags(
    tracing: http_connection_manager_pb2.HttpConnectionManager.Tracing,
    proxy: Proxy,
    istio_tags: bool,
    custom: Mapping[str, Fields],
) -> None:
    tags = [*_service_tags(proxy), *(_metadata_tag(*pair) for pair in _DRY_RUN_TAGS)] if istio_tags else []
    tags += [_custom_tag(name, tag) for name, tag in custom.items()]
    tracing.custom_tags.extend(sorted(tags, key=lambda tag: tag.tag))


def _service_tags(proxy: Proxy) -> list[custom_tag_pb2.CustomTag]:
    values = (
        ("istio.canonical_revision", proxy.labels.get("service.istio.io/canonical-revision") or "latest"),
        ("istio.canonical_service", proxy.labels.get("service.istio.io/canonical-name") or "unknown"),
        ("istio.mesh_id", proxy.metadata.text("MESH_ID") or "unknown"),
        ("istio.namespace", proxy.metadata.text("NAMESPACE") or "default"),
        ("istio.cluster_id", proxy.metadata.text("CLUSTER_ID") or "unknown"),
    )
    return [CustomTag(tag=tag, literal=CustomTag.Literal(value=value)) for tag, value in values]


def _metadata_tag(tag: str, key: str) -> custom_tag_pb2.CustomTag:
    path = [metadata_kind_pb2.MetadataKey.PathSegment(key=key)]
    metadata = CustomTag.Metadata(
        kind=metadata_kind_pb2.MetadataKind(request=metadata_kind_pb2.MetadataKind.Request()),
        metadata_key=metadata_kind_pb2.MetadataKey(key="envoy.filters.http.rbac", path=path),
    )
    return CustomTag(tag=tag, metadata=metadata)


def _custom_tag(name: str, tag: Fields) -> custom_tag_pb2.CustomTag:
    if "environment" in tag:
        source = tag.fields("environment")
        environment = CustomTag.Environment(name=source.text("name"), default_value=source.text("defaultValue"))
        return CustomTag(tag=name, environment=environment)
    if "header" in tag:
        source = tag.fields("header")
        header = CustomTag.Header(name=source.text("name"), default_value=source.text("defaultValue"))
        return CustomTag(tag=name, request_header=header)
    if "formatter" in tag:
        return CustomTag(tag=name, value=tag.fields("formatter").text("value"))
    return CustomTag(tag=name, literal=CustomTag.Literal(value=tag.fields("literal").text("value")))


# --- exporters ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Exporter:
    provider: http_tracer_pb2.Tracing.Http
    max_tag_length: int
    own_sampler: bool = False
    """All spans reach a sampler of the exporter."""
    own_spans: bool = False
    """Each upstream request gets its own span also in sidecars."""


def _exporter(push: PushContext, proxy: Proxy, provider: Fields) -> _Exporter | None:
    """The exporter of a provider; ``None`` for one that cannot trace or whose service is unknown."""
    for kind in ("zipkin", "datadog", "skywalking", "opentelemetry"):
        if kind not in provider:
            continue
        settings = provider.fields(kind)
        target = lookup_cluster(push, settings.text("service"), settings.integer("port"))
        if target is None:
            return None
        length = settings.integer("maxTagLength")
        if kind == "zipkin":
            return _Exporter(_http("envoy.tracers.zipkin", pack(_zipkin(settings, target))), length)
        if kind == "datadog":
            datadog = trace_datadog_pb2.DatadogConfig(
                collector_cluster=target.cluster, collector_hostname=target.hostname, service_name=proxy.cluster
            )
            return _Exporter(_http("envoy.tracers.datadog", pack(datadog)), length)
        if kind == "skywalking":
            skywalking = trace_skywalking_pb2.SkyWalkingConfig(grpc_service=_grpc(target))
            return _Exporter(_http("envoy.tracers.skywalking", pack(skywalking)), 0, own_spans=True)
        otel = _opentelemetry(push, proxy, settings, target)
        if otel is None:
            return None
        return _Exporter(_http("envoy.tracers.opentelemetry", pack(otel)), length, otel.HasField("sampler"))
    return None


def _http(name: str, config: any_pb2.Any) -> http_tracer_pb2.Tracing.Http:
    return http_tracer_pb2.Tracing.Http(name=name, typed_config=config)


def _grpc(target: ProviderCluster) -> grpc_service_pb2.GrpcService:
    envoy = grpc_service_pb2.GrpcService.EnvoyGrpc(cluster_name=target.cluster, authority=target.hostname)
    return grpc_service_pb2.GrpcService(envoy_grpc=envoy)


def _timeout(nanos: Nanos) -> duration_pb2.Duration:
    out = duration_pb2.Duration()
    out.FromNanoseconds(nanos)
    return out


def _zipkin(settings: Fields, target: ProviderCluster) -> trace_zipkin_pb2.ZipkinConfig:
    path = settings.text("path") or "/api/v2/spans"
    timeout = settings.duration("timeout")
    out = trace_zipkin_pb2.ZipkinConfig(
        collector_endpoint_version=trace_zipkin_pb2.ZipkinConfig.HTTP_JSON,
        trace_id_128bit=not settings.flag("enable64bitTraceId"),
        shared_span_context=wrappers_pb2.BoolValue(value=False),
        collector_service=_http_service(
            f"http://{target.hostname}{path}",
            target,
            _ZIPKIN_TIMEOUT if timeout is None else timeout,
            settings.items("headers"),
        ),
    )
    if settings.text("traceContextOption") == "USE_B3_WITH_W3C_PROPAGATION":
        out.trace_context_option = trace_zipkin_pb2.ZipkinConfig.USE_B3_WITH_W3C_PROPAGATION
    return out


def _http_service(
    uri: str, target: ProviderCluster, timeout: Nanos | None, headers: Iterable[Fields]
) -> http_service_pb2.HttpService:
    out = http_service_pb2.HttpService(http_uri=http_uri_pb2.HttpUri(uri=uri, cluster=target.cluster))
    if timeout is not None:
        out.http_uri.timeout.CopyFrom(_timeout(timeout))
    for header in headers:
        out.request_headers_to_add.add(
            append_action=base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
            header=_header(header),
        )
    return out


def _header(header: Fields) -> base_pb2.HeaderValue:
    """A header of an exporter.

    DEVIATION: `envName` reads an environment variable of istiod, which the model has not; the value is then empty.
    """
    return base_pb2.HeaderValue(key=header.text("name"), value=header.text("value"))


def _join(hostname: str, path: str) -> str:
    """Go's url.JoinPath of a host name and a path."""
    return f"{hostname}/{path.lstrip('/')}" if path.strip("/") else hostname


def _opentelemetry(
    push: PushContext, proxy: Proxy, settings: Fields, target: ProviderCluster
) -> trace_opentelemetry_pb2.OpenTelemetryConfig | None:
    out = trace_opentelemetry_pb2.OpenTelemetryConfig(service_name=proxy.cluster)
    if "http" in settings:
        http = settings.fields("http")
        uri = _join(target.hostname, http.text("path"))
        out.http_service.CopyFrom(_http_service(uri, target, http.duration("timeout"), http.items("headers")))
    else:
        grpc = settings.fields("grpc")
        out.grpc_service.CopyFrom(_grpc(target))
        timeout = grpc.duration("timeout")
        if timeout is not None:
            out.grpc_service.timeout.CopyFrom(_timeout(timeout))
        out.grpc_service.initial_metadata.extend(_header(h) for h in grpc.items("initialMetadata"))
    detectors = settings.fields("resourceDetectors")
    prefix = "envoy.tracers.opentelemetry.resource_detectors"
    if "environment" in detectors:
        environment = environment_resource_detector_pb2.EnvironmentResourceDetectorConfig()
        out.resource_detectors.add(name=f"{prefix}.environment", typed_config=pack(environment))
    if "dynatrace" in detectors:
        dynatrace = dynatrace_resource_detector_pb2.DynatraceResourceDetectorConfig()
        out.resource_detectors.add(name=f"{prefix}.dynatrace", typed_config=pack(dynatrace))
    if "dynatraceSampler" in settings:
        sampler = _dynatrace_sampler(push, settings, target)
        if sampler is None:
            return None
        out.sampler.CopyFrom(sampler)
    return out


def _dynatrace_sampler(
    push: PushContext, settings: Fields, target: ProviderCluster
) -> extension_pb2.TypedExtensionConfig | None:
    """The sampler, asking its own service or the exporter's HTTP one; ``None`` when it has neither."""
    sampler = settings.fields("dynatraceSampler")
    if "httpService" in sampler:
        service = sampler.fields("httpService")
        found = lookup_cluster(push, service.text("service"), service.integer("port"))
        if found is None:
            return None
        http = service.fields("http")
        target, path = found, http.text("path")
    elif "http" in settings:
        http, path = settings.fields("http"), "api/v2/samplingConfiguration"
    else:
        return None
    config = dynatrace_sampler_pb2.DynatraceSamplerConfig(
        tenant=sampler.text("tenant"),
        cluster_id=sampler.integer("clusterId"),
        root_spans_per_minute=sampler.integer("rootSpansPerMinute"),
        http_service=_http_service(
            _join(target.hostname, path), target, http.duration("timeout"), http.items("headers")
        ),
    )
    return extension_pb2.TypedExtensionConfig(
        name="envoy.tracers.opentelemetry.samplers.dynatrace", typed_config=pack(config)
    )
