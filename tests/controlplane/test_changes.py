"""Push requests: what they say of themselves and how they merge (istio pilot/pkg/model/push_context.go)."""

from __future__ import annotations

from meshsim.controlplane.changes import ConfigKey, PushRequest, proxy_request


def _request(kind: str, name: str = "a", reason: str = "config") -> PushRequest:
    return PushRequest({ConfigKey(kind, name, "shop"): None}, {reason: 1})


def test_requests_merge() -> None:
    one, two = _request("VirtualService"), _request("Endpoints", "b", "endpoint")
    one.changes, two.changes, two.push, two.started = [1], [1, 2], 3, 7
    one.merge(two)
    assert list(one.keys) == [ConfigKey("VirtualService", "a", "shop"), ConfigKey("Endpoints", "b", "shop")]
    assert one.reasons == {"config": 1, "endpoint": 1}
    assert one.changes == [1, 2]
    assert (one.push, one.started) == (3, 7)
    assert one.kinds == ["Endpoints", "VirtualService"]


def test_a_copy_is_changed_alone() -> None:
    one = _request("VirtualService")
    two = one.copy()
    two.merge(_request("Sidecar"))
    assert one.kinds == ["VirtualService"]


def test_only_endpoints_need_no_new_view_of_the_mesh() -> None:
    assert _request("Endpoints").only_endpoints
    mixed = _request("Endpoints")
    mixed.merge(_request("VirtualService"))
    assert not mixed.only_endpoints
    assert not PushRequest(forced=True).only_endpoints


def test_a_proxy_update_stays_one_when_other_changes_join_it() -> None:
    update = proxy_request()
    assert update.forced
    update.merge(_request("VirtualService"))
    assert update.is_proxy_update
    assert not _request("VirtualService").is_proxy_update
