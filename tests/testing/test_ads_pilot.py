"""Scripts made of what Pilot sent: every state follows from the one before, and nothing needs a network."""

from __future__ import annotations

from meshsim.testing.ads_pilot import script_of
from meshsim.testing.ads_resources import assignment, eds_cluster, rds_listener, route_table, static_cluster
from meshsim.testing.ads_scripts import play_simulated
from meshsim.xds import type_urls
from meshsim.xds.messages import cluster_pb2, listener_pb2

C, E, L, R = type_urls.CLUSTER, type_urls.ENDPOINT, type_urls.LISTENER, type_urls.ROUTE


def states() -> list[dict[str, dict[str, bytes]]]:
    first = {
        C: {"a": eds_cluster("a").SerializeToString(), "s": static_cluster("s").SerializeToString()},
        E: {"a": assignment("a").SerializeToString()},
        L: {"l": rds_listener("l", 80, "t").SerializeToString()},
        R: {"t": route_table("t").SerializeToString()},
    }
    second = {t: dict(resources) for t, resources in first.items()}
    second[C]["a"] = eds_cluster("a", 2).SerializeToString()
    del second[C]["s"]
    second[R]["t"] = route_table("t", "b").SerializeToString()
    return [first, second]


def test_a_step_pushes_what_changed_in_order() -> None:
    start, (step,) = script_of(states())
    assert len(start.puts) == 5
    assert step.drops == ((C, "s"),)
    assert step.pushes == ((C, ("a", "s")), (E, ("a",)), (R, ("t",))), "endpoints follow their changed cluster"


def test_the_model_ends_with_the_last_state() -> None:
    start, steps = script_of(states())
    last = play_simulated(start, steps, delta=True)[-1]
    assert (last.state.clusters, last.state.listeners) == (("a",), ("l",))
    assert last.reasons == ()


def test_nothing_binds_and_nothing_is_resolved() -> None:
    named = cluster_pb2.Cluster(name="d", type=cluster_pb2.Cluster.STRICT_DNS)
    named.transport_socket.name = "tls"
    start, _ = script_of([{**states()[0], C: {"d": named.SerializeToString()}}])
    clusters = [m for m in start.puts if isinstance(m, cluster_pb2.Cluster)]
    listeners = [m for m in start.puts if isinstance(m, listener_pb2.Listener)]
    assert [(c.type, c.HasField("transport_socket")) for c in clusters] == [(cluster_pb2.Cluster.STATIC, False)]
    assert [x.bind_to_port.value for x in listeners] == [False]
