from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest

from meshsim.api import ApiObject
from meshsim.controlplane.mesh import build_mesh_config
from meshsim.controlplane.model import Proxy
from meshsim.controlplane.proxies import build_proxy
from meshsim.controlplane.push_context import PushContext, build_push_context
from meshsim.controlplane.resources import Resource, generate
from meshsim.errors import InternalError
from meshsim.world.verify.canonical import canonical, resource_name
from meshsim.world.verify.folder import read_proxies, read_world
from meshsim.xds import type_urls
from meshsim.xds.packing import message_class, to_json
from meshsim.xds.references import references

TYPES: Final = {"cds": type_urls.CLUSTER, "eds": type_urls.ENDPOINT, "nds": type_urls.NAME_TABLE}
WORLDS: Final = [
    "svc-http-basic",
    "svc-multiport",
    "svc-protocols",
    "vs-weights",
    "vs-uri",
    "vs-rewrite-redirect",
    "vs-direct-mirror-fault",
    "dr-levels",
    "dr-pool-outlier",
    "gw-http",
    "pa-levels",
    "app-bookinfo",
]


def _everything(push: PushContext, proxy: Proxy) -> Iterator[tuple[str, tuple[Resource, ...]]]:
    names: dict[str, dict[str, None]] = {}
    for type_url in TYPES.values():
        found = generate(push, proxy, type_url, tuple(names.get(type_url, ())))
        for resource in found:
            for wanted, more in references(type_url, resource.body).items():
                names.setdefault(wanted, {}).update(dict.fromkeys(more))
        yield type_url, found


@pytest.mark.needs_shared
@pytest.mark.parametrize("name", WORLDS)
def test_clusters_assignments_and_names_equal_those_of_istiod(oracle: Path, name: str) -> None:
    world = read_world(oracle, name)
    mesh = build_mesh_config(world.mesh_base, world.mesh_overrides)
    objects = world.store()
    push = build_push_context(objects, mesh)
    for recorded in read_proxies(oracle, "xds", name):
        got = dict(_everything(push, build_proxy(recorded.node, objects, mesh)))
        for short, type_url in TYPES.items():
            cls = message_class(type_url)
            made = [to_json(cls.FromString(resource.body)) for resource in got[type_url]]
            assert _by_name(made) == _by_name(recorded.resources[short]), f"{recorded.id} {short}"


def _by_name(resources: Any) -> list[tuple[str, object]]:
    return sorted(((resource_name(r), canonical(r)) for r in resources), key=str)


ALL_TYPES: Final = (type_urls.CLUSTER, type_urls.LISTENER, type_urls.ENDPOINT, type_urls.ROUTE, type_urls.NAME_TABLE)


def _answers(push: PushContext, proxy: Proxy) -> Iterator[tuple[str, tuple[Resource, ...]]]:
    """All that a proxy is sent, names followed as Envoy follows them."""
    names: dict[str, dict[str, None]] = {}
    for type_url in ALL_TYPES:
        found = generate(push, proxy, type_url, tuple(names.get(type_url, ())))
        for resource in found:
            for wanted, more in references(type_url, resource.body).items():
                names.setdefault(wanted, {}).update(dict.fromkeys(more))
        yield type_url, found


