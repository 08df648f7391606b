from __future__ import annotations

from typing import Any

import pytest

from meshsim.api import Fields
from meshsim.controlplane.clusters.draft import Cluster, ClusterDraft
from meshsim.controlplane.clusters.tls import TlsInputs, apply_proxy_protocol, apply_tls
from meshsim.controlplane.mesh import build_mesh_config
from meshsim.controlplane.model import MutualTls
from meshsim.xds.messages import base_pb2, tls_pb2

MESH = build_mesh_config()


def _draft(mesh: Any = MESH, *, kind: int = Cluster.EDS, http2: bool = False, **inputs: Any) -> ClusterDraft:
    draft = ClusterDraft(Cluster(name="outbound|80||h", type=kind))  # type: ignore[arg-type]
    if http2:
        draft.use_http2()
    settings = inputs.pop("settings", None)
    apply_tls(draft, mesh, TlsInputs(settings=Fields(settings) if settings is not None else None, **inputs))
    return draft


def _context(socket: base_pb2.TransportSocket) -> tls_pb2.UpstreamTlsContext:
    context = tls_pb2.UpstreamTlsContext()
    assert socket.typed_config.Unpack(context)
    return context


def _declared(settings: dict[str, Any], **inputs: Any) -> tls_pb2.UpstreamTlsContext:
    return _context(_draft(settings=settings, **inputs).cluster.transport_socket)


def _names(context: tls_pb2.UpstreamTlsContext) -> list[str]:
    combined = context.common_tls_context.combined_validation_context
    return [m.exact for m in combined.default_validation_context.match_subject_alt_names]


def test_automatic_mtls_chooses_by_endpoint() -> None:
    cluster = _draft(mutual_tls=MutualTls.PERMISSIVE, sni="s", service_accounts=("spiffe://a",)).cluster
    assert [m.name for m in cluster.transport_socket_matches] == ["tlsMode-istio", "tlsMode-disabled"]
    context = _context(cluster.transport_socket_matches[0].transport_socket)
    assert context.sni == "s"
    assert list(context.common_tls_context.alpn_protocols) == ["istio-peer-exchange", "istio"]
    assert _names(context) == ["spiffe://a"]


def test_automatic_mtls_to_the_original_destination_has_one_socket() -> None:
    cluster = _draft(kind=Cluster.ORIGINAL_DST, mutual_tls=MutualTls.STRICT).cluster
    assert not cluster.transport_socket_matches
    assert cluster.transport_socket.name == "envoy.transport_sockets.tls"


@pytest.mark.parametrize(
    ("mesh", "inputs"),
    [
        ({}, {"mutual_tls": MutualTls.DISABLE}),
        ({}, {"mutual_tls": MutualTls.UNKNOWN}),
        ({}, {"mutual_tls": MutualTls.STRICT, "mesh_external": True}),
        ({"enableAutoMtls": False}, {"mutual_tls": MutualTls.STRICT}),
        ({}, {"settings": {"mode": "DISABLE"}, "mutual_tls": MutualTls.STRICT}),
        ({}, {"settings": {"mode": "SIMPLE", "credentialName": "c"}}),
        ({}, {"settings": {"mode": "MUTUAL", "clientCertificate": "/c"}}),
    ],
)
def test_clear_text(mesh: dict[str, Any], inputs: dict[str, Any]) -> None:
    cluster = _draft(build_mesh_config(mesh), **inputs).cluster
    assert not cluster.HasField("transport_socket")
    assert not cluster.transport_socket_matches


def test_istio_mutual() -> None:
    context = _declared({"mode": "ISTIO_MUTUAL"}, sni="auto", service_accounts=("a",), http2=True)
    assert (context.sni, _names(context)) == ("auto", ["a"])
    assert list(context.common_tls_context.alpn_protocols) == ["istio-peer-exchange", "istio", "h2"]
    own = _declared({"mode": "ISTIO_MUTUAL", "sni": "mine", "subjectAltNames": ["b"]}, sni="auto")
    assert (own.sni, _names(own)) == ("mine", ["b"])


def test_simple_tls_trusts_the_system_and_checks_the_host() -> None:
    draft = _draft(settings={"mode": "SIMPLE"})
    context = _context(draft.cluster.transport_socket)
    combined = context.common_tls_context.combined_validation_context
    assert combined.validation_context_sds_secret_config.name == "file-root:system"
    upstream = draft.options().upstream_http_protocol_options
    assert (upstream.auto_sni, upstream.auto_san_validation) == (True, True)


def test_simple_tls_with_a_name_of_its_own() -> None:
    draft = _draft(settings={"mode": "SIMPLE", "sni": "x", "subjectAltNames": ["y"], "caCertificates": "/ca"})
    context = _context(draft.cluster.transport_socket)
    assert (context.sni, _names(context)) == ("x", ["y"])
    assert draft.http is None


def test_nothing_is_verified_when_told_so() -> None:
    common = _declared({"mode": "SIMPLE", "insecureSkipVerify": True}).common_tls_context
    assert common.HasField("validation_context")
    assert not common.HasField("combined_validation_context")


def test_names_of_a_service_entry_stand_in() -> None:
    assert _names(_declared({"mode": "SIMPLE"}, external_registry=True, service_accounts=("z",))) == ["z"]
    assert _names(_declared({"mode": "SIMPLE"}, service_accounts=("z",))) == []


def test_mutual_tls_by_files() -> None:
    common = _declared({"mode": "MUTUAL", "clientCertificate": "/c", "privateKey": "/k"}).common_tls_context
    (certificate,) = common.tls_certificate_sds_secret_configs
    assert certificate.name == "file-cert:/c~/k"
    assert not certificate.sds_config.HasField("initial_fetch_timeout")


def test_secrets_for_gateways_and_selected_workloads() -> None:
    settings = {"mode": "MUTUAL", "credentialName": "c"}
    for who in ({"is_router": True}, {"rule_has_selector": True}):
        common = _declared(settings, **who).common_tls_context
        (certificate,) = common.tls_certificate_sds_secret_configs
        assert certificate.name == "kubernetes://c"
        root = common.combined_validation_context.validation_context_sds_secret_config
        assert root.name == "kubernetes://c-cacert"


def test_a_proxy_with_certificates_uses_them_for_mtls() -> None:
    files = ("/chain", "/key", "/root")
    automatic = _draft(mutual_tls=MutualTls.STRICT, certificates=files, sni="s").cluster
    common = _context(automatic.transport_socket).common_tls_context
    assert common.tls_certificate_sds_secret_configs[0].name == "file-cert:/chain~/key"
    simple = _declared({"mode": "SIMPLE"}, certificates=files).common_tls_context
    assert not simple.tls_certificate_sds_secret_configs


def test_the_proxy_protocol_wraps_every_socket() -> None:
    draft = _draft(mutual_tls=MutualTls.STRICT)
    apply_proxy_protocol(draft, Fields({"version": "V2"}))
    names = {m.transport_socket.name for m in draft.cluster.transport_socket_matches}
    assert names == {"envoy.transport_sockets.upstream_proxy_protocol"}
    plain = _draft()
    apply_proxy_protocol(plain, Fields({}))
    assert plain.cluster.transport_socket.name == "envoy.transport_sockets.upstream_proxy_protocol"
    without = _draft()
    apply_proxy_protocol(without, None)
    assert not without.cluster.HasField("transport_socket")
