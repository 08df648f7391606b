"""The ``sidecar`` template: rules, proxy, volumes, labels and annotations of an ordinary injected pod.

Source: istio manifests/charts/istio-control/istio-discovery/files/injection-template.yaml, release 1.31.
"""

from __future__ import annotations

import json
from typing import Final

from meshsim.admission import annotations as names
from meshsim.admission import parts
from meshsim.admission.context import PROXY, TemplateContext
from meshsim.admission.networks import append_network, exclude_inbound_ports
from meshsim.admission.parts import Body, compact, mount, variable
from meshsim.api import Fields
from meshsim.errors import InputError

_CAP_NET_BIND: Final = "sidecar.istio.io/capNetBindService"
_BOOTSTRAP: Final = "sidecar.istio.io/bootstrapOverride"
_USER_VOLUME: Final = "sidecar.istio.io/userVolume"
_USER_MOUNT: Final = "sidecar.istio.io/userVolumeMount"
_TLS_MODE: Final = "security.istio.io/tlsMode"
_TUNNEL: Final = "networking.istio.io/tunnel"


def sidecar_template(context: TemplateContext) -> Body:
    """The partial pod that is merged over the pod."""
    proxy = _proxy(context)
    init = _init(context)
    init_containers = [init] if init else []
    if context.native:
        init_containers.append(proxy)
    spec = compact(
        initContainers=init_containers or None,
        containers=None if context.native else [proxy],
        volumes=_volumes(context),
        imagePullSecrets=parts.pull_secrets(context),
    )
    return {"metadata": {"labels": _labels(context), "annotations": _annotations(context)}, "spec": spec}


def _labels(context: TemplateContext) -> Body:
    labels: Body = {_TLS_MODE: context.labels.get(_TLS_MODE) or "istio"}
    if context.metadata.get("ISTIO_META_ENABLE_HBONE") == "true":
        labels[_TUNNEL] = context.labels.get(_TUNNEL) or "http"
    return {**labels, **parts.canonical_labels(context)}


def _annotations(context: TemplateContext) -> Body:
    found = parts.base_annotations(context)
    if "ENVOY_SECURE_MERGED_METRICS_PORT" in context.metadata:
        found["prometheus.istio.io/secure-port"] = context.metadata["ENVOY_SECURE_MERGED_METRICS_PORT"]
    if not context.cni:
        return found
    if context.values.fields("pilot").fields("cni").text("provider") == "multus":
        key = "k8s.v1.cni.cncf.io/networks"
        found[key] = append_network(context.annotations.get(key, ""), "default/istio-cni")
    proxy = context.proxy
    found[names.INTERCEPTION_MODE] = context.interception_mode
    found[names.EXCLUDE_INBOUND_PORTS] = _excluded_inbound(context)
    for name, default in (
        (names.INCLUDE_OUTBOUND_RANGES, proxy.text("includeIPRanges")),
        (names.EXCLUDE_OUTBOUND_RANGES, proxy.text("excludeIPRanges")),
        (names.INCLUDE_INBOUND_PORTS, proxy.text("includeInboundPorts")),
        (names.KUBEVIRT_INTERFACES, ""),
        (names.REROUTE_INTERFACES, ""),
        (names.EXCLUDE_INTERFACES, ""),
    ):
        value = context.annotation(name, default)
        if value:
            found[name] = value
    for name, default in (
        (names.INCLUDE_OUTBOUND_PORTS, proxy.text("includeOutboundPorts")),
        (names.EXCLUDE_OUTBOUND_PORTS, proxy.text("excludeOutboundPorts")),
    ):
        if name in context.annotations or default:
            found[name] = context.annotation(name, default)
    return found


def _excluded_inbound(context: TemplateContext) -> str:
    own = context.annotation(names.EXCLUDE_INBOUND_PORTS, context.proxy.text("excludeInboundPorts"))
    return exclude_inbound_ports(context.status_port, own)


