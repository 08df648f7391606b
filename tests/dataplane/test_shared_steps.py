"""Steps that proxies have in common lead where each one alone would come to."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from xds_bodies import FILTERS, HCM, encode

from meshsim.dataplane.active import ActiveConfig, ProxyConfig
from meshsim.dataplane.resource_cache import ResourceCache
from meshsim.dataplane.shared_steps import SharedSteps
from meshsim.xds import type_urls
from meshsim.xds.bodies import Bodies, BodyTable
from meshsim.xds.delta_response import ReceivedBody

CDS, EDS, LDS, RDS = type_urls.CLUSTER, type_urls.ENDPOINT, type_urls.LISTENER, type_urls.ROUTE
ADS = {"ads": {}, "resource_api_version": "V3"}
FIELDS = ("listeners", "clusters", "assignments", "routes", "versions", "warming_clusters", "warming_listeners")
Told = tuple[str, BodyTable, tuple[str, ...]]


def _eds(name: str, endpoints: str = "", timeout: str = "1s", wait: str = "0s") -> bytes:
    source = {**ADS, "initial_fetch_timeout": wait}
    config = {"eds_config": source, "service_name": endpoints}
    return encode(CDS, {"name": name, "type": "EDS", "connect_timeout": timeout, "eds_cluster_config": config})


def _static(name: str, timeout: str = "1s") -> bytes:
    return encode(
        CDS, {"name": name, "type": "ORIGINAL_DST", "lb_policy": "CLUSTER_PROVIDED", "connect_timeout": timeout}
    )


def _assignment(name: str, address: str) -> bytes:
    endpoint = {"endpoint": {"address": {"socket_address": {"address": address, "port_value": 80}}}}
    return encode(EDS, {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]})


def _listener(name: str, port: int) -> bytes:
    manager: dict[str, Any] = {"@type": HCM, "stat_prefix": "x", "http_filters": FILTERS}
    manager["rds"] = {"route_config_name": "80", "config_source": ADS}
    chain = {"filters": [{"name": "hcm", "typed_config": manager}]}
    address = {"socket_address": {"address": "0.0.0.0", "port_value": port}}
    return encode(LDS, {"name": name, "address": address, "filter_chains": [chain]})


def _whole(**bodies: bytes) -> BodyTable:
    return BodyTable.of(bodies)


def _joined(*parts: dict[str, bytes]) -> BodyTable:
    shared, own = ([ReceivedBody(*item) for item in part.items()] for part in parts)
    return Bodies.joined(shared, own).table


def _assert_alike(told: Sequence[Told]) -> None:
    """Two proxies with steps in common, and one that has each response whole."""
    steps, cache = SharedSteps(), ResourceCache()
    beginning = ActiveConfig(cache, workers_started=False, drains=True)
    common = [ProxyConfig.beginning(beginning, steps.take) for _ in range(2)]
    alone = ProxyConfig(cache, drains=True)
    for number, (type_url, bodies, removed) in enumerate(told):
        expected = alone(type_url, dict(bodies), removed, str(number))
        found = [config(type_url, BodyTable.of(bodies), list(removed), str(number)) for config in common]
        assert found == [expected] * 2, (number, type_url)
        assert common[0].active is common[1].active
        for field in FIELDS:
            assert list(getattr(common[0].active, field).items()) == list(getattr(alone.active, field).items()), field
        assert common[0].active.endpoint_names == alone.active.endpoint_names


def test_a_start_and_changes_after_it() -> None:
    shared = {"a": _eds("a"), "b": _eds("b")}
    endpoints = _whole(a=_assignment("a", "10.0.0.1"), b=_assignment("b", "10.0.0.2"))
    _assert_alike(
        [
            (CDS, _joined(shared, {"own": _static("own")}), ()),
            (EDS, endpoints, ()),
            (LDS, _whole(l=_listener("l", 80)), ()),
            (RDS, _whole(**{"80": encode(RDS, {"name": "80"})}), ()),
            (LDS, _whole(m=_listener("m", 80), n=b"\x0a\xff"), ()),
            (CDS, _joined({"a": _eds("a", timeout="2s")}, {"own": _static("own", "2s")}), ("b",)),
            (EDS, _whole(a=_assignment("a", "10.0.0.9")), ()),
            (EDS, _whole(), ("a",)),
            (LDS, _whole(), ("l",)),
        ]
    )


@pytest.mark.parametrize(
    "own", [_static("own")[:-3], b"\x0a\xff", _eds("other name", "x" * 2)], ids=["short", "broken", "named"]
)
def test_what_is_refused_of_one_part_is_refused_as_of_a_whole(own: bytes) -> None:
    shared = {"a": _eds("a"), "s": _static("s")}
    _assert_alike([(CDS, _joined(shared, {"own": own}), ()), (EDS, _whole(a=b"\x0a\xff"), ())])


def test_endpoints_that_one_part_lets_go_and_the_other_takes_up_stay() -> None:
    before = [
        (CDS, _joined({"a": _eds("a", "e")}, {"own": _static("own")}), ()),
        (EDS, _whole(e=_assignment("e", "1.1.1.1")), ()),
    ]
    _assert_alike([*before, (CDS, _joined({"a": _static("a")}, {"own": _eds("own", "e")}), ())])


def test_proxies_with_own_clusters_have_the_work_for_the_others_in_common() -> None:
    """What waits, its endpoints and the names asked for are the same objects, as the rest is not."""
    steps, cache = SharedSteps(), ResourceCache()
    beginning = ActiveConfig(cache, workers_started=False)
    shared = [ReceivedBody(name, _eds(name)) for name in ("a", "b")]
    found = []
    for own in ("1s", "2s"):
        config = ProxyConfig.beginning(beginning, steps.take)
        table = Bodies.joined(Bodies.of(shared), [ReceivedBody("own", _static("own", own))]).table
        config(CDS, table, (), "1")
        names, waiting = config.active.endpoint_names, config.active.warming_clusters
        config(EDS, _whole(a=_assignment("a", "10.0.0.1"), b=_assignment("b", "10.0.0.2")), (), "1")
        found.append((names, waiting, config.active))
    (names, waiting, one), (other_names, other_waiting, other) = found
    assert names is other_names
    assert waiting is other_waiting
    assert one.assignments is other.assignments
    assert one.clusters["own"] is not other.clusters["own"]
    assert [*one.clusters] == [*other.clusters] == ["own", "a", "b"]


def _random_story(seed: int) -> Iterator[Told]:
    draw = random.Random(seed)
    for _ in range(12):
        if draw.random() < 0.5:
            parts: list[dict[str, bytes]] = []
            for names in ("abc", "xy"):
                chosen = [n for n in names if draw.random() < 0.6]
                parts.append({n: draw.choice(_forms(n)) for n in chosen})
            kept = {*parts[0], *parts[1]}
            yield CDS, _joined(*parts), tuple(n for n in "abcxy" if n not in kept and draw.random() < 0.2)
        else:
            chosen = [n for n in "abcxye" if draw.random() < 0.5]
            bodies = {n: _assignment(n, f"10.0.0.{draw.randint(1, 2)}") for n in chosen}
            if draw.random() < 0.1:
                bodies["a"] = _assignment("b", "10.0.0.1")
            yield EDS, _whole(**bodies), tuple(n for n in "abc" if n not in bodies and draw.random() < 0.2)


def _forms(name: str) -> list[bytes]:
    good = [
        _eds(name),
        _eds(name, timeout="2s"),
        _eds(name, "e"),
        _static(name),
        _static(name, "2s"),
        _eds(name, wait="5s"),
    ]
    return [*good, *good, b"\x0a\xff"]


@pytest.mark.parametrize("seed", range(60))
def test_any_story(seed: int) -> None:
    _assert_alike(list(_random_story(seed)))