CHANGES: Final = (
    "{apiVersion: v1, kind: Service, metadata: {name: other, namespace: shop},"
    " spec: {clusterIP: 10.96.0.2, selector: {app: client}, ports: [{name: tcp, port: 9000}]}}",
    "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: web, namespace: shop},"
    " spec: {host: web, trafficPolicy: {connectionPool: {http: {maxRetries: 5}}},"
    " subsets: [{name: v1, labels: {version: v1}}]}}",
    "{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: default, namespace: shop},"
    " spec: {mtls: {mode: DISABLE}}}",
    "{apiVersion: v1, kind: Pod, metadata: {name: web-1, namespace: shop, labels: {app: web, version: v1}},"
    " spec: {nodeName: n1, serviceAccountName: web}, status: {phase: Running, podIP: 10.244.0.2}}",
    "{apiVersion: v1, kind: Node, metadata: {name: n1, labels: {topology.kubernetes.io/region: us}}}",
    "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: web, namespace: shop},"
    " spec: {host: web, trafficPolicy: {outlierDetection: {}, loadBalancer: {localityLbSetting:"
    " {failoverPriority: [version]}}}}}",
    "{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: ext, namespace: shop},"
    " spec: {hosts: [ext.example.com], addresses: [1.2.3.4], resolution: STATIC, location: MESH_INTERNAL,"
    " ports: [{number: 80, name: http, protocol: HTTP}], workloadSelector: {labels: {app: web}}}}",
    "{apiVersion: networking.istio.io/v1alpha3, kind: EnvoyFilter, metadata: {name: ef, namespace: shop},"
    " spec: {configPatches: [{applyTo: CLUSTER, match: {context: SIDECAR_OUTBOUND},"
    " patch: {operation: MERGE, value: {alt_stat_name: patched}}}]}}",
    "{apiVersion: networking.istio.io/v1, kind: Sidecar, metadata: {name: web, namespace: shop},"
    " spec: {workloadSelector: {labels: {app: web}}, egress: [{hosts: ['./web.shop.svc.cluster.local']}],"
    " inboundConnectionPool: {tcp: {maxConnections: 3}}}}",
    "{apiVersion: v1, kind: Service, metadata: {name: alias, namespace: shop},"
    " spec: {type: ExternalName, externalName: web.shop.svc.cluster.local, ports: [{name: http, port: 80}]}}",
    "{apiVersion: v1, kind: Namespace, metadata: {name: shop, annotations:"
    " {networking.istio.io/traffic-distribution: PreferSameZone}}}",
)
"""One after the other, each touching another input."""


def _istio(kind: str, name: str, spec: str, namespace: str = "shop", group: str = "networking.istio.io/v1") -> str:
    return f"{{apiVersion: {group}, kind: {kind}, metadata: {{name: {name}, namespace: {namespace}}}, spec: {spec}}}"


def _pod(name: str, address: str, labels: str, account: str = "web", namespace: str = "shop") -> str:
    return (
        f"{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, namespace: {namespace}, labels: {labels}}},"
        f" spec: {{nodeName: n1, serviceAccountName: {account}, containers: [{{name: app}}, {{name: istio-proxy}}]}},"
        f" status: {{phase: Running, podIP: {address}, podIPs: [{{ip: {address}}}],"
        " conditions: [{type: Ready, status: 'True'}]}}"
    )


def _slice(service: str, endpoints: str, port: str = "{name: http, port: 8080}") -> str:
    return (
        "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4,"
        f" metadata: {{name: {service}-1, namespace: shop, labels: {{kubernetes.io/service-name: {service}}}}},"
        f" ports: [{port}], endpoints: [{endpoints}]}}"
    )


def _named(pod: str, address: str) -> str:
    return f"{{addresses: [{address}], targetRef: {{kind: Pod, name: {pod}, namespace: shop}}}}"


def _service(name: str, spec: str, labels: str = "{}") -> str:
    metadata = f"{{name: {name}, namespace: shop, labels: {labels}}}"
    return f"{{apiVersion: v1, kind: Service, metadata: {metadata}, spec: {spec}}}"


