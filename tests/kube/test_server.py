"""The API server: identity, history, watches that arrive late and in order, admission."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from meshsim.api import make_object
from meshsim.errors import InputError
from meshsim.kernel import Environment
from meshsim.kube import ApiServer, Change, KubeSettings, Verb
from meshsim.network import Addresses
from meshsim.units import MILLISECOND, SECOND

if TYPE_CHECKING:
    from collections.abc import Mapping

    from meshsim.api import ApiObject


def _config(**data: str) -> ApiObject:
    return make_object(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "shop"}, "data": data}
    )


@pytest.fixture
def server() -> ApiServer:
    made = ApiServer(Environment(), KubeSettings(), Addresses(), seed=3)
    made.open_watches()
    return made


def test_identity_is_given_once_and_kept(server: ApiServer) -> None:
    first = server.apply(_config(a="1"))
    server.env.run(5 * SECOND)
    second = server.apply(_config(a="2"))
    assert first.metadata.text("uid") == second.metadata.text("uid")
    assert first.metadata.text("creationTimestamp") == second.metadata.text("creationTimestamp")
    assert second.created == first.created
    assert int(second.metadata.text("resourceVersion")) > int(first.metadata.text("resourceVersion"))


def test_a_new_object_of_an_old_name_is_another_one(server: ApiServer) -> None:
    first = server.apply(_config())
    server.remove(first.key)
    assert server.apply(_config()).metadata.text("uid") != first.metadata.text("uid")


def test_creation_time_counts_from_the_epoch_in_whole_seconds(server: ApiServer) -> None:
    server.env.run(90 * SECOND + 1)
    assert server.apply(_config()).metadata.text("creationTimestamp") == "2026-01-01T00:01:30Z"


def test_watches_hear_changes_late_and_in_order(server: ApiServer) -> None:
    heard: list[tuple[int, Change]] = []
    server.watch(lambda change: heard.append((server.env.instant, change)), ("ConfigMap",), 7 * MILLISECOND)
    server.apply(_config(a="1"), "one")
    server.apply(_config(a="2"), "two")
    server.apply(_config(a="2"), "same")
    server.remove(_config().key, "three")
    server.apply(make_object({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}))
    assert heard == []
    server.env.run(SECOND)
    assert [(when, c.verb, c.cause, c.written) for when, c in heard] == [
        (7 * MILLISECOND, Verb.ADD, "one", 0),
        (7 * MILLISECOND, Verb.UPDATE, "two", 0),
        (7 * MILLISECOND, Verb.DELETE, "three", 0),
    ]
    assert heard[1][1].before is heard[0][1].object


def test_the_status_is_the_controllers(server: ApiServer) -> None:
    item = server.apply(_config())
    server.update_status(item, {"ready": True})
    after = server.apply(_config(a="2"))
    assert after.status.flag("ready")


def test_generation_counts_changes_of_the_spec(server: ApiServer) -> None:
    def rule(weight: int) -> ApiObject:
        metadata = {"name": "v", "namespace": "shop"}
        body = {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": metadata}
        return make_object({**body, "spec": {"weight": weight}})

    assert server.apply(rule(1)).metadata.integer("generation") == 1
    assert server.apply(rule(2)).metadata.integer("generation") == 2
    assert server.apply(rule(2)).metadata.integer("generation") == 2


def test_before_time_zero_nobody_is_told() -> None:
    server = ApiServer(Environment(), KubeSettings(), Addresses())
    heard: list[Change] = []
    server.watch(heard.append)
    server.apply(_config())
    server.env.run(SECOND)
    assert heard == []
    assert server.get("ConfigMap", "shop", "c") is not None


def test_admission_sees_pods_only_and_may_refuse() -> None:
    seen: list[str] = []

    def admit(pod: ApiObject) -> Mapping[str, object]:
        seen.append(pod.spec.text("serviceAccountName"))
        raise InputError("no")

    server = ApiServer(Environment(), KubeSettings(), Addresses(), admission=admit)
    server.apply(_config())
    pod = make_object({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "shop"}, "spec": {}})
    with pytest.raises(InputError):
        server.create(pod)
    assert seen == ["default"]
    assert server.get("Pod", "shop", "p") is None
