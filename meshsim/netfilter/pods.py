"""The capture options of an injected pod: from its istio-init container, or as the CNI plugin reads its annotations.

Rules of the plugin: istio cni/pkg/plugin/sidecar_redirect.go and plugin.go, release 1.31. It differs from istio-init in
the order of excluded ports, in outbound 15020, in DNS capture and in the values it refuses.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import Final

from meshsim.api import ApiObject, Fields
from meshsim.errors import InputError
from meshsim.netfilter.options import CaptureOptions, parse_arguments, with_host

_PROXY: Final = "istio-proxy"
_INIT: Final = "istio-init"
_VALIDATION: Final = "istio-validation"
_STATUS: Final = "sidecar.istio.io/status"
_INJECT: Final = "sidecar.istio.io/inject"
_MODE: Final = "sidecar.istio.io/interceptionMode"
_TRAFFIC: Final = "traffic.sidecar.istio.io/"
_REROUTE: Final = "istio.io/reroute-virtual-interfaces"
_ALWAYS_EXCLUDED: Final = ("15020", "15021", "15090")
_FALSE: Final = ("0", "f", "F", "FALSE", "false", "False")
_TRUE: Final = ("1", "t", "T", "TRUE", "true", "True")
_INTERFACE: Final = re.compile(r"[A-Za-z0-9._-]{1,15}")
DEFAULT_EXCLUDED_NAMESPACES: Final = ("kube-system",)
"""Namespaces whose pods the plugin leaves alone (cni chart `excludeNamespaces`)."""


def capture_of_pod(
    pod: ApiObject,
    nameservers: Sequence[str] = (),
    excluded_namespaces: Sequence[str] = DEFAULT_EXCLUDED_NAMESPACES,
) -> CaptureOptions | None:
    """The options under which a pod's traffic is captured, ``None`` when it is not; raises `InputError`.

    `nameservers` are those of the pod's resolv.conf. A pod with istio-validation was served by the CNI plugin.
    """
    addresses = [entry.text("ip") for entry in pod.status.items("podIPs")]
    if not addresses and pod.status.text("podIP"):
        addresses = [pod.status.text("podIP")]
    for container in pod.spec.items("initContainers"):
        if container.text("name") == _INIT:
            environment = {entry.text("name"): entry.text("value") for entry in container.items("env")}
            return parse_arguments(container.texts("args"), environment, addresses, nameservers)
    if any(container.text("name") == _VALIDATION for container in pod.spec.items("initContainers")):
        return capture_by_plugin(pod, addresses, excluded_namespaces)
    return None


def capture_by_plugin(
    pod: ApiObject, addresses: Sequence[str], excluded_namespaces: Sequence[str] = DEFAULT_EXCLUDED_NAMESPACES
) -> CaptureOptions | None:
    """The options that the CNI plugin uses for a pod, ``None`` when it leaves the pod alone; raises `InputError`."""
    proxy = _proxy_of(pod)
    if proxy is None or pod.namespace in excluded_namespaces or not _is_wanted(pod, proxy):
        return None
    environment = {entry.text("name"): entry.text("value") for entry in proxy.items("env")}
    annotations = pod.annotations
    security = proxy.fields("securityContext")
    # the owner match must not be root's: a proxy that runs as root (TPROXY) is known by 1337
    uid, gid = security.integer("runAsUser") or 1337, security.integer("runAsGroup") or 1337
    excluded_in = annotations.get(f"{_TRAFFIC}excludeInboundPorts", "").strip()
    for port in _ALWAYS_EXCLUDED:
        if port not in excluded_in.split(","):
            excluded_in = f"{excluded_in},{port}" if excluded_in else port
    reroute = annotations.get(_REROUTE, annotations.get(f"{_TRAFFIC}kubevirtInterfaces", ""))
    options = CaptureOptions(
        proxy_uid=str(uid),
        proxy_gid=str(gid),
        inbound_interception_mode=annotations.get(_MODE, "REDIRECT"),
        outbound_ranges_include=annotations.get(f"{_TRAFFIC}includeOutboundIPRanges", "*"),
        outbound_ranges_exclude=annotations.get(f"{_TRAFFIC}excludeOutboundIPRanges", ""),
        inbound_ports_include=annotations.get(f"{_TRAFFIC}includeInboundPorts", "*"),
        inbound_ports_exclude=excluded_in,
        outbound_ports_include=annotations.get(f"{_TRAFFIC}includeOutboundPorts", ""),
        outbound_ports_exclude=annotations.get(f"{_TRAFFIC}excludeOutboundPorts", "15020"),
        exclude_interfaces=annotations.get(f"{_TRAFFIC}excludeInterfaces", ""),
        kube_virt_interfaces=reroute,
        redirect_dns=environment.get("ISTIO_META_DNS_CAPTURE") in _TRUE,
        capture_all_dns=environment.get("ISTIO_META_DNS_CAPTURE") in _TRUE,
        dual_stack=environment.get("ISTIO_DUAL_STACK") in _TRUE,
        drop_invalid=environment.get("INVALID_DROP") in _TRUE,
    )
    _check(annotations)
    return with_host(options, addresses, ())


def _proxy_of(pod: ApiObject) -> Fields | None:
    containers = (*pod.spec.items("containers"), *pod.spec.items("initContainers"))
    if any(c.text("name") == _INIT for c in containers):
        return None
    return next((c for c in containers if c.text("name") == _PROXY), None)


def _is_wanted(pod: ApiObject, proxy: Fields) -> bool:
    arguments = proxy.texts("args")
    if len(arguments) >= 2 and arguments[1] != "sidecar":
        return False
    if any(e.text("name") == "DISABLE_ENVOY" and e.text("value") in _TRUE for e in proxy.items("env")):
        return False
    asked = pod.labels.get(_INJECT, pod.annotations.get(_INJECT, ""))
    return _STATUS in pod.annotations and asked not in _FALSE


def _check(annotations: Mapping[str, str]) -> None:
    """Refuse the values the plugin refuses; a pod with one does not start."""
    mode = annotations.get(_MODE, "REDIRECT")
    if mode not in ("REDIRECT", "TPROXY"):
        raise _refusal("redirectMode", f"interceptionMode invalid: {mode}")
    for name in ("includeInboundPorts", "excludeInboundPorts", "includeOutboundPorts", "excludeOutboundPorts"):
        text = annotations.get(f"{_TRAFFIC}{name}", "").strip()
        for part in text.split(",") if text and text != "*" else ():
            port = part.strip()
            if not port.isdigit() or int(port) > 65535:
                raise _refusal(name, f'portList "{text}" invalid: failed parsing port "{part}"')
    for name, key in (("includeOutboundIPRanges", "includeIPCidrs"), ("excludeOutboundIPRanges", "excludeIPCidrs")):
        text = annotations.get(f"{_TRAFFIC}{name}", "")
        if not text or (text == "*" and key == "includeIPCidrs"):
            continue
        for part in text.split(","):
            try:
                ipaddress.ip_interface(part)
            except ValueError as error:
                raise _refusal(key, f"failed parsing cidr '{part}'") from error
            if "/" not in part:
                raise _refusal(key, f"failed parsing cidr '{part}'")
    for annotation in (f"{_TRAFFIC}excludeInterfaces", f"{_TRAFFIC}kubevirtInterfaces", _REROUTE):
        text = annotations.get(annotation, "")
        for part in text.split(",") if text else ():
            if not _INTERFACE.fullmatch(part.strip()):
                raise _refusal(annotation.rpartition("/")[2], f'interface name "{part.strip()}" is not valid')


def _refusal(key: str, problem: str) -> InputError:
    return InputError(f"annotation value error for value {key}; {problem}", None, "correct the annotation", key)
