"""TLS settings of Gateway API listeners as Istio's server TLS settings.

Modelled on istio pilot/pkg/config/kube/gateway/conversion.go (buildTLS, buildSecretReference), release 1.31.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Final

from meshsim.api import ApiObject, Fields
from meshsim.controlplane.conversion.inputs import ConversionInputs

_TERMINATE_MODE: Final = "gateway.istio.io/tls-terminate-mode"
_CIPHER_SUITES: Final = "gateway.istio.io/tls-cipher-suites"
_LISTENER_PROTOCOL: Final = "gateway.istio.io/listener-protocol"
_NETWORK_LABEL: Final = "topology.istio.io/network"
_PORT_LABEL: Final = "networking.istio.io/gatewayPort"
_CROSS_NETWORK_PORT: Final = "15443"
_PEM: Final = b"-----BEGIN CERTIFICATE"

_CIPHERS: Final = frozenset(
    {
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
        "ECDHE-ECDSA-AES128-SHA",
        "ECDHE-RSA-AES128-SHA",
        "ECDHE-ECDSA-AES256-SHA",
        "ECDHE-RSA-AES256-SHA",
        "AES128-GCM-SHA256",
        "AES256-GCM-SHA384",
        "AES128-SHA",
        "AES256-SHA",
        "DES-CBC3-SHA",
    }
)
"""istio pkg/config/security ValidCipherSuites."""


class InvalidTlsError(Exception):
    """A listener's TLS settings cannot be used; `reason` is the one of its status condition."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(reason, message)
        self.reason = reason
        self.message = message


def build_tls(
    inputs: ConversionInputs, owner: ApiObject, listener: Fields, frontend: Fields
) -> Mapping[str, object] | None:
    """ServerTLSSettings of a listener, `None` without TLS; raises `InvalidTlsError`.

    `frontend` is the Gateway's ``tls.frontend``: which client certificates are asked for, by port.
    """
    tls = listener.fields("tls")
    if "tls" not in listener:
        if listener.text("protocol") == "HTTPS":
            raise InvalidTlsError("InvalidTLS", "a listener of protocol HTTPS needs TLS settings")
        return None
    out: dict[str, object] = {}
    options = tls.text_map("options")
    suites = [name for raw in options.get(_CIPHER_SUITES, "").split(",") if (name := raw.strip()) in _CIPHERS]
    if suites:
        out["cipherSuites"] = suites
    if tls.text("mode", "Terminate") == "Passthrough":
        if is_auto_passthrough(owner, listener, options):
            out["mode"] = "AUTO_PASSTHROUGH"
        return out
    mode = options.get(_TERMINATE_MODE, "")
    if mode == "ISTIO_MUTUAL":
        return {**out, "mode": "ISTIO_MUTUAL"}
    if mode == "ISTIO_SIMPLE":
        return {**out, "mode": "SIMPLE", "credentialName": "builtin://"}
    out["mode"] = mode if mode in ("MUTUAL", "OPTIONAL_MUTUAL") else "SIMPLE"
    _set_client_validation(inputs, owner, listener, frontend, out)
    names = _certificates(inputs, owner, tls.items("certificateRefs"))
    if len(names) == 1:
        out["credentialName"] = names[0]
    else:
        out["credentialNames"] = names
    return out


def is_auto_passthrough(owner: ApiObject, listener: Fields, options: Mapping[str, str]) -> bool:
    """Whether SNI leads on to any service, as on gateways between networks."""
    if options.get(_LISTENER_PROTOCOL) == "auto-passthrough":
        return True
    if _NETWORK_LABEL not in owner.labels:
        return False
    return listener.text("port") == owner.labels.get(_PORT_LABEL, _CROSS_NETWORK_PORT)


def _certificates(inputs: ConversionInputs, owner: ApiObject, references: Sequence[Fields]) -> list[str]:
    """Credential names of the server certificates, at most two of different kinds."""
    if len(references) > 2:
        raise InvalidTlsError("InvalidTLS", "TLS mode can only support up to 2 server certificates")
    names: list[str] = []
    failures: list[InvalidTlsError] = []
    for reference in references:
        try:
            names.append(_certificate(inputs, owner, reference))
        except InvalidTlsError as failure:
            failures.append(failure)
    if not names:
        reason = failures[0].reason if failures else "InvalidTLS"
        message = "; ".join(failure.message for failure in failures)
        raise InvalidTlsError(reason, message or "a certificate reference is needed for TLS termination")
    return names


