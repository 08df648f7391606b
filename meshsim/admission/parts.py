"""Pieces that several injection templates share (istio manifests/charts/istio-control/istio-discovery/files, 1.31)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final, TypeAlias

from meshsim.admission.annotations import (
    PROXY_CPU,
    PROXY_CPU_LIMIT,
    PROXY_MEMORY,
    PROXY_MEMORY_LIMIT,
    READINESS_FAILURES,
    READINESS_INITIAL_DELAY,
    READINESS_PERIOD,
)
from meshsim.admission.context import TemplateContext
from meshsim.admission.proxyconfig import print_proxy_config
from meshsim.admission.quantities import canonical_quantity
from meshsim.api import Fields
from meshsim.api.canonical import NAME_LABELS, REVISION_LABELS, canonical_name, canonical_revision

Body: TypeAlias = dict[str, object]
_PORT_FIELDS: Final = ("name", "hostPort", "containerPort", "protocol", "hostIP")


def compact(**fields: object) -> Body:
    """A document without the fields that are None."""
    return {key: value for key, value in fields.items() if value is not None}


def variable(name: str, value: str) -> Body:
    """An environment variable; an empty value is not printed."""
    return {"name": name, "value": value} if value else {"name": name}


def field_variable(name: str, path: str) -> Body:
    """An environment variable from a field of the pod."""
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def resource_variable(name: str, resource: str) -> Body:
    """An environment variable from a resource limit of the container."""
    return {"name": name, "valueFrom": {"resourceFieldRef": {"resource": resource, "divisor": "1"}}}


def canonical_labels(context: TemplateContext) -> Body:
    """Labels of the canonical service."""
    labels = context.labels
    name = canonical_name(labels, context.workload.name)
    return {NAME_LABELS[0]: name[:63].removesuffix("-"), REVISION_LABELS[0]: canonical_revision(labels)}


def base_annotations(context: TemplateContext) -> Body:
    """Revision and default container."""
    found: Body = {"istio.io/rev": context.revision or "default"}
    containers = context.app_containers
    for name in ("kubectl.kubernetes.io/default-logs-container", "kubectl.kubernetes.io/default-container"):
        if containers and name not in context.annotations:
            found[name] = containers[0]
    return found


def pull_policy(context: TemplateContext) -> str | None:
    """imagePullPolicy of injected containers."""
    return context.globals.text("imagePullPolicy") or None


def resources(context: TemplateContext) -> Body:
    """Requests and limits of the proxy: annotations replace the values altogether."""
    kinds = {
        "requests": {"cpu": PROXY_CPU, "memory": PROXY_MEMORY},
        "limits": {"cpu": PROXY_CPU_LIMIT, "memory": PROXY_MEMORY_LIMIT},
    }
    own: Body = {}
    for kind, names in kinds.items():
        given = {key: context.annotations[name] for key, name in names.items() if name in context.annotations}
        if given:
            own[kind] = given
    return canonical_resources(own if own else context.proxy.fields("resources").body)


def canonical_resources(given: Mapping[str, object]) -> Body:
    """Resource requirements with canonical quantities."""
    found: Body = {}
    for kind, amounts in given.items():
        if isinstance(amounts, Mapping):
            shown = {key: canonical_quantity(str(amount)) for key, amount in amounts.items() if amount is not None}
            if shown:
                found[kind] = shown
    return found


def identity_environment(context: TemplateContext, with_cpu_limit: bool = True) -> list[Body]:
    """The variables every proxy starts with."""
    revision = context.values.text("revision") or context.revision
    suffix = "" if revision in ("", "default") else f"-{revision}"
    address = f"istiod{suffix}.{context.globals.text('istioNamespace', 'istio-system')}.svc:15012"
    found = [
        variable("PILOT_CERT_PROVIDER", context.globals.text("pilotCertProvider", "istiod")),
        variable("CA_ADDR", context.globals.text("caAddress") or address),
        field_variable("POD_NAME", "metadata.name"),
        field_variable("POD_NAMESPACE", "metadata.namespace"),
        field_variable("INSTANCE_IP", "status.podIP"),
        field_variable("SERVICE_ACCOUNT", "spec.serviceAccountName"),
        field_variable("HOST_IP", "status.hostIP"),
    ]
    if with_cpu_limit:
        found.append(resource_variable("ISTIO_CPU_LIMIT", "limits.cpu"))
    found.append(variable("PROXY_CONFIG", print_proxy_config(context.proxy_config)))
    return [*found, variable("ISTIO_META_POD_PORTS", pod_ports(context.spec))]


def pod_ports(spec: Fields) -> str:
    """Ports of all containers, as the template prints them."""
    ports = [
        json.dumps({key: port.value(key) for key in _PORT_FIELDS if key in port}, separators=(",", ":"))
        for container in spec.items("containers")
        for port in container.items("ports")
    ]
    lines = [f"    {',' if index else ''}{port}\n" for index, port in enumerate(ports)]
    return "[\n" + "".join(lines) + "]"


def memory_limits() -> list[Body]:
    """Go's limits from the container's own."""
    return [resource_variable("GOMEMLIMIT", "limits.memory"), resource_variable("GOMAXPROCS", "limits.cpu")]


def meta_environment(context: TemplateContext, interception: bool = True) -> list[Body]:
    """Node metadata, and what proxyMetadata adds."""
    found = [
        variable("ISTIO_META_CLUSTER_ID", context.globals.fields("multiCluster").text("clusterName") or "Kubernetes"),
        field_variable("ISTIO_META_NODE_NAME", "spec.nodeName"),
    ]
    if interception:
        found.append(variable("ISTIO_META_INTERCEPTION_MODE", context.interception_mode))
    if context.globals.text("network"):
        found.append(variable("ISTIO_META_NETWORK", context.globals.text("network")))
    workload = context.workload
    if workload.name:
        shown = context.labels.get("service.istio.io/workload-name", workload.name)
        namespace = workload.namespace or "default"
        kind = f"{workload.kind.lower()}s"
        owner = f"kubernetes://apis/{workload.api_version}/namespaces/{namespace}/{kind}/{workload.name}"
        found += [variable("ISTIO_META_WORKLOAD_NAME", shown), variable("ISTIO_META_OWNER", owner)]
    if "sidecar.istio.io/bootstrapOverride" in context.annotations:
        found.append(variable("ISTIO_BOOTSTRAP_OVERRIDE", "/etc/istio/custom-bootstrap/custom_bootstrap.json"))
    trust_domain = context.mesh.text("trustDomain", "cluster.local")
    found += [
        variable("ISTIO_META_MESH_ID", context.globals.text("meshID") or trust_domain),
        variable("TRUST_DOMAIN", trust_domain),
    ]
    return found


def metadata_environment(context: TemplateContext) -> list[Body]:
    """proxyMetadata as variables."""
    return [variable(name, value) for name, value in context.metadata.items()]


def readiness_probe(context: TemplateContext, port: int = 15021) -> Body | None:
    """The proxy's readiness probe; none with status port 0."""
    if context.status_port == "0":
        return None
    values = context.proxy
    delay = int(context.annotation(READINESS_INITIAL_DELAY, values.text("readinessInitialDelaySeconds", "0")))
    period = int(context.annotation(READINESS_PERIOD, values.text("readinessPeriodSeconds", "15")))
    failures = int(context.annotation(READINESS_FAILURES, values.text("readinessFailureThreshold", "4")))
    return compact(
        httpGet={"path": "/healthz/ready", "port": port},
        initialDelaySeconds=delay or None,
        periodSeconds=period or None,
        timeoutSeconds=3,
        failureThreshold=failures or None,
    )


