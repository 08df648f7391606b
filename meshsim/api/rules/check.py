"""Which rules hold for which kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from meshsim.api.fields import Fields
from meshsim.api.rules.authentication import check_peer_authentication, check_request_authentication
from meshsim.api.rules.authorization import check_authorization_policy
from meshsim.api.rules.destination_rule import check_destination_rule
from meshsim.api.rules.envoy_filter import check_envoy_filter
from meshsim.api.rules.extensions import (
    check_proxy_config,
    check_telemetry,
    check_traffic_extension,
    check_wasm_plugin,
)
from meshsim.api.rules.gateway import check_gateway
from meshsim.api.rules.kubernetes import check_pod, check_pod_maker, check_service
from meshsim.api.rules.report import Report
from meshsim.api.rules.service_entry import check_service_entry, check_workload_entry, check_workload_group
from meshsim.api.rules.sidecar import check_sidecar
from meshsim.api.rules.virtual_service import check_virtual_service

_Check: TypeAlias = Callable[[Fields, Report], None]

_CHECKS: Final[Mapping[tuple[str, str], _Check]] = {
    ("", "Service"): check_service,
    ("", "Pod"): check_pod,
    ("apps", "Deployment"): check_pod_maker,
    ("apps", "StatefulSet"): check_pod_maker,
    ("apps", "ReplicaSet"): check_pod_maker,
    ("apps", "DaemonSet"): check_pod_maker,
    ("networking.istio.io", "VirtualService"): check_virtual_service,
    ("networking.istio.io", "DestinationRule"): check_destination_rule,
    ("networking.istio.io", "Gateway"): check_gateway,
    ("networking.istio.io", "ServiceEntry"): check_service_entry,
    ("networking.istio.io", "WorkloadEntry"): check_workload_entry,
    ("networking.istio.io", "WorkloadGroup"): check_workload_group,
    ("networking.istio.io", "Sidecar"): check_sidecar,
    ("networking.istio.io", "EnvoyFilter"): check_envoy_filter,
    ("networking.istio.io", "ProxyConfig"): check_proxy_config,
    ("security.istio.io", "PeerAuthentication"): check_peer_authentication,
    ("security.istio.io", "RequestAuthentication"): check_request_authentication,
    ("telemetry.istio.io", "Telemetry"): check_telemetry,
    ("extensions.istio.io", "WasmPlugin"): check_wasm_plugin,
    ("extensions.istio.io", "TrafficExtension"): check_traffic_extension,
}
_DRY_RUN: Final = "istio.io/dry-run"
_INTERNAL: Final = "internal.istio.io/"


def check_rules(group: str, kind: str, body: Mapping[str, object]) -> Report:
    """What the rules within one object say about a document whose fields have passed their table."""
    document = Fields(body)
    metadata = document.fields("metadata")
    report = Report(metadata.text("name"), metadata.text("namespace", "default"), metadata.text_map("labels"))
    spec = document.fields("spec")
    annotations = metadata.fields("annotations")
    if (group, kind) == ("security.istio.io", "AuthorizationPolicy"):
        check_authorization_policy(spec, annotations, report)
    else:
        check = _CHECKS.get((group, kind))
        if check is not None:
            check(spec, report)
        if group.endswith(".istio.io") and _DRY_RUN in annotations:
            report.refuse(annotations.at(_DRY_RUN), f"a {kind} has no dry run", "leave the annotation out")
    if group.endswith(".istio.io"):
        for name in annotations:
            if name.startswith(_INTERNAL):
                report.refuse(annotations.at(name), f"'{name}' is set by Istio itself, not by users")
    return report