GUEST: Final = _pod("guest-0", "10.244.7.1", "{app: guest}", namespace="other")
WEB: Final = f"{_named('web-0', '10.244.0.1')}, {_named('web-1', '10.244.0.2')}"
HASH: Final = "{host: web, trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: %s}}}}"
ROUTE: Final = "{hosts: [%s], http: [{%s route: [{destination: {host: web}}]}]}"
TCP: Final = "{hosts: [db], tcp: [{%s route: [{destination: {host: %s}}]}]}"
LOG: Final = "{accessLogging: [{providers: [{name: %s}]}]}"
DNS: Final = (
    "{hosts: [dns.example.com], resolution: DNS, location: MESH_INTERNAL, ports: [{number: 80, name: http,"
    " protocol: HTTP}], workloadSelector: {labels: {app: vm}}}"
)
INLINE: Final = (
    "{hosts: [far.example.com], resolution: DNS, location: MESH_INTERNAL, ports: [{number: 80, name: http,"
    " protocol: HTTP}], endpoints: [{address: far.example.org, network: n2}]}"
)
TOUCHES: Final[Mapping[str, tuple[str, ...]]] = {
    "accounts of a service": (
        _pod("web-2", "10.244.0.3", "{app: web, version: v1}", "another"),
        _slice("web", f"{WEB}, {_named('web-2', '10.244.0.3')}"),
    ),
    "a pod that a slice was before": (
        _slice("web", f"{WEB}, {_named('web-3', '10.244.0.4')}"),
        _pod("web-3", "10.244.0.4", "{app: web, version: v3}"),
    ),
    "a pod at an address": (
        _service("manual", "{clusterIP: 10.96.9.1, ports: [{name: http, port: 80}]}"),
        _slice("manual", "{addresses: [10.244.8.8]}"),
        _pod("at-address", "10.244.8.8", "{app: x, security.istio.io/tlsMode: istio}", "late"),
        _pod("earlier", "10.244.8.8", "{app: y}", "first"),
    ),
    "addresses of a proxy that no selector finds": (
        _service("manual", "{clusterIP: 10.96.9.1, ports: [{name: http, port: 80}]}"),
        _slice("manual", "{addresses: [10.244.8.8]}"),
        _slice("manual", "{addresses: [10.244.0.9]}"),
        _slice("manual", "{addresses: [10.244.0.9]}", "{name: http, port: 9090}"),
    ),
    "a pool that inbound clusters read": (
        _istio("DestinationRule", "web", "{host: web, trafficPolicy: {connectionPool: {tcp: {maxConnections: 3}}}}"),
        _istio("DestinationRule", "web", "{host: web, trafficPolicy: {connectionPool: {tcp: {maxConnections: 4}}}}"),
    ),
    "hashing by a rule": (
        _istio("DestinationRule", "web", HASH % "a"),
        _istio("DestinationRule", "web", HASH % "b"),
        _istio("VirtualService", "web", ROUTE % ("web", "timeout: 1s,")),
        _istio("DestinationRule", "web", HASH % "c"),
    ),
    "labels that a failover compares": (
        _istio("DestinationRule", "web", HASH % "a"),
        _istio(
            "DestinationRule",
            "web",
            "{host: web, trafficPolicy: {outlierDetection: {}, loadBalancer: {localityLbSetting:"
            " {failoverPriority: [version]}}}}",
        ),
    ),
    "hosts of routes": (
        _istio("VirtualService", "a", ROUTE % ("new.example.com", "")),
        _istio("VirtualService", "b", ROUTE % ("web.shop", "")),
        _istio("VirtualService", "a", ROUTE % ("newer.example.com", "")),
        _istio("VirtualService", "c", ROUTE % ("'*.shop.svc.cluster.local'", "timeout: 2s,")),
        _istio("VirtualService", "e", ROUTE % ("web", "timeout: 3s,")),
    ),
    "namespaces and labels of clients": (
        _istio("VirtualService", "a", ROUTE % ("web", "match: [{sourceNamespace: other}], timeout: 4s,")),
        _istio("VirtualService", "a", ROUTE % ("web", "match: [{sourceLabels: {app: client}}], timeout: 5s,")),
    ),
    "routes of connections": (
        _service("db", "{clusterIP: 10.96.0.7, ports: [{name: tcp, port: 5432}]}"),
        _istio("VirtualService", "db", TCP % ("", "web")),
        _istio("VirtualService", "db", TCP % ("match: [{sourceLabels: {app: client}}],", "db")),
        _istio("DestinationRule", "db", "{host: db, trafficPolicy: {connectionPool: {tcp: {idleTimeout: 9s}}}}"),
        _istio("DestinationRule", "db", "{host: db, trafficPolicy: {connectionPool: {tcp: {idleTimeout: 8s}}}}"),
    ),
    "listeners of pods": (
        _service("kafka", "{clusterIP: None, selector: {app: web}, ports: [{name: tcp, port: 9092}]}"),
        _slice("kafka", _named("web-0", "10.244.0.1"), "{name: tcp, port: 9092}"),
        _slice("kafka", WEB, "{name: tcp, port: 9092}"),
    ),
    "WorkloadEntries of a DNS service": (
        _istio("ServiceEntry", "dns", DNS),
        _istio("WorkloadEntry", "vm-1", "{address: vm-1.example.org, labels: {app: vm}}"),
        _istio("WorkloadEntry", "vm-2", "{address: vm-2.example.org, labels: {app: vm}}"),
    ),
    "pods of a ServiceEntry": (
        _istio("ServiceEntry", "dns", DNS.replace("DNS", "STATIC").replace("app: vm", "app: web")),
        _pod("web-9", "10.244.0.19", "{app: web, version: v9}"),
        _pod("web-9", "10.244.0.20", "{app: web, version: v9}"),
    ),
    "routes that lead out of a Sidecar": (
        _service("db", "{clusterIP: 10.96.0.7, ports: [{name: http, port: 80}, {name: more, port: 81}]}"),
        _istio("Sidecar", "s", "{egress: [{hosts: [./web.shop.svc.cluster.local]}]}"),
        _istio(
            "VirtualService", "a", "{hosts: [web], http: [{route: [{destination: {host: db, port: {number: 81}}}]}]}"
        ),
        _istio("VirtualService", "a", "{hosts: [web], http: [{route: [{destination: {host: db}}]}]}"),
    ),
    "WorkloadEntries of a Service": (
        _service("web", "{clusterIP: 10.96.0.1, selector: {app: web}, ports: [{name: http, port: 80}]}"),
        _istio("WorkloadEntry", "vm", "{address: 10.3.0.1, labels: {app: web}, serviceAccount: vm}"),
        _istio("WorkloadEntry", "vm", "{address: 10.3.0.2, labels: {app: web}, serviceAccount: vm2}"),
        _service(
            "web", "{clusterIP: 10.96.0.1, selector: {app: web}, ports: [{name: http, port: 80}, {name: b, port: 81}]}"
        ),
    ),
    "gateways of other networks": (
        _istio("ServiceEntry", "far", INLINE),
        _service(
            "east-west",
            "{type: LoadBalancer, clusterIP: 10.96.0.8, externalIPs: [203.0.113.9], ports: [{name: tls, port: 15443}]}",
            "{topology.istio.io/network: n2}",
        ),
    ),
    "telemetry and filters": (
        _istio("Telemetry", "t", LOG % "envoy", group="telemetry.istio.io/v1"),
        _istio("Telemetry", "t", "{accessLogging: [{disabled: true}]}", group="telemetry.istio.io/v1"),
        _istio(
            "EnvoyFilter",
            "f",
            "{configPatches: [{applyTo: NETWORK_FILTER, match: {context: ANY}, patch: {operation: INSERT_FIRST,"
            " value: {name: first}}}]}",
            group="networking.istio.io/v1alpha3",
        ),
        _istio("PeerAuthentication", "p", "{mtls: {mode: STRICT}}", group="security.istio.io/v1"),
        _istio("PeerAuthentication", "p", "{mtls: {mode: DISABLE}}", group="security.istio.io/v1"),
        _istio("AuthorizationPolicy", "z", "{action: DENY, rules: [{}]}", group="security.istio.io/v1"),
        _istio("AuthorizationPolicy", "z", "{action: ALLOW, rules: [{}]}", group="security.istio.io/v1"),
    ),
    "the service of an extension provider": (
        _istio("Telemetry", "t", LOG % "als", group="telemetry.istio.io/v1"),
        _service("als", "{clusterIP: 10.96.0.77, ports: [{name: grpc, port: 9001}]}"),
    ),
}
"""Changes one after the other, by what they touch that something is made from."""
PROVIDERS: Final = {
    "extensionProviders": [{"name": "als", "envoyHttpAls": {"service": "als.shop.svc.cluster.local", "port": 9001}}]
}


