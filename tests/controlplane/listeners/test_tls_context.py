from __future__ import annotations

from typing import Any

import pytest

from meshsim.api import Fields
from meshsim.controlplane.listeners.tls_context import Certificates, declared_context, mutual_tls_context
from meshsim.controlplane.mesh import build_mesh_config
from meshsim.xds.packing import to_json

NONE = Certificates()


def _mutual(tcp: bool = False, certificates: Certificates = NONE, **mesh: Any) -> Any:
    return to_json(mutual_tls_context(build_mesh_config(mesh), certificates, tcp=tcp))


def _declared(settings: dict[str, Any], tcp: bool = False, **mesh: Any) -> Any:
    return to_json(declared_context(build_mesh_config(mesh), Fields(settings), NONE, tcp=tcp))


def _names(context: Any) -> list[str]:
    return [c["name"] for c in context["common_tls_context"]["tls_certificate_sds_secret_configs"]]


def _authority(context: Any) -> Any:
    combined = context["common_tls_context"]["combined_validation_context"]
    return combined["validation_context_sds_secret_config"]["name"]


def _accepted(context: Any) -> Any:
    combined = context["common_tls_context"]["combined_validation_context"]
    return combined["default_validation_context"].get("match_subject_alt_names")


def test_mutual_tls_takes_identities_of_the_trust_domain_and_its_aliases() -> None:
    context = _mutual(trustDomain="new", trustDomainAliases=["old", "older", "new"])
    assert [m["prefix"] for m in _accepted(context)] == ["spiffe://new/", "spiffe://old/", "spiffe://older/"]
    assert (_names(context), _authority(context)) == (["default"], "ROOTCA")
    assert context["require_client_certificate"] is True


def test_tcp_offers_the_exchange_of_metadata() -> None:
    alpns = [_mutual(tcp=tcp)["common_tls_context"]["alpn_protocols"] for tcp in (False, True)]
    assert alpns == [["h2", "http/1.1"], ["istio-peer-exchange", "h2", "http/1.1"]]


def test_the_mesh_sets_the_oldest_version() -> None:
    def oldest(**mesh: Any) -> Any:
        return _mutual(**mesh)["common_tls_context"]["tls_params"]["tls_minimum_protocol_version"]

    assert oldest() == "TLSv1_2"
    assert oldest(meshMTLS={"minProtocolVersion": "TLSV1_3"}) == "TLSv1_3"


def test_certificates_of_the_container() -> None:
    context = _mutual(certificates=Certificates("/c", "/k", "/r"))
    assert (_names(context), _authority(context)) == (["file-cert:/c~/k"], "file-root:/r")


@pytest.mark.parametrize(
    ("mode", "required", "authority"),
    [
        ("SIMPLE", False, None),
        ("MUTUAL", True, "kubernetes://web-cacert"),
        ("OPTIONAL_MUTUAL", False, "kubernetes://web-cacert"),
    ],
)
def test_credentials(mode: str, required: bool, authority: str | None) -> None:
    context = _declared({"mode": mode, "credentialName": "web"})
    assert _names(context) == ["kubernetes://web"]
    assert context["require_client_certificate"] is required
    if authority is None:
        assert "combined_validation_context" not in context["common_tls_context"]
    else:
        assert _authority(context) == authority


def test_several_credentials_share_the_first_ones_authority() -> None:
    context = _declared({"mode": "MUTUAL", "credentialNames": ["rsa", "kubernetes-gateway://ns/ecdsa"]})
    assert _names(context) == ["kubernetes://rsa", "kubernetes-gateway://ns/ecdsa"]
    assert _authority(context) == "kubernetes://rsa-cacert"


def test_istio_mutual_uses_the_proxys_own_identity() -> None:
    context = _declared({"mode": "ISTIO_MUTUAL", "subjectAltNames": ["spiffe://x/ns/a/sa/b"]}, tcp=True)
    assert (_names(context), _authority(context)) == (["default"], "ROOTCA")
    assert _accepted(context) == [{"exact": "spiffe://x/ns/a/sa/b"}]
    assert context["common_tls_context"]["alpn_protocols"][0] == "istio-peer-exchange"


def test_files() -> None:
    files = {"serverCertificate": "/c", "privateKey": "/k", "caCertificates": "/ca", "caCrl": "/crl"}
    context = _declared({"mode": "MUTUAL", **files})
    assert (_names(context), _authority(context)) == (["file-cert:/c~/k"], "file-root:/ca")
    defaults = context["common_tls_context"]["combined_validation_context"]["default_validation_context"]
    assert defaults["crl"] == {"filename": "/crl"}


def test_parameters_of_the_server_over_those_of_the_mesh() -> None:
    settings = {
        "mode": "SIMPLE",
        "credentialName": "web",
        "minProtocolVersion": "TLSV1_2",
        "cipherSuites": ["AES128-SHA", "UNHEARD-OF", "AES128-SHA"],
    }
    defaults = {"minProtocolVersion": "TLSV1_3", "ecdhCurves": ["P-256"], "cipherSuites": ["AES256-SHA"]}
    assert _declared(settings, tlsDefaults=defaults)["common_tls_context"]["tls_params"] == {
        "tls_minimum_protocol_version": "TLSv1_2",
        "cipher_suites": ["AES128-SHA"],
        "ecdh_curves": ["P-256"],
    }
