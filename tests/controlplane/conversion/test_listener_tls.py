from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import yaml

from meshsim.api import Fields
from meshsim.controlplane.conversion.listener_tls import InvalidTlsError, authority, build_tls

PEM = b64encode(b"-----BEGIN CERTIFICATE-----\n").decode()

TEXT = f"""
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: gw, namespace: shop, labels: {{%s}}}}
---
apiVersion: v1
kind: Secret
metadata: {{name: cert, namespace: shop}}
data: {{tls.crt: {PEM}, tls.key: a2V5, ca.crt: {PEM}}}
---
apiVersion: v1
kind: Secret
metadata: {{name: second, namespace: shop}}
stringData: {{cert: '-----BEGIN CERTIFICATE-----', key: key}}
---
apiVersion: v1
kind: Secret
metadata: {{name: broken, namespace: shop}}
data: {{tls.crt: bm90aGluZw==, tls.key: a2V5}}
---
apiVersion: v1
kind: Secret
metadata: {{name: cert, namespace: other}}
data: {{tls.crt: {PEM}, tls.key: a2V5}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: ca, namespace: shop}}
data: {{ca.crt: x}}
"""


@pytest.fixture
def tls(inputs: Callable[[str], Any]) -> Callable[..., Mapping[str, object] | None]:
    def make(listener: str, frontend: str = "{}", labels: str = "") -> Mapping[str, object] | None:
        made = inputs(TEXT % labels)
        owner = made.objects.select("Gateway")[0]
        return build_tls(made, owner, Fields(yaml.safe_load(listener)), Fields(yaml.safe_load(frontend)))

    return make


CERT = "certificateRefs: [{name: cert}]"


@pytest.mark.parametrize(
    ("listener", "want"),
    [
        ("{protocol: HTTP}", None),
        (
            f"{{protocol: HTTPS, tls: {{{CERT}}}}}",
            {"mode": "SIMPLE", "credentialName": "kubernetes-gateway://shop/cert"},
        ),
        (
            "{protocol: HTTPS, tls: {certificateRefs: [{name: cert}, {name: second}]}}",
            {
                "mode": "SIMPLE",
                "credentialNames": ["kubernetes-gateway://shop/cert", "kubernetes-gateway://shop/second"],
            },
        ),
        ("{protocol: TLS, tls: {mode: Passthrough}}", {}),
        (
            f"{{protocol: HTTPS, tls: {{{CERT}, options: {{gateway.istio.io/tls-terminate-mode: MUTUAL}}}}}}",
            {"mode": "MUTUAL", "credentialName": "kubernetes-gateway://shop/cert"},
        ),
        (
            "{protocol: HTTPS, tls: {options: {gateway.istio.io/tls-terminate-mode: ISTIO_MUTUAL}}}",
            {"mode": "ISTIO_MUTUAL"},
        ),
        (
            f"{{protocol: HTTPS, tls: {{{CERT}, options: {{gateway.istio.io/tls-cipher-suites: 'AES128-SHA, x'}}}}}}",
            {"mode": "SIMPLE", "cipherSuites": ["AES128-SHA"], "credentialName": "kubernetes-gateway://shop/cert"},
        ),
    ],
)
def test_settings(tls: Callable[..., Any], listener: str, want: Any) -> None:
    assert tls(listener) == want


@pytest.mark.parametrize(
    ("listener", "reason"),
    [
        ("{protocol: HTTPS}", "InvalidTLS"),
        ("{protocol: HTTPS, tls: {}}", "InvalidTLS"),
        ("{protocol: HTTPS, tls: {certificateRefs: [{name: none}]}}", "InvalidTLS"),
        ("{protocol: HTTPS, tls: {certificateRefs: [{name: broken}]}}", "InvalidTLS"),
        ("{protocol: HTTPS, tls: {certificateRefs: [{name: ca, kind: ConfigMap}]}}", "InvalidTLS"),
        ("{protocol: HTTPS, tls: {certificateRefs: [{name: cert, namespace: other}]}}", "RefNotPermitted"),
    ],
)
def test_refusals(tls: Callable[..., Any], listener: str, reason: str) -> None:
    with pytest.raises(InvalidTlsError) as caught:
        tls(listener)
    assert caught.value.reason == reason


def test_between_networks_the_sni_leads_on(tls: Callable[..., Any]) -> None:
    listener = "{protocol: TLS, port: 15443, tls: {mode: Passthrough}}"
    assert tls(listener, labels="topology.istio.io/network: n1") == {"mode": "AUTO_PASSTHROUGH"}
    assert tls(listener) == {}
    option = "options: {gateway.istio.io/listener-protocol: auto-passthrough}"
    assert tls(f"{{protocol: TLS, tls: {{mode: Passthrough, {option}}}}}") == {"mode": "AUTO_PASSTHROUGH"}


def test_client_certificates(tls: Callable[..., Any]) -> None:
    listener = f"{{protocol: HTTPS, port: 443, tls: {{{CERT}}}}}"
    validation = "validation: {caCertificateRefs: [{kind: ConfigMap, name: ca}]%s}"
    strict = tls(listener, f"{{default: {{{validation % ''}}}}}")
    assert strict["mode"] == "MUTUAL"
    assert strict["caCertCredentialName"] == "configmap://shop/ca-cacert"
    lenient = validation % ", mode: AllowInsecureFallback"
    per_port = tls(listener, f"{{perPort: [{{port: 443, tls: {{{lenient}}}}}]}}")
    assert (per_port["mode"], per_port["insecureSkipVerify"]) == ("OPTIONAL_MUTUAL", True)
    assert tls(listener, f"{{perPort: [{{port: 444, tls: {{{lenient}}}}}]}}")["mode"] == "SIMPLE"


@pytest.mark.parametrize(
    ("reference", "want"),
    [
        ({"kind": "ConfigMap", "name": "ca"}, "configmap://shop/ca"),
        ({"kind": "Secret", "name": "cert"}, "kubernetes-gateway://shop/cert"),
        ({"kind": "ConfigMap", "name": "none"}, InvalidTlsError),
        ({"kind": "Secret", "name": "second"}, InvalidTlsError),
        ({"kind": "Service", "name": "ca"}, InvalidTlsError),
    ],
)
def test_authorities(inputs: Callable[[str], Any], reference: dict[str, str], want: Any) -> None:
    made = inputs(TEXT % "")
    owner = made.objects.select("Gateway")[0]
    if isinstance(want, str):
        assert authority(made, owner, Fields(reference)) == want
    else:
        with pytest.raises(want):
            authority(made, owner, Fields(reference))
