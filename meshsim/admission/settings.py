"""What an injector is configured with: chart values, mesh config, policy and the nodes it knows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from meshsim.admission.annotations import NATIVE_SIDECAR
from meshsim.api import Fields

DEFAULT_VALUES: Final[Mapping[str, object]] = {
    "global": {
        "hub": "registry.istio.io/release",
        "tag": "1.31.0",
        "variant": "",
        "caAddress": "",
        "imagePullPolicy": "",
        "imagePullSecrets": [],
        "istioNamespace": "istio-system",
        "logAsJson": False,
        "logging": {"level": "default:info"},
        "meshID": "",
        "mountMtlsCerts": False,
        "multiCluster": {"clusterName": ""},
        "nativeNftables": False,
        "network": "",
        "pilotCertProvider": "istiod",
        "proxy": {
            "autoInject": "enabled",
            "clusterDomain": "cluster.local",
            "componentLogLevel": "misc:error",
            "excludeIPRanges": "",
            "excludeInboundPorts": "",
            "excludeOutboundPorts": "",
            "image": "proxyv2",
            "includeIPRanges": "*",
            "includeInboundPorts": "*",
            "includeOutboundPorts": "",
            "logLevel": "warning",
            "outlierLogPath": "",
            "privileged": False,
            "readinessFailureThreshold": 4,
            "readinessInitialDelaySeconds": 0,
            "readinessPeriodSeconds": 15,
            "resources": {
                "limits": {"cpu": "2000m", "memory": "1024Mi"},
                "requests": {"cpu": "100m", "memory": "128Mi"},
            },
            "seccompProfile": {},
            "startupProbe": {"enabled": True, "failureThreshold": 600},
            "statusPort": 15020,
            "tracer": "none",
        },
        "proxy_init": {"forceApplyIptables": False, "image": "proxyv2"},
        "sds": {"token": {"aud": "istio-ca"}},
        "sts": {"servicePort": 0},
    },
    "pilot": {"cni": {"enabled": False, "provider": "default"}, "env": {}},
    "gateways": {"seccompProfile": {}, "securityContext": {}},
    "revision": "",
    "sidecarInjectorWebhook": {"rewriteAppHTTPProbe": True},
}
"""The values of the istiod chart that injection reads, profile ``default`` of release 1.31."""

DEFAULT_MESH: Final[Mapping[str, object]] = {
    "defaultConfig": {"discoveryAddress": "istiod.istio-system.svc:15012"},
    "enablePrometheusMerge": True,
    "rootNamespace": "istio-system",
    "trustDomain": "cluster.local",
}
_VERSION: Final = re.compile(r"v?(\d+)\.(\d+)")
_NATIVE_SINCE: Final = (1, 33)


@dataclass(frozen=True, slots=True, kw_only=True)
class InjectionSettings:
    """Configuration of one injector (one revision of istiod)."""

    values: Mapping[str, object] = field(default_factory=lambda: DEFAULT_VALUES)
    """Chart values, complete."""
    mesh: Mapping[str, object] = field(default_factory=lambda: DEFAULT_MESH)
    """MeshConfig as written; missing fields have istiod's defaults."""
    policy: str = "enabled"
    never_inject: tuple[Fields, ...] = ()
    """Label selectors of pods that are left alone."""
    always_inject: tuple[Fields, ...] = ()
    default_templates: tuple[str, ...] = ("sidecar",)
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    injected_annotations: Mapping[str, str] = field(default_factory=dict)
    revision: str = "default"
    native_sidecars: str = "auto"
    """ENABLE_NATIVE_SIDECARS: ``auto``, ``true`` or ``false``."""
    kubelet_versions: Mapping[str, str] = field(default_factory=dict)
    """Kubelet version by node, for ``auto``."""
    clusters: tuple[str, ...] = ("Kubernetes",)
    """Clusters whose nodes the injector can look at."""
    proxy_configs: tuple[Fields, ...] = ()
    """ProxyConfig documents of the mesh."""
    compliance_policy: str = ""
    """COMPLIANCE_POLICY of istiod, such as ``fips-140-3``."""
    openshift: bool = False

    def uses_native_sidecar(self, annotations: Mapping[str, str], node: str, cluster: str) -> bool:
        """Whether istio-proxy becomes an init container that keeps running (istio pkg/kube/inject/webhook.go).

        The pod's annotation wins; ``auto`` wants kubelet 1.33 or newer on the pod's node, or on all nodes while it has
        none (or an unknown one). Nodes of a cluster the injector does not know count as old.
        """
        if NATIVE_SIDECAR in annotations:
            return annotations[NATIVE_SIDECAR] not in ("", "false")
        if self.native_sidecars != "auto":
            return self.native_sidecars == "true"
        if cluster and cluster not in self.clusters:
            return False
        if node in self.kubelet_versions:
            return _supports_native(self.kubelet_versions[node])
        return all(_supports_native(version) for version in self.kubelet_versions.values())


def _supports_native(version: str) -> bool:
    found = _VERSION.match(version)
    return found is not None and (int(found.group(1)), int(found.group(2))) >= _NATIVE_SINCE


def overlay(base: Mapping[str, object], patch: Mapping[str, object]) -> dict[str, object]:
    """`patch` merged over `base` by RFC 7396: mappings merge, null removes, everything else replaces."""
    merged = dict(base)
    for key, value in patch.items():
        before = merged.get(key)
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping):
            merged[key] = overlay(before if isinstance(before, Mapping) else {}, value)
        else:
            merged[key] = value
    return merged
