from __future__ import annotations

from meshsim.api import ApiObject, make_object
from meshsim.controlplane.mesh import build_mesh_config
from meshsim.controlplane.model import MutualTls
from meshsim.controlplane.peer_policies import PeerPolicies

MESH = build_mesh_config()


def _policy(namespace: str, mode: str, labels: dict[str, str] | None = None) -> ApiObject:
    spec: dict[str, object] = {"mtls": {"mode": mode}}
    if labels:
        spec["selector"] = {"matchLabels": labels}
    return make_object(
        {
            "apiVersion": "security.istio.io/v1",
            "kind": "PeerAuthentication",
            "metadata": {"name": f"p-{mode.lower()}", "namespace": namespace},
            "spec": spec,
        }
    )


def test_without_policies_servers_are_permissive_and_clients_know_nothing() -> None:
    policies = PeerPolicies(MESH, ())
    assert policies.mode("n") is MutualTls.UNKNOWN
    assert policies.mode("n", {"app": "web"}) is MutualTls.PERMISSIVE


def test_namespace_over_mesh_and_workload_over_namespace() -> None:
    policies = PeerPolicies(
        MESH,
        (_policy("istio-system", "STRICT"), _policy("n", "PERMISSIVE"), _policy("n", "DISABLE", {"app": "web"})),
    )
    assert policies.mode("other") is MutualTls.STRICT
    assert policies.mode("n") is MutualTls.PERMISSIVE
    assert policies.mode("n", {"app": "web"}, 80) is MutualTls.DISABLE
    assert policies.mode("n", {"app": "db"}, 80) is MutualTls.PERMISSIVE


def test_it_is_kept_as_long_as_its_objects_are() -> None:
    one = _policy("n", "STRICT")
    policies = PeerPolicies(MESH, (one,))
    assert policies.is_made_of(MESH, (one,))
    assert not policies.is_made_of(MESH, (_policy("n", "STRICT"),))
    assert not policies.is_made_of(build_mesh_config(), (one,))
    assert policies.configs("PeerAuthentication", "n") == (one,)
    assert policies.configs("PeerAuthentication", "m") == ()


def test_of_the_policies_for_a_whole_namespace_the_oldest_counts() -> None:
    first, second = _policy("n", "STRICT"), _policy("n", "PERMISSIVE")
    narrow, elsewhere = _policy("n", "DISABLE", {"app": "web"}), _policy("m", "DISABLE")
    policies = PeerPolicies(MESH, (first, elsewhere, second, narrow))
    assert policies.effective("n") == (first, narrow)
    assert policies.effective("m") == (elsewhere,)
    assert policies.effective("o") == ()