def iptables_arguments(context: TemplateContext) -> list[str]:
    """Arguments of istio-init (and of istio-validation, which only checks)."""
    proxy, given = context.proxy, context.annotations
    arguments = [
        "istio-iptables",
        "-p",
        str(context.mesh.integer("proxyListenPort", 15001)),
        "-z",
        str(context.mesh.integer("proxyInboundListenPort", 15006)),
        "-u",
        str(context.proxy_uid),
        "-m",
        context.interception_mode,
        "-i",
        context.annotation(names.INCLUDE_OUTBOUND_RANGES, proxy.text("includeIPRanges")),
        "-x",
        context.annotation(names.EXCLUDE_OUTBOUND_RANGES, proxy.text("excludeIPRanges")),
        "-b",
        context.annotation(names.INCLUDE_INBOUND_PORTS, proxy.text("includeInboundPorts")),
        "-d",
        ",".join(part for part in ("15090,15021", _excluded_inbound(context)) if part),
    ]
    for flag, name, default in (
        ("-q", names.INCLUDE_OUTBOUND_PORTS, proxy.text("includeOutboundPorts")),
        ("-o", names.EXCLUDE_OUTBOUND_PORTS, proxy.text("excludeOutboundPorts")),
    ):
        if name in given or default:
            arguments += [flag, context.annotation(name, default)]
    if names.REROUTE_INTERFACES in given:
        arguments += ["-k", given[names.REROUTE_INTERFACES]]
    elif names.KUBEVIRT_INTERFACES in given:
        arguments += ["-k", given[names.KUBEVIRT_INTERFACES]]
    if names.EXCLUDE_INTERFACES in given:
        arguments += ["-c", given[names.EXCLUDE_INTERFACES]]
    arguments.append(parts.agent_log_level(context))
    if context.globals.flag("logAsJson"):
        arguments.append("--log_as_json")
    if context.cni:
        arguments += ["--run-validation", "--skip-rule-apply"]
    elif context.globals.fields("proxy_init").flag("forceApplyIptables"):
        arguments.append("--force-apply")
    if context.globals.flag("nativeNftables"):
        arguments.append("--native-nftables")
    return arguments


def _init(context: TemplateContext) -> Body | None:
    if context.interception_mode == "NONE":
        return None
    privileged = context.proxy.flag("privileged")
    security: Body = {
        "allowPrivilegeEscalation": privileged,
        "privileged": privileged,
        "capabilities": {"drop": ["ALL"]},
    }
    if context.cni:
        security |= {
            "readOnlyRootFilesystem": True,
            "runAsGroup": context.proxy_gid,
            "runAsUser": context.proxy_uid,
            "runAsNonRoot": True,
        }
    else:
        security["capabilities"] = {"add": ["NET_ADMIN", "NET_RAW"], "drop": ["ALL"]}
        security |= {"readOnlyRootFilesystem": False, "runAsGroup": 0, "runAsNonRoot": False, "runAsUser": 0}
    security |= _seccomp(context.proxy)
    return compact(
        name="istio-validation" if context.cni else "istio-init",
        image=context.init_image(),
        args=iptables_arguments(context),
        imagePullPolicy=parts.pull_policy(context),
        env=parts.metadata_environment(context) or None,
        resources=parts.resources(context),
        securityContext=security,
    )


def _seccomp(values: Fields) -> Body:
    profile = values.fields("seccompProfile")
    return {"seccompProfile": dict(profile.body)} if profile else {}


def _proxy(context: TemplateContext) -> Body:
    proxy = context.proxy
    domain = proxy.text("clusterDomain", "cluster.local")
    startup = proxy.fields("startupProbe")
    readiness = parts.readiness_probe(context)
    startup_probe = None
    if readiness is not None and startup.flag("enabled"):
        failures = startup.integer("failureThreshold", 600)
        startup_probe = {
            "httpGet": {"path": "/healthz/ready", "port": 15021},
            "periodSeconds": 1,
            "timeoutSeconds": 3,
            "failureThreshold": failures,
        }
    return compact(
        name=PROXY,
        image=context.image(),
        ports=[{"containerPort": 15090, "protocol": "TCP", "name": "http-envoy-prom"}],
        restartPolicy="Always" if context.native else None,
        args=["proxy", "sidecar", "--domain", f"$(POD_NAMESPACE).svc.{domain}", *parts.log_arguments(context)],
        lifecycle=_lifecycle(context),
        env=_environment(context),
        imagePullPolicy=parts.pull_policy(context),
        startupProbe=startup_probe,
        readinessProbe=readiness,
        securityContext=_security(context),
        resources=parts.resources(context),
        volumeMounts=_mounts(context),
    )


def _lifecycle(context: TemplateContext) -> Body | None:
    if context.proxy.fields("lifecycle"):
        return dict(context.proxy.fields("lifecycle").body)
    if context.native:
        command = ["pilot-agent", "request", f"--debug-port={context.status_port}", "POST", "drain"]
        return {"preStop": {"exec": {"command": command}}}
    if holds_application(context.proxy_config, context.proxy):
        return {"postStart": {"exec": {"command": ["pilot-agent", "wait"]}}}
    return None


def holds_application(config: Fields, proxy_values: Fields) -> bool:
    """holdApplicationUntilProxyStarts, of the pod's ProxyConfig or of the values."""
    key = "holdApplicationUntilProxyStarts"
    return config.flag(key) or proxy_values.flag(key)


def _environment(context: TemplateContext) -> list[Body]:
    found = parts.identity_environment(context)
    if context.mesh.fields("inboundTrafficPolicy").text("mode") == "LOCALHOST":
        found.insert(0, variable("REWRITE_PROBE_LEGACY_LOCALHOST_DESTINATION", "true"))
    found.append(variable("ISTIO_META_APP_CONTAINERS", ",".join(context.app_containers)))
    found += parts.memory_limits()
    if context.compliance_policy:
        found.append(variable("COMPLIANCE_POLICY", context.compliance_policy))
        if context.compliance_policy == "fips-140-3":
            found.append(variable("GODEBUG", "fips140=only"))
    found += parts.meta_environment(context)
    return [*found, *_otel(context), *parts.metadata_environment(context)]


