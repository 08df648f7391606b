"""TLS that listeners terminate: Istio's mTLS of workloads, and what Gateways declare.

istio pilot/pkg/security/authn/utils/utils.go (BuildInboundTLS), pilot/pkg/security/model/authentication.go and
pilot/pkg/networking/core/gateway.go (BuildListenerTLSContext), release 1.31.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from meshsim.api import Fields
from meshsim.controlplane.clusters.tls import ads_sds_config, sds_config
from meshsim.controlplane.mesh import MeshConfig
from meshsim.controlplane.model import Proxy
from meshsim.xds.messages import string_pb2, tls_common_pb2, tls_pb2, tls_secret_pb2

_HTTP_ALPNS: Final = ("h2", "http/1.1")
_PEER_EXCHANGE: Final = "istio-peer-exchange"
_MESH_CIPHERS: Final = (
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-GCM-SHA256",
)
_CA_SUFFIX: Final = "-cacert"
_DECLARED_MODES: Final = ("SIMPLE", "MUTUAL", "OPTIONAL_MUTUAL")
_VERSIONS: Final = {
    "TLS_AUTO": "TLS_AUTO",
    "TLSV1_0": "TLSv1_0",
    "TLSV1_1": "TLSv1_1",
    "TLSV1_2": "TLSv1_2",
    "TLSV1_3": "TLSv1_3",
}
_KNOWN_CIPHERS: Final = frozenset(
    (
        *_MESH_CIPHERS,
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
        "ECDHE-ECDSA-AES128-SHA",
        "ECDHE-RSA-AES128-SHA",
        "ECDHE-ECDSA-AES256-SHA",
        "ECDHE-RSA-AES256-SHA",
        "AES128-SHA",
        "AES256-SHA",
        "DES-CBC3-SHA",
    )
)
"""istio pkg/config/security/security.go ValidCipherSuites."""

DownstreamTlsContext = tls_pb2.DownstreamTlsContext


class Certificates(NamedTuple):
    """Paths of certificates in the proxy's container; empty = those its agent gets from the mesh's authority."""

    chain: str = ""
    key: str = ""
    root: str = ""

    @property
    def server(self) -> tls_secret_pb2.SdsSecretConfig:
        return sds_config(f"file-cert:{self.chain}~{self.key}" if self.chain and self.key else "default")

    @property
    def authority(self) -> tls_secret_pb2.SdsSecretConfig:
        return sds_config(f"file-root:{self.root}" if self.root else "ROOTCA")


def proxy_certificates(proxy: Proxy) -> Certificates:
    """Certificates that the node metadata names for servers."""
    return Certificates(
        proxy.metadata.text("TLS_SERVER_CERT_CHAIN"),
        proxy.metadata.text("TLS_SERVER_KEY"),
        proxy.metadata.text("TLS_SERVER_ROOT_CERT"),
    )


def mutual_tls_context(mesh: MeshConfig, certificates: Certificates, *, tcp: bool) -> tls_pb2.DownstreamTlsContext:
    """What a sidecar terminates: any client with an identity of the trust domain or its aliases."""
    settings = mesh.fields.fields("meshMTLS")
    out = DownstreamTlsContext()
    common = out.common_tls_context
    common.alpn_protocols.extend((_PEER_EXCHANGE, *_HTTP_ALPNS) if tcp else _HTTP_ALPNS)
    newest = settings.text("minProtocolVersion") == "TLSV1_3"
    common.tls_params.tls_minimum_protocol_version = _version("TLSV1_3" if newest else "TLSV1_2")
    common.tls_params.tls_maximum_protocol_version = _version("TLSV1_3")
    common.tls_params.cipher_suites.extend(settings.texts("cipherSuites") or _MESH_CIPHERS)
    domains = dict.fromkeys((mesh.trust_domain, *mesh.trust_domain_aliases))
    names = [string_pb2.StringMatcher(prefix=f"spiffe://{domain}/") for domain in domains]
    _apply_certificates(common, certificates, names, crl="", validate=True)
    out.require_client_certificate.value = True
    return out


def declared_context(
    mesh: MeshConfig, settings: Fields, certificates: Certificates, *, tcp: bool
) -> tls_pb2.DownstreamTlsContext:
    """What a Gateway's server terminates; `certificates` are the proxy's own, `tcp` = no HTTP behind the TLS.

    DEVIATION: real gateways whose agent has a socket for foreign credentials ask it instead of Pilot.
    """
    mode = settings.text("mode")
    istio = mode == "ISTIO_MUTUAL"
    mutual = istio or mode == "MUTUAL"
    out = DownstreamTlsContext()
    out.require_client_certificate.value = mutual
    common = out.common_tls_context
    common.alpn_protocols.extend((_PEER_EXCHANGE, *_HTTP_ALPNS) if tcp and istio else _HTTP_ALPNS)
    names = _exact(settings.texts("subjectAltNames"))
    if istio:
        _apply_certificates(common, certificates, names, settings.text("caCrl"), validate=True)
    elif settings.text("credentialName") or settings.texts("credentialNames"):
        _apply_credentials(common, settings, names)
    else:
        own = Certificates(
            settings.text("serverCertificate"), settings.text("privateKey"), settings.text("caCertificates")
        )
        _apply_certificates(common, own, names, settings.text("caCrl"), validate=mutual)
        several = settings.items("tlsCertificates")
        if several:
            del common.tls_certificate_sds_secret_configs[:]
            common.tls_certificate_sds_secret_configs.extend(
                Certificates(c.text("serverCertificate"), c.text("privateKey")).server for c in several
            )
    if mode in _DECLARED_MODES:
        _apply_parameters(common, mesh.fields.fields("tlsDefaults"))
        _apply_parameters(common, settings)
    return out


def _version(name: str) -> tls_common_pb2.TlsParameters.TlsProtocol.ValueType:
    return tls_common_pb2.TlsParameters.TlsProtocol.Value(_VERSIONS.get(name, "TLS_AUTO"))


def _exact(names: Iterable[str]) -> list[string_pb2.StringMatcher]:
    return [string_pb2.StringMatcher(exact=name) for name in names]


def _apply_certificates(
    common: tls_pb2.CommonTlsContext,
    certificates: Certificates,
    names: Sequence[string_pb2.StringMatcher],
    crl: str,
    *,
    validate: bool,
) -> None:
    common.tls_certificate_sds_secret_configs.append(certificates.server)
    if not validate:
        return
    combined = common.combined_validation_context
    combined.default_validation_context.SetInParent()
    combined.default_validation_context.match_subject_alt_names.extend(names)
    if crl:
        combined.default_validation_context.crl.filename = crl
    combined.validation_context_sds_secret_config.CopyFrom(certificates.authority)


def _apply_credentials(
    common: tls_pb2.CommonTlsContext, settings: Fields, names: Sequence[string_pb2.StringMatcher]
) -> None:
    """Certificates of Kubernetes secrets; the CA part is that of the first one unless another is named."""
    credentials = settings.texts("credentialNames") or (settings.text("credentialName"),)
    common.tls_certificate_sds_secret_configs.extend(ads_sds_config(_resource(name)) for name in credentials)
    if settings.text("mode") in ("MUTUAL", "OPTIONAL_MUTUAL"):
        combined = common.combined_validation_context
        combined.default_validation_context.SetInParent()
        combined.default_validation_context.match_subject_alt_names.extend(names)
        combined.default_validation_context.verify_certificate_spki.extend(settings.texts("verifyCertificateSpki"))
        combined.default_validation_context.verify_certificate_hash.extend(settings.texts("verifyCertificateHash"))
        authority = settings.text("caCertCredentialName") or credentials[0]
        authority = authority.removesuffix(_CA_SUFFIX) + _CA_SUFFIX
        combined.validation_context_sds_secret_config.CopyFrom(ads_sds_config(_resource(authority)))
    elif names:
        common.validation_context.match_subject_alt_names.extend(names)


def _resource(credential: str) -> str:
    return credential if "://" in credential else f"kubernetes://{credential}"


def _apply_parameters(common: tls_pb2.CommonTlsContext, settings: Fields) -> None:
    """Versions, curves and cipher suites of the mesh's defaults, or of the server over them."""
    for key, field in (
        ("minProtocolVersion", "tls_minimum_protocol_version"),
        ("maxProtocolVersion", "tls_maximum_protocol_version"),
    ):
        if settings.text(key, "TLS_AUTO") != "TLS_AUTO":
            setattr(common.tls_params, field, _version(settings.text(key)))
    if settings.texts("ecdhCurves"):
        del common.tls_params.ecdh_curves[:]
        common.tls_params.ecdh_curves.extend(settings.texts("ecdhCurves"))
    ciphers = [cipher for cipher in settings.texts("cipherSuites") if _is_cipher(cipher)]
    if ciphers:
        del common.tls_params.cipher_suites[:]
        common.tls_params.cipher_suites.extend(dict.fromkeys(ciphers))


def _is_cipher(text: str) -> bool:
    """Whether Istio lets a cipher suite through: a known one, or an expression of BoringSSL."""
    return text in _KNOWN_CIPHERS or text in ("", "ALL") or not text[0].isalnum()
