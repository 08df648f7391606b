"""Envoy v3 messages by module, for the rooms that build or read them.

Only this room imports ``envoy.*``. Modules whose names clash carry their area in the alias (`http_rbac_pb2`,
`network_rbac_pb2`, and `rbac_pb2` for the policies they share).
"""

from envoy.admin.v3 import clusters_pb2 as clusters_pb2
from envoy.admin.v3 import config_dump_pb2 as config_dump_pb2
from envoy.admin.v3 import config_dump_shared_pb2 as config_dump_shared_pb2
from envoy.config.accesslog.v3 import accesslog_pb2 as accesslog_pb2
from envoy.config.bootstrap.v3 import bootstrap_pb2 as bootstrap_pb2
from envoy.config.cluster.v3 import circuit_breaker_pb2 as circuit_breaker_pb2
from envoy.config.cluster.v3 import cluster_pb2 as cluster_pb2
from envoy.config.cluster.v3 import filter_pb2 as cluster_filter_pb2
from envoy.config.cluster.v3 import outlier_detection_pb2 as outlier_detection_pb2
from envoy.config.core.v3 import address_pb2 as address_pb2
from envoy.config.core.v3 import base_pb2 as base_pb2
from envoy.config.core.v3 import config_source_pb2 as config_source_pb2
from envoy.config.core.v3 import extension_pb2 as extension_pb2
from envoy.config.core.v3 import grpc_service_pb2 as grpc_service_pb2
from envoy.config.core.v3 import health_check_pb2 as health_check_pb2
from envoy.config.core.v3 import http_service_pb2 as http_service_pb2
from envoy.config.core.v3 import http_uri_pb2 as http_uri_pb2
from envoy.config.core.v3 import protocol_pb2 as protocol_pb2
from envoy.config.core.v3 import proxy_protocol_pb2 as proxy_protocol_pb2
from envoy.config.core.v3 import resolver_pb2 as resolver_pb2
from envoy.config.core.v3 import socket_option_pb2 as socket_option_pb2
from envoy.config.core.v3 import substitution_format_string_pb2 as substitution_format_string_pb2
from envoy.config.endpoint.v3 import endpoint_components_pb2 as endpoint_components_pb2
from envoy.config.endpoint.v3 import endpoint_pb2 as endpoint_pb2
from envoy.config.listener.v3 import listener_components_pb2 as listener_components_pb2
from envoy.config.listener.v3 import listener_pb2 as listener_pb2
from envoy.config.rbac.v3 import rbac_pb2 as rbac_pb2
from envoy.config.route.v3 import route_components_pb2 as route_components_pb2
from envoy.config.route.v3 import route_pb2 as route_pb2
from envoy.config.trace.v3 import datadog_pb2 as trace_datadog_pb2
from envoy.config.trace.v3 import http_tracer_pb2 as http_tracer_pb2
from envoy.config.trace.v3 import opentelemetry_pb2 as trace_opentelemetry_pb2
from envoy.config.trace.v3 import skywalking_pb2 as trace_skywalking_pb2
from envoy.config.trace.v3 import zipkin_pb2 as trace_zipkin_pb2
from envoy.extensions.access_loggers.file.v3 import file_pb2 as file_access_log_pb2
from envoy.extensions.access_loggers.filters.cel.v3 import cel_pb2 as cel_access_log_filter_pb2
from envoy.extensions.access_loggers.grpc.v3 import als_pb2 as grpc_access_log_pb2
from envoy.extensions.access_loggers.open_telemetry.v3 import logs_service_pb2 as otel_access_log_pb2
from envoy.extensions.access_loggers.stream.v3 import stream_pb2 as stream_access_log_pb2
from envoy.extensions.clusters.dynamic_forward_proxy.v3 import cluster_pb2 as dynamic_forward_proxy_cluster_pb2
from envoy.extensions.common.dynamic_forward_proxy.v3 import dns_cache_pb2 as dns_cache_pb2
from envoy.extensions.filters.common.fault.v3 import fault_pb2 as common_fault_pb2
from envoy.extensions.filters.http.buffer.v3 import buffer_pb2 as buffer_pb2
from envoy.extensions.filters.http.composite.v3 import composite_pb2 as composite_pb2
from envoy.extensions.filters.http.cors.v3 import cors_pb2 as cors_pb2
from envoy.extensions.filters.http.dynamic_forward_proxy.v3 import (
    dynamic_forward_proxy_pb2 as http_dynamic_forward_proxy_pb2,
)
from envoy.extensions.filters.http.ext_authz.v3 import ext_authz_pb2 as http_ext_authz_pb2
from envoy.extensions.filters.http.fault.v3 import fault_pb2 as fault_pb2
from envoy.extensions.filters.http.grpc_stats.v3 import config_pb2 as grpc_stats_pb2
from envoy.extensions.filters.http.grpc_web.v3 import grpc_web_pb2 as grpc_web_pb2
from envoy.extensions.filters.http.header_mutation.v3 import header_mutation_pb2 as header_mutation_pb2
from envoy.extensions.filters.http.jwt_authn.v3 import config_pb2 as jwt_authn_pb2
from envoy.extensions.filters.http.local_ratelimit.v3 import local_rate_limit_pb2 as http_local_ratelimit_pb2
from envoy.extensions.filters.http.lua.v3 import lua_pb2 as lua_pb2
from envoy.extensions.filters.http.on_demand.v3 import on_demand_pb2 as on_demand_pb2
from envoy.extensions.filters.http.rbac.v3 import rbac_pb2 as http_rbac_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2 as router_pb2
from envoy.extensions.filters.http.set_filter_state.v3 import set_filter_state_pb2 as set_filter_state_pb2
from envoy.extensions.filters.http.stateful_session.v3 import stateful_session_pb2 as stateful_session_pb2
from envoy.extensions.filters.http.wasm.v3 import wasm_pb2 as wasm_filter_pb2
from envoy.extensions.filters.listener.http_inspector.v3 import http_inspector_pb2 as http_inspector_pb2
from envoy.extensions.filters.listener.local_ratelimit.v3 import local_ratelimit_pb2 as listener_local_ratelimit_pb2
from envoy.extensions.filters.listener.original_dst.v3 import original_dst_pb2 as original_dst_pb2
from envoy.extensions.filters.listener.original_src.v3 import original_src_pb2 as original_src_pb2
from envoy.extensions.filters.listener.proxy_protocol.v3 import proxy_protocol_pb2 as listener_proxy_protocol_pb2
from envoy.extensions.filters.listener.tls_inspector.v3 import tls_inspector_pb2 as tls_inspector_pb2
from envoy.extensions.filters.network.connection_limit.v3 import connection_limit_pb2 as connection_limit_pb2
from envoy.extensions.filters.network.ext_authz.v3 import ext_authz_pb2 as network_ext_authz_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as http_connection_manager_pb2,
)
from envoy.extensions.filters.network.mongo_proxy.v3 import mongo_proxy_pb2 as mongo_proxy_pb2
from envoy.extensions.filters.network.rbac.v3 import rbac_pb2 as network_rbac_pb2
from envoy.extensions.filters.network.redis_proxy.v3 import redis_proxy_pb2 as redis_proxy_pb2
from envoy.extensions.filters.network.sni_cluster.v3 import sni_cluster_pb2 as sni_cluster_pb2
from envoy.extensions.filters.network.sni_dynamic_forward_proxy.v3 import (
    sni_dynamic_forward_proxy_pb2 as sni_dynamic_forward_proxy_pb2,
)
from envoy.extensions.filters.network.tcp_proxy.v3 import tcp_proxy_pb2 as tcp_proxy_pb2
from envoy.extensions.filters.network.wasm.v3 import wasm_pb2 as network_wasm_pb2
from envoy.extensions.formatter.req_without_query.v3 import req_without_query_pb2 as reqwithoutquery_formatter_pb2
from envoy.extensions.http.header_formatters.preserve_case.v3 import preserve_case_pb2 as preserve_case_pb2
from envoy.extensions.internal_redirect.allow_listed_routes.v3 import (
    allow_listed_routes_config_pb2 as allow_listed_routes_pb2,
)
from envoy.extensions.internal_redirect.previous_routes.v3 import previous_routes_config_pb2 as originate_redirect_pb2
from envoy.extensions.internal_redirect.safe_cross_scheme.v3 import (
    safe_cross_scheme_config_pb2 as safe_cross_scheme_pb2,
)
from envoy.extensions.load_balancing_policies.client_side_weighted_round_robin.v3 import (
    client_side_weighted_round_robin_pb2 as client_side_weighted_lb_pb2,
)
from envoy.extensions.load_balancing_policies.cluster_provided.v3 import cluster_provided_pb2 as cluster_provided_lb_pb2
from envoy.extensions.load_balancing_policies.common.v3 import common_pb2 as lb_common_pb2
from envoy.extensions.load_balancing_policies.least_request.v3 import least_request_pb2 as least_request_lb_pb2
from envoy.extensions.load_balancing_policies.maglev.v3 import maglev_pb2 as maglev_lb_pb2
from envoy.extensions.load_balancing_policies.override_host.v3 import override_host_pb2 as override_host_lb_pb2
from envoy.extensions.load_balancing_policies.random.v3 import random_pb2 as random_lb_pb2
from envoy.extensions.load_balancing_policies.ring_hash.v3 import ring_hash_pb2 as ring_hash_lb_pb2
from envoy.extensions.load_balancing_policies.round_robin.v3 import round_robin_pb2 as round_robin_lb_pb2
from envoy.extensions.load_balancing_policies.subset.v3 import subset_pb2 as subset_lb_pb2
from envoy.extensions.load_balancing_policies.wrr_locality.v3 import wrr_locality_pb2 as wrr_locality_lb_pb2
from envoy.extensions.matching.input_matchers.ip.v3 import ip_pb2 as ip_input_matcher_pb2
from envoy.extensions.network.dns_resolver.cares.v3 import cares_dns_resolver_pb2 as cares_dns_resolver_pb2
from envoy.extensions.path.match.uri_template.v3 import uri_template_match_pb2 as uri_template_match_pb2
from envoy.extensions.path.rewrite.uri_template.v3 import uri_template_rewrite_pb2 as uri_template_rewrite_pb2
from envoy.extensions.request_id.uuid.v3 import uuid_pb2 as request_id_uuid_pb2
from envoy.extensions.retry.host.omit_host_metadata.v3 import (
    omit_host_metadata_config_pb2 as omit_host_metadata_pb2,
)
from envoy.extensions.retry.host.previous_hosts.v3 import previous_hosts_pb2 as previous_hosts_pb2
from envoy.extensions.retry.priority.previous_priorities.v3 import (
    previous_priorities_config_pb2 as previous_priorities_pb2,
)
from envoy.extensions.tracers.opentelemetry.resource_detectors.v3 import (
    dynatrace_resource_detector_pb2 as dynatrace_resource_detector_pb2,
)
from envoy.extensions.tracers.opentelemetry.resource_detectors.v3 import (
    environment_resource_detector_pb2 as environment_resource_detector_pb2,
)
from envoy.extensions.tracers.opentelemetry.samplers.v3 import dynatrace_sampler_pb2 as dynatrace_sampler_pb2
from envoy.extensions.transport_sockets.internal_upstream.v3 import internal_upstream_pb2 as internal_upstream_pb2
from envoy.extensions.transport_sockets.proxy_protocol.v3 import (
    upstream_proxy_protocol_pb2 as upstream_proxy_protocol_pb2,
)
from envoy.extensions.transport_sockets.raw_buffer.v3 import raw_buffer_pb2 as raw_buffer_pb2
from envoy.extensions.transport_sockets.tls.v3 import common_pb2 as tls_common_pb2
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2 as tls_secret_pb2
from envoy.extensions.transport_sockets.tls.v3 import tls_pb2 as tls_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2 as http_protocol_options_pb2
from envoy.extensions.wasm.v3 import wasm_pb2 as wasm_pb2
from envoy.service.discovery.v3 import discovery_pb2 as discovery_pb2
from envoy.type.matcher.v3 import filter_state_pb2 as filter_state_matcher_pb2
from envoy.type.matcher.v3 import http_inputs_pb2 as http_inputs_pb2
from envoy.type.matcher.v3 import metadata_pb2 as metadata_matcher_pb2
from envoy.type.matcher.v3 import path_pb2 as path_pb2
from envoy.type.matcher.v3 import regex_pb2 as regex_pb2
from envoy.type.matcher.v3 import string_pb2 as string_pb2
from envoy.type.matcher.v3 import value_pb2 as value_pb2
from envoy.type.metadata.v3 import metadata_pb2 as metadata_kind_pb2
from envoy.type.tracing.v3 import custom_tag_pb2 as custom_tag_pb2
from envoy.type.v3 import hash_policy_pb2 as hash_policy_pb2
from envoy.type.v3 import http_status_pb2 as http_status_pb2
from envoy.type.v3 import percent_pb2 as percent_pb2
from envoy.type.v3 import range_pb2 as range_pb2
from envoy.type.v3 import token_bucket_pb2 as token_bucket_pb2
from google.api.expr.v1alpha1 import syntax_pb2 as cel_syntax_pb2
from google.protobuf import any_pb2 as any_pb2
from google.protobuf import descriptor_pb2 as descriptor_pb2
from google.protobuf import duration_pb2 as duration_pb2
from google.protobuf import empty_pb2 as empty_pb2
from google.protobuf import struct_pb2 as struct_pb2
from google.protobuf import wrappers_pb2 as wrappers_pb2
from opentelemetry.proto.common.v1 import common_pb2 as otlp_common_pb2
from udpa.type.v1 import typed_struct_pb2 as typed_struct_pb2
from xds.core.v3 import cidr_pb2 as cidr_pb2
from xds.core.v3 import extension_pb2 as xds_extension_pb2
from xds.type.matcher.v3 import cel_pb2 as xds_cel_matcher_pb2
from xds.type.matcher.v3 import ip_pb2 as xds_ip_pb2
from xds.type.matcher.v3 import matcher_pb2 as matcher_pb2
from xds.type.matcher.v3 import string_pb2 as xds_string_pb2
from xds.type.v3 import typed_struct_pb2 as xds_typed_struct_pb2