def _otel(context: TemplateContext) -> list[Body]:
    """Resource attributes for an OpenTelemetry provider that follows the semantic conventions."""
    wanted = any(
        provider.fields("opentelemetry").text("serviceAttributeEnrichment") == "OTEL_SEMANTIC_CONVENTIONS"
        for provider in context.mesh.items("extensionProviders")
    )
    apps = [c for c in context.spec.items("containers") if c.text("name") != PROXY]
    if not wanted or not apps:
        return []
    image = apps[0].text("image").rpartition("/")[2]
    version = context.labels.get("app.kubernetes.io/version") or image.partition("@")[0].partition(":")[2]
    attributes = [f"service.namespace={context.namespace}"]
    if version:
        attributes.append(f"service.version={version}")
    attributes.append(f"service.instance.id={context.namespace}.$(POD_NAME).{apps[0].text('name')}")
    return [variable("OTEL_RESOURCE_ATTRIBUTES", ",".join(attributes))]


def _security(context: TemplateContext) -> Body:
    tracing = context.metadata.get("IPTABLES_TRACE_LOGGING") == "true"
    if tracing:
        return {
            "allowPrivilegeEscalation": True,
            "capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]},
            "privileged": True,
            "readOnlyRootFilesystem": True,
            "runAsGroup": context.proxy_gid,
            "runAsNonRoot": False,
            "runAsUser": 0,
        }
    tproxy = context.interception_mode == "TPROXY"
    bind = context.annotation(_CAP_NET_BIND, context.proxy.text("capNetBindService")) == "true"
    added = [name for name, wanted in (("NET_ADMIN", tproxy), ("NET_BIND_SERVICE", bind)) if wanted]
    privileged = context.proxy.flag("privileged")
    return {
        "allowPrivilegeEscalation": privileged,
        "capabilities": {**({"add": added} if added else {}), "drop": ["ALL"]},
        "privileged": privileged,
        "readOnlyRootFilesystem": True,
        "runAsGroup": context.proxy_gid,
        "runAsNonRoot": not added,
        "runAsUser": 0 if added else context.proxy_uid,
        **_seccomp(context.proxy),
    }


def _mounts(context: TemplateContext) -> list[Body]:
    found = [
        mount("workload-socket", "/var/run/secrets/workload-spiffe-uds"),
        mount("credential-socket", "/var/run/secrets/credential-uds"),
        mount("workload-certs", "/var/run/secrets/workload-spiffe-credentials"),
        *parts.root_mount(context),
        mount("istio-ca-crl", "/var/run/secrets/istio/crl"),
        mount("istio-data", "/var/lib/istio/data"),
    ]
    if _BOOTSTRAP in context.annotations:
        found.append(mount("custom-bootstrap-volume", "/etc/istio/custom-bootstrap"))
    found += [mount("istio-envoy", "/etc/istio/proxy"), mount("istio-token", "/var/run/secrets/tokens")]
    if context.globals.flag("mountMtlsCerts"):
        found.append({**mount("istio-certs", "/etc/certs/"), "readOnly": True})
    found.append(mount("istio-podinfo", "/etc/istio/pod"))
    return [*found, *_user_fields(context, _USER_MOUNT)]


def _user_fields(context: TemplateContext, annotation: str) -> list[Body]:
    """Volumes or mounts that an annotation adds: a JSON object by volume name."""
    if annotation not in context.annotations:
        return []
    try:
        given: object = json.loads(context.annotations[annotation])
    except ValueError:
        given = None
    if not isinstance(given, dict):
        message = f"failed to run injection template: annotation '{annotation}' holds no JSON object"
        raise InputError(message, None, 'write {"name": {...}}', annotation)
    return [{"name": name, **given[name]} for name in sorted(given)]


def _volumes(context: TemplateContext) -> list[Body]:
    found: list[Body] = [{"name": name} for name in ("workload-socket", "credential-socket", "workload-certs")]
    if _BOOTSTRAP in context.annotations:
        config_map = {"name": context.annotations[_BOOTSTRAP]}
        found.append({"name": "custom-bootstrap-volume", "configMap": config_map})
    found += [
        {"name": "istio-envoy", "emptyDir": {"medium": "Memory"}},
        {"name": "istio-data", "emptyDir": {}},
        parts.podinfo_volume(),
        parts.token_volume(context),
        *parts.root_volume(context),
        {"name": "istio-ca-crl", "configMap": {"name": "istio-ca-crl", "optional": True}},
    ]
    if context.globals.flag("mountMtlsCerts"):
        account = context.spec.text("serviceAccountName") or "default"
        found.append({"name": "istio-certs", "secret": {"optional": True, "secretName": f"istio.{account}"}})
    return [*found, *_user_fields(context, _USER_VOLUME)]
