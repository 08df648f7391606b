"""Every kind meshsim knows: where it is served, what its fields are, whether a run simulates it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import Final

from meshsim.api.schema.notation import parse_table
from meshsim.api.schema.reading import Family
from meshsim.api.schema.scalars import SCALARS
from meshsim.api.schema.tables.gateway_api import GATEWAY_API
from meshsim.api.schema.tables.istio_networking import TRAFFIC, WORKLOADS
from meshsim.api.schema.tables.istio_policies import EXTENSIONS, SECURITY, TELEMETRY
from meshsim.api.schema.tables.kubernetes_cluster import CLUSTER
from meshsim.api.schema.tables.kubernetes_meta import META
from meshsim.api.schema.tables.kubernetes_pods import PODS
from meshsim.api.schema.tables.kubernetes_volumes import VOLUMES
from meshsim.api.schema.tables.kubernetes_workloads import WORKLOADS as POD_MAKERS
from meshsim.api.schema.types import AsBuiltIn, Field, Message, Scalar

_TABLES: Final[Mapping[Family, tuple[str, ...]]] = {
    Family.BUILT_IN: (META, VOLUMES, PODS, POD_MAKERS, CLUSTER),
    Family.PROTOBUF: (TRAFFIC, WORKLOADS, SECURITY, TELEMETRY, EXTENSIONS),
    Family.CRD: (GATEWAY_API,),
}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind as an API server serves it."""

    group: str
    name: str
    versions: tuple[str, ...]
    family: Family = Family.BUILT_IN
    namespaced: bool = True
    spec: str = ""
    """Message of ``spec``; empty when the fields are not tabulated, or stand at the top (`top`)."""
    top: str = ""
    """Message whose fields stand beside metadata, for kinds without a spec."""
    spec_required: bool = False
    simulated: bool = False
    """Whether a run gives the kind its effect; the others are accepted and reported."""
    partly: str = ""
    """What a run does with a kind whose effect it simulates in part only."""

    @property
    def tabulated(self) -> bool:
        return bool(self.spec or self.top)


def _core(names: str, **options: bool) -> list[Kind]:
    return [Kind("", name, ("v1",), **options) for name in names.split()]  # type: ignore[arg-type]


def _istio(group: str, versions: tuple[str, ...], name: str, required: bool = False, partly: str = "") -> Kind:
    spec = f"{name}Spec"
    return Kind(
        group, name, versions, Family.PROTOBUF, spec=spec, spec_required=required, simulated=not partly, partly=partly
    )


def _gateway(name: str, versions: tuple[str, ...], namespaced: bool = True, required: bool = True) -> Kind:
    spec = f"{name}Spec"
    return Kind(_GATEWAY_API, name, versions, Family.CRD, namespaced, spec, spec_required=required, simulated=True)


_V1: Final = ("v1",)
_GATEWAY_API: Final = "gateway.networking.k8s.io"
_CODE: Final = "in force in the proxies' configuration; the code of the extension is not run"
_EXPORT: Final = "in force in the proxies' configuration; nothing is sent to a collector"
_NETWORKING: Final = ("v1", "v1beta1", "v1alpha3")
_SECURITY: Final = ("v1", "v1beta1")
_ISTIO_NETWORKING: Final = "networking.istio.io"
_ISTIO_SECURITY: Final = "security.istio.io"