@pytest.mark.parametrize("touched", TOUCHES)
def test_what_is_touched_is_made_anew(shop: Any, touched: str) -> None:
    """Proxies stay connected, as those of a mesh do, and are served by what contexts share."""
    mesh = shop
    mesh.mesh = build_mesh_config(PROVIDERS)
    mesh.put(GUEST)
    proxies = [mesh.proxy(*place) for place in (("shop", "web-0"), ("shop", "client-0"), ("other", "guest-0"))]
    before = [dict(_answers(mesh.push(), proxy)) for proxy in proxies]
    changed = False
    for change in TOUCHES[touched]:
        mesh.put(change)
        push = mesh.push()
        after = [dict(_answers(push, proxy)) for proxy in proxies]
        # A context of its own for each: what one proxy is given must not come from another either.
        assert after == [dict(_answers(mesh.fresh(), proxy)) for proxy in proxies], change
        changed = changed or after != before
    assert changed, "the changes touch something"


def test_what_is_shared_with_the_context_before_equals_what_is_made_anew(shop: Any) -> None:
    proxies = [shop.proxy("shop", name) for name in ("web-0", "web-1", "client-0")]
    for proxy in proxies:
        dict(_answers(shop.push(), proxy))
    for change in CHANGES:
        shop.put(change)
        push, fresh = shop.push(), shop.fresh()
        for proxy in proxies:
            assert dict(_answers(push, proxy)) == dict(_answers(fresh, proxy)), change


