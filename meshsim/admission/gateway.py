"""The ``gateway`` template: a proxy for a pod that is a gateway of its own.

Source: istio manifests/charts/istio-control/istio-discovery/files/gateway-injection-template.yaml, release 1.31.
"""

from __future__ import annotations

from meshsim.admission import parts
from meshsim.admission.context import PROXY, TemplateContext
from meshsim.admission.parts import Body, compact, mount, variable


def gateway_template(context: TemplateContext) -> Body:
    """The partial pod that is merged over the pod."""
    domain = context.proxy.text("clusterDomain", "cluster.local")
    security: Body = {"runAsUser": context.proxy_uid, "runAsGroup": context.proxy_gid}
    arguments = parts.log_arguments(context, with_outlier_log=False)
    proxy = compact(
        name=PROXY,
        image=context.image(),
        ports=[{"containerPort": 15090, "protocol": "TCP", "name": "http-envoy-prom"}],
        args=["proxy", "router", "--domain", f"$(POD_NAMESPACE).svc.{domain}", *arguments],
        lifecycle=dict(context.proxy.fields("lifecycle").body) or None,
        securityContext=security,
        env=_environment(context),
        imagePullPolicy=parts.pull_policy(context),
        readinessProbe=parts.readiness_probe(context),
        volumeMounts=_mounts(context),
    )
    sysctls = [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]
    spec = compact(
        securityContext={"sysctls": sysctls},
        containers=[proxy],
        volumes=_volumes(context),
        imagePullSecrets=parts.pull_secrets(context),
    )
    metadata = {"labels": parts.canonical_labels(context), "annotations": parts.base_annotations(context)}
    return {"metadata": metadata, "spec": spec}


def _environment(context: TemplateContext) -> list[Body]:
    return [
        *parts.identity_environment(context),
        *parts.memory_limits(),
        variable("ISTIO_META_APP_CONTAINERS", ",".join(context.app_containers)),
        *parts.meta_environment(context),
        *parts.metadata_environment(context),
    ]


def _mounts(context: TemplateContext) -> list[Body]:
    return [
        mount("workload-socket", "/var/run/secrets/workload-spiffe-uds"),
        mount("credential-socket", "/var/run/secrets/credential-uds"),
        mount("workload-certs", "/var/run/secrets/workload-spiffe-credentials"),
        *parts.root_mount(context),
        mount("istio-data", "/var/lib/istio/data"),
        mount("istio-envoy", "/etc/istio/proxy"),
        mount("istio-token", "/var/run/secrets/tokens"),
        mount("istio-podinfo", "/etc/istio/pod"),
    ]


def _volumes(context: TemplateContext) -> list[Body]:
    return [
        {"name": "workload-socket"},
        {"name": "credential-socket", "emptyDir": {}},
        {"name": "workload-certs", "emptyDir": {}},
        {"name": "istio-envoy", "emptyDir": {"medium": "Memory"}},
        {"name": "istio-data", "emptyDir": {}},
        parts.podinfo_volume(),
        parts.token_volume(context),
        *parts.root_volume(context),
    ]