def _certificate(inputs: ConversionInputs, owner: ApiObject, reference: Fields) -> str:
    kind, name = reference.text("kind", "Secret"), reference.text("name")
    namespace = reference.text("namespace", owner.namespace)
    if kind != "Secret" or reference.text("group"):
        raise InvalidTlsError("InvalidTLS", f"invalid certificate reference {kind} {name}: only secrets are allowed")
    secret = inputs.find("Secret", namespace, name)
    if secret is None:
        raise InvalidTlsError("InvalidTLS", f"secret {namespace}/{name} not found")
    if not (_holds_certificate(secret, "tls.crt", "tls.key") or _holds_certificate(secret, "cert", "key")):
        raise InvalidTlsError("InvalidTLS", f"secret {namespace}/{name} holds no certificate with its key")
    _check_grant(inputs, owner, "Secret", namespace, name)
    return f"kubernetes-gateway://{namespace}/{name}"


def _check_grant(inputs: ConversionInputs, owner: ApiObject, kind: str, namespace: str, name: str) -> None:
    if namespace != owner.namespace and not inputs.allowed(owner.kind, owner.namespace, kind, namespace, name):
        raise InvalidTlsError(
            "RefNotPermitted",
            f"{kind} {namespace}/{name} is not accessible to a {owner.kind} in namespace {owner.namespace}"
            " (missing a ReferenceGrant?)",
        )


def _holds_certificate(secret: ApiObject, certificate: str, key: str) -> bool:
    """Whether a Secret has both parts and the certificate is one.

    DEVIATION: istiod also parses the key and compares it with the certificate.
    """
    data, plain = secret.fields.fields("data"), secret.fields.fields("stringData")
    if not (key in data or key in plain):
        return False
    if certificate in plain:
        return plain.text(certificate).encode().startswith(_PEM)
    try:
        return base64.b64decode(data.text(certificate), validate=False).lstrip().startswith(_PEM)
    except (binascii.Error, ValueError):
        return False


def _set_client_validation(
    inputs: ConversionInputs, owner: ApiObject, listener: Fields, frontend: Fields, out: dict[str, object]
) -> None:
    """Ask clients for a certificate of the given authority (Gateway API ``tls.frontend``)."""
    validation = frontend.fields("default").fields("validation")
    for entry in frontend.items("perPort"):
        if entry.integer("port") == listener.integer("port"):
            validation = entry.fields("tls").fields("validation")
    references = validation.items("caCertificateRefs")
    if not references:
        return
    if len(references) > 1:
        raise InvalidTlsError("InvalidTLS", "only one caCertificateRef is supported")
    out["caCertCredentialName"] = f"{authority(inputs, owner, references[0])}-cacert"
    insecure = validation.text("mode") == "AllowInsecureFallback"
    out["insecureSkipVerify"] = insecure
    if out["mode"] == "SIMPLE":
        out["mode"] = "OPTIONAL_MUTUAL" if insecure else "MUTUAL"


def authority(inputs: ConversionInputs, owner: ApiObject, reference: Fields) -> str:
    """Credential name of a CA certificate in a ConfigMap or Secret; raises `InvalidTlsError`."""
    kind, name = reference.text("kind"), reference.text("name")
    namespace = reference.text("namespace", owner.namespace)
    scheme = {"ConfigMap": "configmap", "Secret": "kubernetes-gateway"}.get(kind)
    if scheme is None or reference.text("group"):
        raise InvalidTlsError("InvalidCACertificateKind", f"invalid CA reference {kind} {name}")
    holder = inputs.find(kind, namespace, name)
    if holder is None:
        raise InvalidTlsError("InvalidCACertificateRef", f"{kind} {namespace}/{name} not found")
    if "ca.crt" not in holder.fields.fields("data") and "cacert" not in holder.fields.fields("data"):
        raise InvalidTlsError("InvalidCACertificateRef", f"{kind} {namespace}/{name} holds no ca.crt")
    _check_grant(inputs, owner, kind, namespace, name)
    return f"{scheme}://{namespace}/{name}"
