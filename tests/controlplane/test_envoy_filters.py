from __future__ import annotations

from typing import Any

import pytest

from meshsim.api import ApiObject, Fields, make_object
from meshsim.controlplane.envoy_filters import EnvoyFilterIndex, Patch, PatchContext, merge_into
from meshsim.controlplane.model import Proxy, ProxyType
from meshsim.xds.messages import cluster_pb2, duration_pb2

Cluster = cluster_pb2.Cluster
ROOT = "istio-system"


def _filter(name: str, namespace: str = "n", created: int = 1, match: Any = None, **spec: Any) -> ApiObject:
    patch = {"applyTo": "CLUSTER", "match": match or {}, "patch": {"operation": "MERGE", "value": {"name": name}}}
    return make_object(
        {
            "apiVersion": "networking.istio.io/v1alpha3",
            "kind": "EnvoyFilter",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "creationTimestamp": f"2026-01-01T00:00:{created:02}Z",
            },
            "spec": {"configPatches": [patch], **spec},
        }
    )


def _proxy(labels: dict[str, str] | None = None, namespace: str = "n", **metadata: str) -> Proxy:
    return Proxy(
        id=f"p.{namespace}",
        node_id="",
        type=ProxyType.SIDECAR,
        addresses=("10.0.0.1",),
        name="p",
        namespace=namespace,
        dns_domain="",
        labels=labels or {},
        metadata=Fields(metadata),
    )


def _applied(index: EnvoyFilterIndex, proxy: Proxy) -> list[str]:
    return [patch.source.name for patch in index.for_proxy(proxy).of("CLUSTER")]


def test_priority_then_the_root_namespace_then_age() -> None:
    index = EnvoyFilterIndex(
        (
            _filter("young", created=5),
            _filter("old", created=2),
            _filter("root", ROOT, created=9),
            _filter("last", ROOT, created=1, priority=10),
            _filter("elsewhere", "m"),
        ),
        ROOT,
    )
    assert _applied(index, _proxy()) == ["root", "old", "young", "last"]
    assert _applied(index, _proxy(namespace="x")) == ["root", "last"]


def test_selectors_choose_workloads_of_the_namespace() -> None:
    index = EnvoyFilterIndex((_filter("web", workloadSelector={"labels": {"app": "web"}}),), ROOT)
    assert _applied(index, _proxy({"app": "web", "v": "1"})) == ["web"]
    assert not index.for_proxy(_proxy({"app": "db"}))


@pytest.mark.parametrize(
    ("match", "metadata", "applies"),
    [
        ({"proxyVersion": r"^1\.2.*"}, {"ISTIO_VERSION": "1.29.1"}, True),
        ({"proxyVersion": r"^1\.3.*"}, {"ISTIO_VERSION": "1.29.1"}, False),
        ({"proxyVersion": "("}, {"ISTIO_VERSION": "1.29.1"}, False),
        ({"proxyVersion": "a" * 2000}, {"ISTIO_VERSION": "a" * 2000}, False),
        ({"metadata": {"STAGE": "test"}}, {"STAGE": "test"}, True),
        ({"metadata": {"STAGE": "test"}}, {}, False),
    ],
)
def test_proxies_are_matched_by_version_and_metadata(match: Any, metadata: dict[str, str], applies: bool) -> None:
    index = EnvoyFilterIndex((_filter("f", match={"proxy": match}),), ROOT)
    assert bool(index.for_proxy(_proxy(**metadata))) is applies


def test_proxies_share_a_set_of_patches() -> None:
    index = EnvoyFilterIndex((_filter("f"), _filter("g")), ROOT)
    assert index.for_proxy(_proxy({"a": "b"})) is index.for_proxy(_proxy())


def _patch(value: dict[str, object], context: str = "ANY") -> Patch:
    return Patch(_filter("f"), "CLUSTER", context, Fields({}), "MERGE", "", value)


def test_contexts() -> None:
    assert _patch({}).in_context(PatchContext.GATEWAY)
    assert _patch({}, "GATEWAY").in_context(PatchContext.GATEWAY)
    assert not _patch({}, "GATEWAY").in_context(PatchContext.SIDECAR_INBOUND)


def test_unknown_fields_are_skipped_and_unreadable_patches_dropped() -> None:
    built = _patch({"name": "c", "no_such_field": 1}).build(Cluster)
    assert built is not None
    assert built.name == "c"
    assert _patch({"type": {"not": "an enum"}}).build(Cluster) is None


def test_merge_appends_lists_and_replaces_durations() -> None:
    target = Cluster(name="a", connect_timeout=duration_pb2.Duration(seconds=10))
    target.filters.add(name="one")
    target.common_lb_config.ignore_new_hosts_until_first_hc = True
    target.metadata.filter_metadata["istio"].update({"a": "1"})
    patch = Cluster(connect_timeout=duration_pb2.Duration(nanos=250_000_000))
    patch.filters.add(name="two")
    patch.common_lb_config.healthy_panic_threshold.value = 5
    patch.metadata.filter_metadata["other"].update({"b": "2"})
    merge_into(target, patch)
    assert target.name == "a"
    assert (target.connect_timeout.seconds, target.connect_timeout.nanos) == (0, 250_000_000)
    assert [f.name for f in target.filters] == ["one", "two"]
    assert target.common_lb_config.ignore_new_hosts_until_first_hc
    assert target.common_lb_config.healthy_panic_threshold.value == 5
    assert sorted(target.metadata.filter_metadata) == ["istio", "other"]
