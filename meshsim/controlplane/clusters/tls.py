"""TLS towards the endpoints of a cluster: automatic mTLS, or what a DestinationRule says.

istio pilot/pkg/networking/core/cluster_tls.go and pilot/pkg/security/model/authentication.go, release 1.31.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from meshsim.api import Fields
from meshsim.controlplane.clusters.draft import Cluster, ClusterDraft
from meshsim.controlplane.mesh import MeshConfig
from meshsim.controlplane.model import MutualTls
from meshsim.controlplane.protobuf_values import text_struct
from meshsim.xds.messages import (
    base_pb2,
    config_source_pb2,
    duration_pb2,
    grpc_service_pb2,
    proxy_protocol_pb2,
    raw_buffer_pb2,
    string_pb2,
    struct_pb2,
    tls_common_pb2,
    tls_pb2,
    tls_secret_pb2,
    upstream_proxy_protocol_pb2,
)
from meshsim.xds.packing import pack

TLS_SOCKET: Final = "envoy.transport_sockets.tls"
SDS_CLUSTER: Final = "sds-grpc"
_ALPN_MESH: Final = ("istio-peer-exchange", "istio")
_ALPN_MESH_H2: Final = ("istio-peer-exchange", "istio", "h2")

RAW_BUFFER: Final = base_pb2.TransportSocket(
    name="envoy.transport_sockets.raw_buffer", typed_config=pack(raw_buffer_pb2.RawBuffer())
)
_WRAPPED_RAW_BUFFER: Final = base_pb2.TransportSocket(name="raw_buffer", typed_config=pack(raw_buffer_pb2.RawBuffer()))
DISABLED_MATCH: Final = Cluster.TransportSocketMatch(
    name="tlsMode-disabled", match=struct_pb2.Struct(), transport_socket=RAW_BUFFER
)
"""For endpoints that do not take Istio mTLS."""


def sds_config(name: str) -> tls_secret_pb2.SdsSecretConfig:
    """A secret by name from the agent's SDS server (istio pkg/model/xds.go ConstructSdsSecretConfig)."""
    return tls_secret_pb2.SdsSecretConfig(
        name=name,
        sds_config=config_source_pb2.ConfigSource(
            api_config_source=config_source_pb2.ApiConfigSource(
                api_type=config_source_pb2.ApiConfigSource.GRPC,
                set_node_on_first_message_only=True,
                transport_api_version=config_source_pb2.V3,
                grpc_services=[
                    grpc_service_pb2.GrpcService(
                        envoy_grpc=grpc_service_pb2.GrpcService.EnvoyGrpc(cluster_name=SDS_CLUSTER)
                    )
                ],
            ),
            resource_api_version=config_source_pb2.V3,
            initial_fetch_timeout=duration_pb2.Duration(),
        ),
    )


def file_sds_config(name: str) -> tls_secret_pb2.SdsSecretConfig:
    """A secret read from files of the proxy; Envoy waits for it as long as it does by default."""
    config = sds_config(name)
    config.sds_config.ClearField("initial_fetch_timeout")
    return config