_KINDS: Final = (
    Kind("", "Namespace", _V1, namespaced=False, spec="NamespaceSpec", simulated=True),
    Kind("", "Node", _V1, namespaced=False, spec="NodeSpec", simulated=True),
    Kind("", "ServiceAccount", _V1, top="ServiceAccount", simulated=True),
    Kind("", "Pod", _V1, spec="PodSpec", spec_required=True, simulated=True),
    Kind("", "Service", _V1, spec="ServiceSpec", simulated=True),
    Kind("", "ConfigMap", _V1, top="ConfigMap"),
    Kind("", "Secret", _V1, top="Secret", simulated=True),
    Kind("", "PersistentVolumeClaim", _V1, spec="PersistentVolumeClaimSpec"),
    *_core("Endpoints Event LimitRange PodTemplate ReplicationController ResourceQuota"),
    *_core("PersistentVolume", namespaced=False),
    Kind("apps", "Deployment", _V1, spec="DeploymentSpec", spec_required=True, simulated=True),
    Kind("apps", "StatefulSet", _V1, spec="StatefulSetSpec", spec_required=True, simulated=True),
    Kind("apps", "ReplicaSet", _V1, spec="ReplicaSetSpec", spec_required=True, simulated=True),
    Kind("apps", "DaemonSet", _V1, spec="DaemonSetSpec", spec_required=True),
    Kind("apps", "ControllerRevision", _V1),
    Kind("batch", "Job", _V1),
    Kind("batch", "CronJob", _V1),
    Kind("discovery.k8s.io", "EndpointSlice", _V1, top="EndpointSlice", simulated=True),
    Kind("networking.k8s.io", "Ingress", _V1, spec="IngressSpec", simulated=True),
    Kind("networking.k8s.io", "IngressClass", _V1, namespaced=False, spec="IngressClassSpec", simulated=True),
    Kind("networking.k8s.io", "NetworkPolicy", _V1),
    Kind("networking.k8s.io", "IPAddress", _V1, namespaced=False),
    Kind("networking.k8s.io", "ServiceCIDR", _V1, namespaced=False),
    Kind(
        "autoscaling",
        "HorizontalPodAutoscaler",
        ("v2",),
        spec="HorizontalPodAutoscalerSpec",
        spec_required=True,
        simulated=True,
    ),
    Kind("policy", "PodDisruptionBudget", _V1, spec="PodDisruptionBudgetSpec"),
    _istio(_ISTIO_NETWORKING, _NETWORKING, "VirtualService"),
    _istio(_ISTIO_NETWORKING, _NETWORKING, "DestinationRule", required=True),
    _istio(_ISTIO_NETWORKING, _NETWORKING, "Gateway"),
    _istio(_ISTIO_NETWORKING, _NETWORKING, "ServiceEntry", required=True),
    _istio(_ISTIO_NETWORKING, _NETWORKING, "WorkloadEntry", required=True),
    _istio(_ISTIO_NETWORKING, _NETWORKING, "WorkloadGroup", required=True),
    _istio(_ISTIO_NETWORKING, _NETWORKING, "Sidecar"),
    _istio(_ISTIO_NETWORKING, ("v1alpha3",), "EnvoyFilter"),
    _istio(_ISTIO_NETWORKING, ("v1beta1",), "ProxyConfig"),
    _istio(_ISTIO_SECURITY, _SECURITY, "PeerAuthentication"),
    _istio(_ISTIO_SECURITY, _SECURITY, "RequestAuthentication"),
    _istio(_ISTIO_SECURITY, _SECURITY, "AuthorizationPolicy"),
    _istio("telemetry.istio.io", ("v1", "v1alpha1"), "Telemetry", partly=_EXPORT),
    _istio("extensions.istio.io", ("v1alpha1",), "WasmPlugin", required=True, partly=_CODE),
    _istio("extensions.istio.io", ("v1alpha1",), "TrafficExtension", partly=_CODE),
    _gateway("GatewayClass", ("v1", "v1beta1"), namespaced=False),
    _gateway("Gateway", ("v1", "v1beta1")),
    _gateway("HTTPRoute", ("v1", "v1beta1")),
    _gateway("GRPCRoute", ("v1",), required=False),
    _gateway("TCPRoute", ("v1", "v1alpha2")),
    _gateway("TLSRoute", ("v1", "v1alpha3", "v1alpha2")),
    _gateway("ReferenceGrant", ("v1", "v1beta1"), required=False),
    _gateway("BackendTLSPolicy", ("v1", "v1alpha3")),
    _gateway("ListenerSet", ("v1",)),
)
_BY_KEY: Final[Mapping[tuple[str, str], Kind]] = {(kind.group, kind.name): kind for kind in _KINDS}
_FOREIGN_CLUSTER_SCOPED: Final = frozenset(
    {
        "CustomResourceDefinition",
        "ClusterRole",
        "ClusterRoleBinding",
        "StorageClass",
        "PriorityClass",
        "RuntimeClass",
        "CSIDriver",
        "CSINode",
        "VolumeAttachment",
        "MutatingWebhookConfiguration",
        "ValidatingWebhookConfiguration",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "APIService",
        "ClusterIssuer",
        "PodSecurityPolicy",
    }
)
CLUSTER_SCOPED: Final = _FOREIGN_CLUSTER_SCOPED | {kind.name for kind in _KINDS if not kind.namespaced}
"""Kinds that live outside namespaces."""
_CLOSED_GROUPS: Final = frozenset(kind.group for kind in _KINDS) - {
    "gateway.networking.k8s.io",
    "policy",
    "autoscaling",
}
"""Groups of which every kind is known here, so another name is a mistake."""