def log_arguments(context: TemplateContext, with_outlier_log: bool = True) -> list[str]:
    """Arguments of the agent about logging and tokens."""
    values, proxy = context.globals, context.proxy
    level = context.annotation("sidecar.istio.io/logLevel", proxy.text("logLevel"))
    components = context.annotation("sidecar.istio.io/componentLogLevel", proxy.text("componentLogLevel"))
    arguments = [f"--proxyLogLevel={level}", f"--proxyComponentLogLevel={components}", agent_log_level(context)]
    if values.fields("sts").integer("servicePort"):
        arguments.append(f"--stsPort={values.fields('sts').integer('servicePort')}")
    if values.flag("logAsJson"):
        arguments.append("--log_as_json")
    if with_outlier_log and proxy.text("outlierLogPath"):
        arguments.append(f"--outlierLogPath={proxy.text('outlierLogPath')}")
    return arguments


def agent_log_level(context: TemplateContext) -> str:
    """The agent's own log level as an argument."""
    level = context.globals.fields("logging").text("level", "default:info")
    return f"--log_output_level={context.annotation('sidecar.istio.io/agentLogLevel', level)}"


def token_volume(context: TemplateContext) -> Body:
    """The projected service account token for the CA."""
    source = {
        "serviceAccountToken": {
            "path": "istio-token",
            "expirationSeconds": 43200,
            "audience": context.globals.fields("sds").fields("token").text("aud", "istio-ca"),
        }
    }
    return {"name": "istio-token", "projected": {"sources": [source]}}


def podinfo_volume() -> Body:
    """Labels and annotations as files."""
    items = [{"path": name, "fieldRef": {"fieldPath": f"metadata.{name}"}} for name in ("labels", "annotations")]
    return {"name": "istio-podinfo", "downwardAPI": {"items": items}}


def root_volume(context: TemplateContext) -> list[Body]:
    """The root certificate; from a cluster trust bundle when that API is on."""
    if context.globals.text("pilotCertProvider", "istiod") != "istiod":
        return []
    env = context.values.fields("pilot").fields("env")
    if env.text("ENABLE_CLUSTER_TRUST_BUNDLE_API") == "true":
        bundle = {"clusterTrustBundle": {"name": "istio.io:istiod-ca:root-cert", "path": "root-cert.pem"}}
        return [{"name": "istiod-ca-cert", "projected": {"sources": [bundle]}}]
    return [{"name": "istiod-ca-cert", "configMap": {"name": "istio-ca-root-cert"}}]


def root_mount(context: TemplateContext) -> list[Body]:
    """Where the root certificate is mounted."""
    if context.globals.text("pilotCertProvider", "istiod") != "istiod":
        return []
    return [mount("istiod-ca-cert", "/var/run/secrets/istio")]


def mount(name: str, path: str) -> Body:
    """A volume mount."""
    return {"name": name, "mountPath": path}


def pull_secrets(context: TemplateContext) -> list[Body] | None:
    """imagePullSecrets of the values."""
    return [{"name": name} for name in context.globals.texts("imagePullSecrets")] or None
