"""Pilot on its clock: debounce, push order, throttle, reconnects."""

from __future__ import annotations

from dataclasses import dataclass, field

from meshsim.api import ApiObject, Fields, make_object
from meshsim.controlplane.mesh import build_mesh_config
from meshsim.controlplane.model import Proxy, ProxyType
from meshsim.controlplane.pilot import Pilot
from meshsim.controlplane.timing import PilotTiming
from meshsim.kernel import Environment
from meshsim.trace import Push, PushSent, Taps
from meshsim.units import MILLISECOND, SECOND
from meshsim.xds import type_urls
from meshsim.xds.delta_response import DeltaResponse
from meshsim.xds.messages import discovery_pb2


@dataclass
class Wire:
    """Acknowledges whatever arrives and follows clusters to endpoints and listeners to routes."""

    pilot: Pilot | None = None
    got: list[tuple[str, str, int]] = field(default_factory=list)
    closed_streams: list[str] = field(default_factory=list)

    def deliver(self, connection: str, response: DeltaResponse) -> None:
        assert self.pilot is not None
        self.got.append((connection, type_urls.SHORT[response.type_url], len(response.resources)))
        ack = discovery_pb2.DeltaDiscoveryRequest(type_url=response.type_url, response_nonce=response.nonce)
        self.pilot.on_request(connection, ack)

    def closed(self, connection: str) -> None:
        self.closed_streams.append(connection)


def _service(name: str) -> ApiObject:
    return make_object(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": "shop"},
            "spec": {"clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9"], "ports": [{"name": "http", "port": 80}]},
        }
    )


def _rule(name: str) -> ApiObject:
    return make_object(
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {"name": name, "namespace": "shop"},
            "spec": {"hosts": ["cart"], "http": [{"route": [{"destination": {"host": "cart"}}]}]},
        }
    )


def _proxy(name: str) -> Proxy:
    return Proxy(
        id=f"{name}.shop",
        node_id=f"sidecar~10.0.0.1~{name}.shop~shop.svc.cluster.local",
        type=ProxyType.SIDECAR,
        addresses=("10.0.0.1",),
        name=name,
        namespace="shop",
        dns_domain="shop.svc.cluster.local",
        labels={},
        metadata=Fields({"NAMESPACE": "shop", "NAME": name, "CLUSTER_ID": "Kubernetes"}),
    )


@dataclass
class Scene:
    env: Environment
    pilot: Pilot
    wire: Wire
    pushes: list[Push]
    sent: list[PushSent]

    def connect(self, name: str) -> bool:
        accepted = self.pilot.connect(_proxy(name))
        if accepted:
            for type_url, names in ((type_urls.CLUSTER, []), (type_urls.LISTENER, []), (type_urls.ROUTE, ["80"])):
                request = discovery_pb2.DeltaDiscoveryRequest(type_url=type_url, resource_names_subscribe=names)
                self.pilot.on_request(f"{name}.shop", request)
        return accepted


def _scene(timing: PilotTiming | None = None) -> Scene:
    env, taps, wire = Environment(), Taps(), Wire()
    pilot = Pilot(env, build_mesh_config({}), timing or PilotTiming(), taps, wire)
    wire.pilot = pilot
    scene = Scene(env, pilot, wire, [], [])
    taps.push.listen(scene.pushes.append)
    taps.push_sent.listen(scene.sent.append)
    pilot.load([_service("cart")])
    return scene


def test_a_settled_start_answers_at_once() -> None:
    scene = _scene()
    scene.pilot.settle(lambda: scene.connect("a") and None)
    assert [kind for _, kind, _ in scene.wire.got] == ["cds", "lds", "rds"]
    assert scene.env.now == 0