def find_kind(api_version: str, name: str) -> Kind | None:
    """The kind served under an apiVersion; ``None`` for kinds of other projects. Raises ``ValueError`` when no cluster
    could serve it, with what is wrong and what to write instead."""
    group, slash, version = api_version.rpartition("/")
    kind = _BY_KEY.get((group, name))
    if kind is not None:
        if version in kind.versions:
            return kind
        prefix = group + slash
        raise ValueError(f"{name} is not served as '{api_version}'", f"use {prefix}{kind.versions[0]}")
    same_name = [other for (_, known), other in _BY_KEY.items() if known == name]
    if group in _CLOSED_GROUPS:
        names = [known for (known_group, known) in _BY_KEY if known_group == group]
        close = get_close_matches(name, names, 1) or [known for known in names if known.lower() == name.lower()]
        if same_name:
            hint = "its apiVersion is " + " or ".join(_api_version(other) for other in same_name)
        elif close:
            hint = f"did you mean '{close[0]}'?"
        else:
            hint = "known kinds: " + ", ".join(sorted(names))
        raise ValueError(f"there is no kind '{name}' in '{api_version}'", hint)
    if group in ("extensions", "") or not version:
        hint = "its apiVersion is " + " or ".join(_api_version(other) for other in same_name) if same_name else ""
        raise ValueError(f"{name} is not served as '{api_version}'", hint)
    return None


def _api_version(kind: Kind) -> str:
    return f"{kind.group}/{kind.versions[0]}" if kind.group else kind.versions[0]


@cache
def _family_messages(family: Family) -> Mapping[str, Message]:
    messages: dict[str, Message] = {}
    for table in _TABLES[family]:
        messages.update(parse_table(table, messages))
    return messages


@cache
def document_schema(kind: Kind) -> Message:
    """The schema of whole documents of a kind: identity, metadata, its own fields, and a status of any form.

    A kind without a table has its metadata checked and everything else taken as it is.
    """
    anything = Scalar(SCALARS["object"])
    text = Scalar(SCALARS["text"])
    document = Message(kind.name)
    for name in ("apiVersion", "kind"):
        document.fields[name] = Field(name, text, required=True)
    metadata = AsBuiltIn(_family_messages(Family.BUILT_IN)["ObjectMeta"])
    document.fields["metadata"] = Field("metadata", metadata, required=True)
    document.fields["status"] = Field("status", anything, nullable=True)
    if kind.spec:
        spec = _family_messages(kind.family)[kind.spec]
        document.fields["spec"] = Field("spec", spec, required=kind.spec_required)
    if kind.top:
        document.fields.update(_family_messages(kind.family)[kind.top].fields)
    return document


def known_kinds() -> tuple[Kind, ...]:
    """All kinds, in the order of the documentation."""
    return _KINDS