def ads_sds_config(name: str) -> tls_secret_pb2.SdsSecretConfig:
    """A Kubernetes secret by name from Pilot itself, over ADS."""
    return tls_secret_pb2.SdsSecretConfig(
        name=name,
        sds_config=config_source_pb2.ConfigSource(
            ads=config_source_pb2.AggregatedConfigSource(), resource_api_version=config_source_pb2.V3
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsInputs:
    """What decides the transport socket of one cluster."""

    settings: Fields | None
    """`tls` of the effective traffic policy."""
    service_accounts: Sequence[str] = ()
    sni: str = ""
    mesh_external: bool = False
    external_registry: bool = False
    """The service is a ServiceEntry's: its subjectAltNames stand in for those the rule leaves out."""
    mutual_tls: MutualTls = MutualTls.UNKNOWN
    rule_has_selector: bool = False
    is_router: bool = False
    certificates: tuple[str, str, str] | None = None
    """Client certificate chain, key and root of the proxy's node metadata."""


def apply_tls(draft: ClusterDraft, mesh: MeshConfig, inputs: TlsInputs) -> None:
    """Set the transport socket, or the matches that choose it by endpoint under automatic mTLS."""
    settings = _with_certificates(mesh, inputs)
    cluster = draft.cluster
    if settings is None:
        if not _automatic(mesh, inputs):
            return
        socket = _tls_socket(_istio_context(draft, inputs.service_accounts, inputs.sni))
        if cluster.type == Cluster.ORIGINAL_DST:
            cluster.transport_socket.CopyFrom(socket)
        else:
            match = text_struct({"tlsMode": "istio"})
            cluster.transport_socket_matches.add(name="tlsMode-istio", match=match, transport_socket=socket)
            cluster.transport_socket_matches.append(DISABLED_MATCH)
        return
    context = _declared_context(draft, mesh, settings, inputs)
    if context is not None:
        cluster.transport_socket.CopyFrom(_tls_socket(context))


def _with_certificates(mesh: MeshConfig, inputs: TlsInputs) -> Fields | None:
    """Settings of the rule; a proxy with certificates in its node metadata uses those for mTLS instead."""
    settings, files = inputs.settings, inputs.certificates
    if files is None:
        return settings
    if settings is None:
        if not _automatic(mesh, inputs):
            return None
        names, sni = tuple(inputs.service_accounts), inputs.sni
    elif settings.text("mode", "DISABLE") in ("DISABLE", "SIMPLE") or inputs.mesh_external:
        return settings
    else:
        names, sni = settings.texts("subjectAltNames"), settings.text("sni")
    chain, key, root = files
    return Fields(
        {
            "mode": "MUTUAL",
            "clientCertificate": chain,
            "privateKey": key,
            "caCertificates": root,
            "subjectAltNames": list(names),
            "sni": sni,
        }
    )


def _automatic(mesh: MeshConfig, inputs: TlsInputs) -> bool:
    return (
        mesh.auto_mtls and not inputs.mesh_external and inputs.mutual_tls not in (MutualTls.UNKNOWN, MutualTls.DISABLE)
    )


def _tls_socket(context: tls_pb2.UpstreamTlsContext) -> base_pb2.TransportSocket:
    return base_pb2.TransportSocket(name=TLS_SOCKET, typed_config=pack(context))


def _common() -> tls_pb2.CommonTlsContext:
    return tls_pb2.CommonTlsContext(
        tls_params=tls_common_pb2.TlsParameters(
            tls_minimum_protocol_version=tls_common_pb2.TlsParameters.TLSv1_2,
            tls_maximum_protocol_version=tls_common_pb2.TlsParameters.TLSv1_3,
        )
    )


def _exact(names: Sequence[str]) -> list[string_pb2.StringMatcher]:
    return [string_pb2.StringMatcher(exact=name) for name in names]


def _istio_context(draft: ClusterDraft, names: Sequence[str], sni: str) -> tls_pb2.UpstreamTlsContext:
    """Istio mTLS with the workload's own certificate."""
    common = _common()
    common.tls_certificate_sds_secret_configs.append(sds_config("default"))
    combined = common.combined_validation_context
    combined.default_validation_context.SetInParent()
    combined.default_validation_context.match_subject_alt_names.extend(_exact(names))
    combined.validation_context_sds_secret_config.CopyFrom(sds_config("ROOTCA"))
    common.alpn_protocols.extend(_ALPN_MESH_H2 if draft.is_http2 else _ALPN_MESH)
    return tls_pb2.UpstreamTlsContext(common_tls_context=common, sni=sni or draft.cluster.name)


def _declared_context(
    draft: ClusterDraft, mesh: MeshConfig, settings: Fields, inputs: TlsInputs
) -> tls_pb2.UpstreamTlsContext | None:
    mode = settings.text("mode", "DISABLE")
    if mode == "ISTIO_MUTUAL":
        names = settings.texts("subjectAltNames") or inputs.service_accounts
        return _istio_context(draft, names, settings.text("sni") or inputs.sni)
    if mode not in ("SIMPLE", "MUTUAL"):
        return None
    credential = settings.text("credentialName")
    # A sidecar may read a Kubernetes secret only by a rule made for its workload; ConfigMaps are for everybody.
    if (
        credential
        and not credential.startswith("configmap://")
        and not inputs.is_router
        and not inputs.rule_has_selector
    ):
        return None
    return _origination_context(draft, mesh, settings, inputs, mode == "MUTUAL")


def _origination_context(
    draft: ClusterDraft, mesh: MeshConfig, settings: Fields, inputs: TlsInputs, mutual: bool
) -> tls_pb2.UpstreamTlsContext | None:
    """TLS origination with certificates of the rule."""
    names = settings.texts("subjectAltNames")
    insecure = settings.flag("insecureSkipVerify")
    context = tls_pb2.UpstreamTlsContext(common_tls_context=_common(), sni=settings.text("sni"))
    common = context.common_tls_context
    if not context.sni:
        upstream = draft.options().upstream_http_protocol_options
        upstream.auto_sni = True
        upstream.auto_san_validation = not names and not insecure
    if inputs.external_registry and not names:
        names = tuple(inputs.service_accounts)
    credential = settings.text("credentialName")
    if credential:
        _apply_credential(common, credential, names, settings, mutual)
    elif not _apply_files(common, settings, names, mutual):
        return None
    defaults = mesh.fields.fields("tlsDefaults")
    common.tls_params.ecdh_curves.extend(defaults.texts("ecdhCurves"))
    common.tls_params.cipher_suites.extend(defaults.texts("cipherSuites"))
    if draft.is_http2:
        common.alpn_protocols.append("h2")
    return context


def _apply_credential(
    common: tls_pb2.CommonTlsContext, credential: str, names: Sequence[str], settings: Fields, mutual: bool
) -> None:
    """Certificates of a Kubernetes secret; its CA part has the suffix ``-cacert``
    (istio pilot/pkg/security/model/authentication.go ApplyCustomSDSToClientCommonTLSContext)."""
    name = credential if "://" in credential else f"kubernetes://{credential}"
    if mutual:
        common.tls_certificate_sds_secret_configs.append(ads_sds_config(name))
    if settings.flag("insecureSkipVerify"):
        return
    combined = common.combined_validation_context
    combined.default_validation_context.SetInParent()
    combined.default_validation_context.match_subject_alt_names.extend(_exact(names))
    combined.validation_context_sds_secret_config.CopyFrom(ads_sds_config(f"{name}-cacert"))


def _apply_files(common: tls_pb2.CommonTlsContext, settings: Fields, names: Sequence[str], mutual: bool) -> bool:
    """Certificates of files in the proxy, by way of SDS; false when a client certificate is missing."""
    if mutual:
        chain, key = settings.text("clientCertificate"), settings.text("privateKey")
        if not chain or not key:
            return False
        common.tls_certificate_sds_secret_configs.append(file_sds_config(f"file-cert:{chain}~{key}"))
    if settings.flag("insecureSkipVerify"):
        common.validation_context.SetInParent()
        return True
    root = settings.text("caCertificates") or "system"
    combined = common.combined_validation_context
    combined.default_validation_context.SetInParent()
    combined.default_validation_context.match_subject_alt_names.extend(_exact(names))
    if settings.text("caCrl"):
        combined.default_validation_context.crl.filename = settings.text("caCrl")
    combined.validation_context_sds_secret_config.CopyFrom(file_sds_config(f"file-root:{root}"))
    return True


def apply_proxy_protocol(draft: ClusterDraft, settings: Fields | None) -> None:
    """Wrap every transport socket so that connections begin with a PROXY protocol header."""
    if settings is None:
        return
    version = proxy_protocol_pb2.ProxyProtocolConfig.Version.Value(settings.text("version", "V1"))
    cluster = draft.cluster

    def wrapped(inner: base_pb2.TransportSocket) -> base_pb2.TransportSocket:
        return base_pb2.TransportSocket(
            name="envoy.transport_sockets.upstream_proxy_protocol",
            typed_config=pack(
                upstream_proxy_protocol_pb2.ProxyProtocolUpstreamTransport(
                    config=proxy_protocol_pb2.ProxyProtocolConfig(version=version), transport_socket=inner
                )
            ),
        )

    if not cluster.HasField("transport_socket") and not cluster.transport_socket_matches:
        cluster.transport_socket.CopyFrom(wrapped(_WRAPPED_RAW_BUFFER))
        return
    if cluster.HasField("transport_socket"):
        cluster.transport_socket.CopyFrom(wrapped(cluster.transport_socket))
    for match in cluster.transport_socket_matches:
        match.transport_socket.CopyFrom(wrapped(match.transport_socket))