__all__ = [
    "accesslog_pb2",
    "address_pb2",
    "allow_listed_routes_pb2",
    "any_pb2",
    "base_pb2",
    "bootstrap_pb2",
    "buffer_pb2",
    "cares_dns_resolver_pb2",
    "cel_access_log_filter_pb2",
    "cel_syntax_pb2",
    "cidr_pb2",
    "circuit_breaker_pb2",
    "client_side_weighted_lb_pb2",
    "cluster_filter_pb2",
    "cluster_pb2",
    "cluster_provided_lb_pb2",
    "clusters_pb2",
    "common_fault_pb2",
    "composite_pb2",
    "config_dump_pb2",
    "config_dump_shared_pb2",
    "config_source_pb2",
    "connection_limit_pb2",
    "cors_pb2",
    "custom_tag_pb2",
    "descriptor_pb2",
    "discovery_pb2",
    "dns_cache_pb2",
    "duration_pb2",
    "dynamic_forward_proxy_cluster_pb2",
    "dynatrace_resource_detector_pb2",
    "dynatrace_sampler_pb2",
    "empty_pb2",
    "endpoint_components_pb2",
    "endpoint_pb2",
    "environment_resource_detector_pb2",
    "extension_pb2",
    "fault_pb2",
    "file_access_log_pb2",
    "filter_state_matcher_pb2",
    "grpc_access_log_pb2",
    "grpc_service_pb2",
    "grpc_stats_pb2",
    "grpc_web_pb2",
    "hash_policy_pb2",
    "header_mutation_pb2",
    "health_check_pb2",
    "http_connection_manager_pb2",
    "http_dynamic_forward_proxy_pb2",
    "http_ext_authz_pb2",
    "http_inputs_pb2",
    "http_inspector_pb2",
    "http_local_ratelimit_pb2",
    "http_protocol_options_pb2",
    "http_rbac_pb2",
    "http_service_pb2",
    "http_status_pb2",
    "http_tracer_pb2",
    "http_uri_pb2",
    "internal_upstream_pb2",
    "ip_input_matcher_pb2",
    "jwt_authn_pb2",
    "lb_common_pb2",
    "least_request_lb_pb2",
    "listener_components_pb2",
    "listener_local_ratelimit_pb2",
    "listener_pb2",
    "listener_proxy_protocol_pb2",
    "lua_pb2",
    "maglev_lb_pb2",
    "matcher_pb2",
    "metadata_kind_pb2",
    "metadata_matcher_pb2",
    "mongo_proxy_pb2",
    "network_ext_authz_pb2",
    "network_rbac_pb2",
    "network_wasm_pb2",
    "omit_host_metadata_pb2",
    "on_demand_pb2",
    "original_dst_pb2",
    "original_src_pb2",
    "originate_redirect_pb2",
    "otel_access_log_pb2",
    "otlp_common_pb2",
    "outlier_detection_pb2",
    "override_host_lb_pb2",
    "path_pb2",
    "percent_pb2",
    "preserve_case_pb2",
    "previous_hosts_pb2",
    "previous_priorities_pb2",
    "protocol_pb2",
    "proxy_protocol_pb2",
    "random_lb_pb2",
    "range_pb2",
    "raw_buffer_pb2",
    "rbac_pb2",
    "redis_proxy_pb2",
    "regex_pb2",
    "request_id_uuid_pb2",
    "reqwithoutquery_formatter_pb2",
    "resolver_pb2",
    "ring_hash_lb_pb2",
    "round_robin_lb_pb2",
    "route_components_pb2",
    "route_pb2",
    "router_pb2",
    "safe_cross_scheme_pb2",
    "set_filter_state_pb2",
    "sni_cluster_pb2",
    "sni_dynamic_forward_proxy_pb2",
    "socket_option_pb2",
    "stateful_session_pb2",
    "stream_access_log_pb2",
    "string_pb2",
    "struct_pb2",
    "subset_lb_pb2",
    "substitution_format_string_pb2",
    "tcp_proxy_pb2",
    "tls_common_pb2",
    "tls_inspector_pb2",
    "tls_pb2",
    "tls_secret_pb2",
    "token_bucket_pb2",
    "trace_datadog_pb2",
    "trace_opentelemetry_pb2",
    "trace_skywalking_pb2",
    "trace_zipkin_pb2",
    "typed_struct_pb2",
    "upstream_proxy_protocol_pb2",
    "uri_template_match_pb2",
    "uri_template_rewrite_pb2",
    "value_pb2",
    "wasm_filter_pb2",
    "wasm_pb2",
    "wrappers_pb2",
    "wrr_locality_lb_pb2",
    "xds_cel_matcher_pb2",
    "xds_extension_pb2",
    "xds_ip_pb2",
    "xds_string_pb2",
    "xds_typed_struct_pb2",
]