MOVED: Final = (
    "app-bookinfo",
    "app-tenants",
    "dr-locality-failover",
    "dr-merge-scope",
    "ef-cluster-route",
    "gw-http",
    "kgw-httproute",
    "pa-levels",
    "ra-jwt",
    "se-resolutions",
    "se-workloadentry",
    "svc-port-conflicts",
    "vs-tcp-tls",
    "sidecar-egress-listeners",
    "sidecar-scope",
    "svc-headless-kafka",
    "svc-same-names",
    "telemetry",
    "trust-domain",
    "vs-delegate",
    "vs-source",
)
"""Worlds that between them have every kind Pilot reads."""


def _moved(item: ApiObject, random: Random) -> ApiObject:
    """The object with something that other objects depend on changed: labels of pods and nodes, health in slices."""
    body = deepcopy(dict(item.body))
    if item.kind == "EndpointSlice":
        endpoints = body.get("endpoints") or [{}]
        # The first one stays, since who used to serve a service is not forgotten with its last endpoint.
        for endpoint in endpoints[1:]:
            endpoint["conditions"] = {"ready": random.random() < 0.5}
        return replace(item, body=body)
    labels = dict(item.labels)
    key = random.choice(["version", "app", "topology.kubernetes.io/zone"])
    labels[key] = random.choice(["v1", "v2", labels.get(key, "v3")])
    body["metadata"] = {**body["metadata"], "labels": labels}
    return replace(item, labels=labels, body=body)


@pytest.mark.needs_shared
@pytest.mark.parametrize("name", MOVED)
def test_sharing_holds_while_objects_come_and_go(oracle: Path, name: str) -> None:
    world = read_world(oracle, name)
    mesh = build_mesh_config(world.mesh_base, world.mesh_overrides)
    objects = world.store()
    nodes = [recorded.node for recorded in read_proxies(oracle, "xds", name)[:3]]
    proxies = [build_proxy(node, objects, mesh) for node in nodes]
    random = Random(name)
    fleeting = [o for o in world.objects if o.kind not in ("Pod", "EndpointSlice", "Node", "Namespace")]
    lasting = [o for o in world.objects if o.kind in ("Pod", "EndpointSlice", "Node")]
    removed: list[ApiObject] = []
    push = build_push_context(objects, mesh)
    for _ in range(8):
        for _ in range(random.randint(1, 3)):
            if lasting and random.random() < 0.4:
                objects.put(_moved(random.choice(lasting), random))
            elif removed and random.random() < 0.5:
                objects.put(removed.pop())
            else:
                item = random.choice(fleeting)
                if objects.get(item.key) is not None:
                    objects.remove(item.key)
                    removed.append(item)
        push, fresh = build_push_context(objects, mesh, push), build_push_context(objects, mesh)
        for proxy in random.sample(proxies, random.randint(1, len(proxies))):
            assert dict(_answers(push, proxy)) == dict(_answers(fresh, proxy)), [o.key for o in removed]
        if len(proxies) == 1:
            assert push.status.counts == fresh.status.counts


def test_proxies_with_one_view_share_resources(shop: Any) -> None:
    push = shop.push()
    one, other = (generate(push, shop.proxy("shop", n), TYPES["eds"], ["outbound|80||x"]) for n in ("web-0", "web-1"))
    assert one is other


def test_clusters_of_some_services_come_with_inbound_and_static_ones(shop: Any) -> None:
    shop.put(CHANGES[0])
    push, proxy = shop.push(), shop.proxy("shop", "web-0")
    everything = generate(push, proxy, type_urls.CLUSTER, ())
    other = "other.shop.svc.cluster.local"
    some = generate(push, proxy, type_urls.CLUSTER, (), frozenset((other,)))
    assert some == tuple(r for r in everything if not r.name.startswith("outbound|") or r.name.endswith(f"|{other}"))
    assert f"outbound|9000||{other}" in {r.name for r in some} < {r.name for r in everything}


def test_pilot_serves_no_other_type(shop: Any) -> None:
    with pytest.raises(InternalError, match=r"type\.googleapis\.com/none"):
        generate(shop.push(), shop.proxy("shop", "web-0"), "type.googleapis.com/none", ())
