"""The ``grpc-agent`` and ``grpc-simple`` templates: proxyless gRPC.

Source: istio manifests/charts/istio-control/istio-discovery/files/grpc-agent.yaml and grpc-simple.yaml, release 1.31.
"""

from __future__ import annotations

from typing import Final

from meshsim.admission import parts
from meshsim.admission.context import PROXY, TemplateContext
from meshsim.admission.parts import Body, compact, field_variable, mount, variable

_NO_REWRITE: Final = "sidecar.istio.io/rewriteAppHTTPProbers"
_BOOTSTRAP: Final = "grpc-io-proxyless-bootstrap"
_SCRIPT: Final = (
    'NODE_ID="sidecar~${INSTANCE_IP}~${POD_NAME}.${POD_NAMESPACE}~cluster.local"\n'
    'SERVER_URI="dns:///istiod.${ISTIO_NAMESPACE}.svc:15010"\n'
    "echo '\n"
    '{\n  "xds_servers": [\n    {\n'
    '      "server_uri": "\'${SERVER_URI}\'",\n'
    '      "channel_creds": [{"type": "insecure"}],\n'
    '      "server_features" : ["xds_v3"]\n    }\n  ],\n'
    '  "node": {\n    "id": "\'${NODE_ID}\'",\n    "metadata": {\n      "GENERATOR": "grpc"\n    }\n  }\n}'
    "' > /var/lib/grpc/data/bootstrap.json"
)


def grpc_agent_template(context: TemplateContext) -> Body:
    """An agent without Envoy that serves xDS and certificates to the application's gRPC library."""
    domain = context.proxy.text("clusterDomain", "cluster.local")
    port = int(context.status_port)
    arguments = parts.log_arguments(context, with_outlier_log=False)
    wait = ["pilot-agent", "wait", f"--url=http://localhost:{port}/healthz/ready"]
    agent = compact(
        name=PROXY,
        image=context.image(),
        ports=[{"containerPort": port, "protocol": "TCP", "name": "mesh-metrics"}],
        args=["proxy", "sidecar", "--domain", f"$(POD_NAMESPACE).svc.{domain}", *arguments],
        lifecycle={"postStart": {"exec": {"command": wait}}},
        env=[
            variable("ISTIO_META_GENERATOR", "grpc"),
            variable("OUTPUT_CERTS", "/var/lib/istio/data"),
            *parts.identity_environment(context, with_cpu_limit=False),
            variable("ISTIO_META_APP_CONTAINERS", ",".join(context.app_containers)),
            *parts.meta_environment(context, interception=False),
            *parts.metadata_environment(context),
            variable("ISTIO_META_DNS_CAPTURE", "false"),
            variable("DISABLE_ENVOY", "true"),
        ],
        imagePullPolicy=parts.pull_policy(context),
        readinessProbe=parts.readiness_probe(context, port),
        resources=parts.resources(context),
        volumeMounts=_agent_mounts(context),
    )
    spec = compact(
        containers=[agent, *(_agent_app(name) for name in context.app_containers)],
        volumes=_agent_volumes(context),
        imagePullSecrets=parts.pull_secrets(context),
    )
    annotations = {**parts.base_annotations(context), _NO_REWRITE: "false"}
    return {"metadata": {"labels": parts.canonical_labels(context), "annotations": annotations}, "spec": spec}


def _agent_app(name: str) -> Body:
    return {
        "name": name,
        "env": [
            variable("GRPC_XDS_EXPERIMENTAL_SECURITY_SUPPORT", "true"),
            variable("GRPC_XDS_BOOTSTRAP", "/etc/istio/proxy/grpc-bootstrap.json"),
        ],
        "volumeMounts": [
            mount("istio-data", "/var/lib/istio/data"),
            mount("istio-xds", "/etc/istio/proxy"),
            mount("workload-certs", "/var/run/secrets/workload-spiffe-credentials"),
        ],
    }


def _agent_mounts(context: TemplateContext) -> list[Body]:
    return [
        mount("workload-socket", "/var/run/secrets/workload-spiffe-uds"),
        mount("workload-certs", "/var/run/secrets/workload-spiffe-credentials"),
        *parts.root_mount(context),
        mount("istio-data", "/var/lib/istio/data"),
        mount("istio-xds", "/etc/istio/proxy"),
        mount("istio-token", "/var/run/secrets/tokens"),
        mount("istio-podinfo", "/etc/istio/pod"),
    ]


def _agent_volumes(context: TemplateContext) -> list[Body]:
    return [
        {"name": "workload-socket"},
        {"name": "workload-certs"},
        {"name": "istio-xds", "emptyDir": {"medium": "Memory"}},
        {"name": "istio-data", "emptyDir": {}},
        parts.podinfo_volume(),
        parts.token_volume(context),
        *parts.root_volume(context),
    ]


def grpc_simple_template(context: TemplateContext) -> Body:
    """A bootstrap file that sends the application's gRPC library to istiod directly."""
    data = mount(_BOOTSTRAP, "/var/lib/grpc/data/")
    init = {
        "name": "grpc-bootstrap-init",
        "image": "busybox:1.28",
        "command": ["sh", "-c", _SCRIPT],
        "volumeMounts": [data],
        "env": [
            field_variable("INSTANCE_IP", "status.podIP"),
            field_variable("POD_NAME", "metadata.name"),
            field_variable("POD_NAMESPACE", "metadata.namespace"),
            variable("ISTIO_NAMESPACE", context.globals.text("istioNamespace", "istio-system") + "\n"),
        ],
        "resources": {},
    }
    settings = [
        variable("GRPC_XDS_BOOTSTRAP", "/var/lib/grpc/data/bootstrap.json"),
        variable("GRPC_GO_LOG_VERBOSITY_LEVEL", "99"),
        variable("GRPC_GO_LOG_SEVERITY_LEVEL", "info"),
    ]
    spec: Body = {
        "initContainers": [init],
        "containers": [{"name": name, "env": settings, "volumeMounts": [data]} for name in context.app_containers],
        "volumes": [{"name": _BOOTSTRAP, "emptyDir": {}}],
    }
    return {"metadata": {"annotations": {_NO_REWRITE: "false"}}, "spec": spec}
