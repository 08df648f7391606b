"""BackendTLSPolicies as DestinationRules.

Modelled on istio pilot/pkg/config/kube/gateway/backend_policies.go (DestinationRuleCollection), release 1.31.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from meshsim.api import ApiObject, Fields
from meshsim.controlplane.conversion.inputs import (
    GATEWAY_GROUP,
    GATEWAY_NAME,
    PARENTS_ANNOTATION,
    ConversionInputs,
    by_age,
    make_config,
)
from meshsim.controlplane.conversion.listener_tls import InvalidTlsError, authority

_IGNORE: Final = "istio.io/ignore-policy-attachment"
_NO_AUTHORITY: Final = "invalid://"
"""Credential that never resolves, so that a policy with a broken reference fails closed."""


class _Target(NamedTuple):
    """What a policy is about."""

    kind: str
    namespace: str
    name: str


class _Port(NamedTuple):
    number: int
    name: str


def convert_backend_policies(inputs: ConversionInputs) -> list[ApiObject]:
    """One DestinationRule for each host of each target; of several policies for one port the oldest counts."""
    chosen: dict[_Target, dict[str, ApiObject]] = {}
    for policy in by_age(inputs.objects.select("BackendTLSPolicy", GATEWAY_GROUP)):
        if policy.annotations.get(_IGNORE) == "true":
            continue
        for reference in policy.spec.items("targetRefs"):
            target = _Target(reference.text("kind"), policy.namespace, reference.text("name"))
            sections = chosen.setdefault(target, {})
            if sections.setdefault(reference.text("sectionName"), policy) is not policy:
                inputs.report(policy, "Conflicted", f"{target.kind} {target.name} has an older policy", reference.path)
    return [rule for target, sections in chosen.items() for rule in _rules(inputs, target, sections)]


def _rules(inputs: ConversionInputs, target: _Target, sections: Mapping[str, ApiObject]) -> Iterator[ApiObject]:
    policies = by_age({policy.key: policy for policy in sections.values()}.values())
    group = "" if target.kind == "Service" else "networking.istio.io"
    found = inputs.find(target.kind, target.namespace, target.name, group)
    if target.kind not in ("Service", "ServiceEntry") or found is None:
        for policy in policies:
            inputs.report(policy, "TargetNotFound", f"{target.kind} {target.namespace}/{target.name} not found")
        return
    traffic_policy = _traffic_policy(inputs, sections, _ports(found.spec.items("ports")))
    if not traffic_policy:
        return
    annotations = {
        PARENTS_ANNOTATION: ",".join(f"{policy.kind}/{policy.namespace}.{policy.name}" for policy in policies)
    }
    if target.kind == "Service":
        names = {f"{target.name}.{target.namespace}.svc.{inputs.domain}": target.name}
    else:
        names = {host: f"{target.name}~{host.replace('.', '-')}" for host in found.spec.texts("hosts")}
    for host, name in names.items():
        spec = {"host": host, "trafficPolicy": traffic_policy}
        yield make_config("DestinationRule", f"{name}~{GATEWAY_NAME}", policies[0], annotations, spec)


def _ports(ports: Iterable[Fields]) -> list[_Port]:
    return [_Port(port.integer("port") or port.integer("number"), port.text("name")) for port in ports]


def _traffic_policy(
    inputs: ConversionInputs, sections: Mapping[str, ApiObject], ports: Iterable[_Port]
) -> dict[str, object]:
    """TLS of the whole target, and of the ports that policies name."""
    out: dict[str, object] = {}
    if "" in sections:
        out["tls"] = _tls(inputs, sections[""])
    settings = [
        {"port": {"number": port.number}, "tls": _tls(inputs, sections[port.name])}
        for port in ports
        if port.name and port.name in sections
    ]
    if settings:
        out["portLevelSettings"] = settings
    return out


def _tls(inputs: ConversionInputs, policy: ApiObject) -> dict[str, object]:
    validation = policy.spec.fields("validation")
    out: dict[str, object] = {"mode": "SIMPLE", "sni": validation.text("hostname")}
    names = [
        item.text("uri") if item.text("type") == "URI" else item.text("hostname")
        for item in validation.items("subjectAltNames")
    ]
    if names:
        out["subjectAltNames"] = names
    references = validation.items("caCertificateRefs")
    if references:
        try:
            out["credentialName"] = authority(inputs, policy, references[0])
        except InvalidTlsError as failure:
            inputs.report(policy, failure.reason, failure.message, references[0].path)
            out["credentialName"] = _NO_AUTHORITY
    return out
