from __future__ import annotations

from typing import Any

import pytest
import yaml

from meshsim.api import ApiObject, Fields, make_object
from meshsim.controlplane.authn import jwt_authentication, mutual_tls_mode, peer_modes
from meshsim.controlplane.mesh import MeshConfig, build_mesh_config
from meshsim.controlplane.model import MutualTls
from meshsim.xds.packing import to_json

ROOT = "istio-system"


class Policies:
    """PeerAuthentications, oldest first."""

    def __init__(self, *policies: tuple[str, str]) -> None:
        self.mesh: MeshConfig = build_mesh_config()
        self._items = [self._item(i, *policy) for i, policy in enumerate(policies)]

    @staticmethod
    def _item(number: int, namespace: str, spec: str) -> ApiObject:
        return make_object(
            {
                "apiVersion": "security.istio.io/v1",
                "kind": "PeerAuthentication",
                "metadata": {"name": f"p{number}", "namespace": namespace},
                "spec": yaml.safe_load(spec),
            }
        )

    def configs(self, kind: str, namespace: str | None = None) -> tuple[ApiObject, ...]:
        return tuple(item for item in self._items if namespace in (None, item.namespace))


MESH_STRICT = (ROOT, "{mtls: {mode: STRICT}}")
OWN_DISABLE = ("shop", "{mtls: {mode: DISABLE}}")
WEB = "selector: {matchLabels: {app: web}}"


@pytest.mark.parametrize(
    ("policies", "want"),
    [
        ((), "PERMISSIVE"),
        ((MESH_STRICT,), "STRICT"),
        ((MESH_STRICT, OWN_DISABLE), "DISABLE"),
        ((MESH_STRICT, OWN_DISABLE, ("shop", f"{{{WEB}, mtls: {{mode: PERMISSIVE}}}}")), "PERMISSIVE"),
        ((MESH_STRICT, ("shop", f"{{{WEB}, mtls: {{mode: UNSET}}}}")), "STRICT"),
        ((MESH_STRICT, ("shop", "{selector: {matchLabels: {app: db}}, mtls: {mode: DISABLE}}")), "STRICT"),
        ((OWN_DISABLE, ("shop", "{mtls: {mode: STRICT}}")), "DISABLE"),
        (((ROOT, f"{{{WEB}, mtls: {{mode: STRICT}}}}"),), "PERMISSIVE"),
    ],
)
def test_the_nearest_level_that_says_anything(policies: tuple[tuple[str, str], ...], want: str) -> None:
    assert peer_modes(Policies(*policies), "shop", {"app": "web"}).mode is MutualTls(want)


def test_ports_of_a_workload() -> None:
    spec = f"{{{WEB}, mtls: {{mode: STRICT}}, portLevelMtls: {{80: {{mode: DISABLE}}, 90: {{mode: UNSET}}}}}}"
    modes = peer_modes(Policies(("shop", spec)), "shop", {"app": "web"})
    assert [modes.at(port) for port in (80, 90, 100)] == [MutualTls.DISABLE, MutualTls.STRICT, MutualTls.STRICT]


def test_clients_see_mesh_and_namespace_only() -> None:
    policies = Policies(MESH_STRICT, ("shop", f"{{{WEB}, mtls: {{mode: DISABLE}}}}"))
    assert mutual_tls_mode(policies, "shop") is MutualTls.STRICT
    assert mutual_tls_mode(Policies(), "shop") is MutualTls.UNKNOWN
    assert mutual_tls_mode(Policies(OWN_DISABLE), "shop") is MutualTls.DISABLE
    assert mutual_tls_mode(policies, "shop", {"app": "web"}, 80) is MutualTls.DISABLE


def _jwt(*rules: dict[str, Any]) -> Any:
    return to_json(jwt_authentication([Fields(rule) for rule in rules], clear_route_cache=False))


def test_a_request_without_token_passes_and_one_with_a_bad_token_does_not() -> None:
    found = _jwt({"issuer": "a", "jwks": "{}"})
    required = found["rules"][0]["requires"]["requires_any"]["requirements"]
    assert required == [{"provider_name": "origins-0"}, {"allow_missing": {}}]


def test_any_of_several_issuers_may_accept() -> None:
    found = _jwt({"issuer": "a", "jwks": "{}"}, {"issuer": "b", "jwks": "{}"})
    required = found["rules"][0]["requires"]["requires_any"]["requirements"]
    assert [r.get("provider_name") for r in required] == ["origins-0", "origins-1", None]
    assert len(required[2]["requires_all"]["requirements"]) == 2


def test_a_provider() -> None:
    rule = {
        "issuer": "a",
        "jwks": "KEYS",
        "audiences": ["x"],
        "forwardOriginalToken": True,
        "fromHeaders": [{"name": "h", "prefix": "B "}],
        "outputClaimToHeaders": [{"header": "x-sub", "claim": "sub"}],
    }
    provider = _jwt(rule)["providers"]["origins-0"]
    assert provider["local_jwks"] == {"inline_string": "KEYS"}
    assert provider["from_headers"] == [{"name": "h", "value_prefix": "B "}]
    assert provider["claim_to_headers"] == [{"header_name": "x-sub", "claim_name": "sub"}]
    assert provider["forward"] is True
    assert provider["audiences"] == ["x"]


def test_keys_nobody_fetched_verify_nothing() -> None:
    text = _jwt({"issuer": "a", "jwksUri": "https://a/keys"})["providers"]["origins-0"]["local_jwks"]
    assert '"kty":"RSA"' in text["inline_string"]