def test_changes_are_pushed_after_the_quiet_time_in_push_order() -> None:
    scene = _scene()
    scene.pilot.settle(lambda: scene.connect("a") and None)
    scene.wire.got.clear()
    scene.env.call_at(SECOND, lambda: scene.pilot.on_change("add", _rule("one"), None, "t"))
    scene.env.call_at(SECOND + 50 * MILLISECOND, lambda: scene.pilot.on_change("add", _rule("two"), None, "t"))
    scene.env.run(until=3 * SECOND)
    (push,) = scene.pushes
    assert (push.first_change, push.debounced) == (SECOND, SECOND + 150 * MILLISECOND)
    assert push.changes == (1, 2)
    assert [kind for _, kind, _ in scene.wire.got] == ["cds", "lds", "rds"]
    times = [sent.time for sent in scene.sent if sent.push == 1]
    assert times == sorted(times)
    assert push.started < times[0]


def test_the_throttle_bounds_how_many_are_pushed_to_at_once() -> None:
    scene = _scene(PilotTiming(push_throttle=1, cpus=4))
    scene.pilot.settle(lambda: [scene.connect(f"p{n}") for n in range(4)] and None)
    scene.env.call_at(SECOND, lambda: scene.pilot.on_change("add", _rule("one"), None, "t"))
    scene.env.run(until=3 * SECOND)
    order = [sent.proxy for sent in scene.sent if sent.push == 1]
    assert order == sorted(order), "one connection after the other gets all its types"


def test_new_streams_are_admitted_at_a_limited_rate() -> None:
    scene = _scene(PilotTiming(max_requests_per_second=2.0))
    accepted: list[bool] = []
    scene.env.call_at(0, lambda: accepted.extend(scene.pilot.connect(_proxy(f"p{n}")) for n in range(6)))
    scene.env.run(until=SECOND)
    assert accepted == [True, True, True, False, False, False], "burst, then what waits up to a second"


def test_a_stopped_pilot_closes_streams_and_pushes_nothing() -> None:
    scene = _scene()
    scene.pilot.settle(lambda: scene.connect("a") and None)
    scene.env.call_at(SECOND, lambda: scene.pilot.on_change("add", _rule("one"), None, "t"))
    scene.env.call_at(SECOND + 50 * MILLISECOND, scene.pilot.stop)
    scene.env.run(until=3 * SECOND)
    assert scene.wire.closed_streams == ["a.shop"]
    assert scene.pushes == []
    assert not scene.pilot.connect(_proxy("a"))
    scene.pilot.start([_service("cart"), _rule("one")])
    assert scene.connect("a")


def test_a_change_that_concerns_nobody_sends_nothing() -> None:
    scene = _scene()
    scene.pilot.settle(lambda: scene.connect("a") and None)
    far = make_object(
        {
            "apiVersion": "security.istio.io/v1",
            "kind": "AuthorizationPolicy",
            "metadata": {"name": "x", "namespace": "far"},
            "spec": {},
        }
    )
    scene.env.call_at(SECOND, lambda: scene.pilot.on_change("add", far, None, "t"))
    scene.env.run(until=3 * SECOND)
    assert len(scene.pushes) == 1
    assert [sent for sent in scene.sent if sent.push == 1] == []


def _pod(app: str) -> ApiObject:
    return make_object(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "a", "namespace": "shop", "labels": {"app": app}},
            "spec": {"containers": [{"name": "istio-proxy"}]},
            "status": {
                "phase": "Running",
                "podIP": "10.0.0.1",
                "podIPs": [{"ip": "10.0.0.1"}],
                "conditions": [{"type": "Ready", "status": "True"}],
            },
        }
    )


def test_the_proxy_of_a_changed_pod_is_pushed_to_past_the_debounce() -> None:
    """As istiod's ProxyUpdate: every type at once, before and besides the push of the change."""
    scene = _scene()
    scene.pilot.objects.put(_pod("one"))
    scene.pilot.load([])
    scene.pilot.settle(lambda: scene.connect("a") and None)
    scene.wire.got.clear()
    scene.env.call_at(SECOND, lambda: scene.pilot.on_change("update", _pod("two"), _pod("one"), "t"))
    scene.env.run(until=SECOND + 50 * MILLISECOND)
    assert [kind for _, kind, _ in scene.wire.got] == ["cds", "lds", "rds"]
    assert scene.pushes == [], "not after a debounce"
