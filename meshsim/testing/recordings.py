"""Recordings made up by formula: a small bookshop with known shares, latencies and faults, to test readers against."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from meshsim.recording import Coded, Manifest, ProxyInfo, RunWriter, TrafficInfo
from meshsim.recording.series import bucket_of
from meshsim.trace import ConfigChange, ProxyEffective, Push, PushAnswer, PushSent, TimelineMark
from meshsim.units import MILLISECOND, SECOND, Nanos

_POD: Final = (
    "  - {{apiVersion: v1, kind: Pod,\n"
    "     metadata: {{name: {name}, namespace: books, labels: {{app: {app}, version: {version}}}}},\n"
    "     spec: {{containers: [{{name: app, image: app}}]}}}}\n"
)
_PODS: Final = (
    ("gateway-1", "istio-ingressgateway", "v1"),
    ("page-1", "productpage", "v1"),
    ("details-1", "details", "v1"),
    ("reviews-v1-1", "reviews", "v1"),
    ("reviews-v2-1", "reviews", "v2"),
)

SCENARIO: Final = (
    """\
apiVersion: meshsim/v1alpha1
kind: Scenario
name: bookshop
duration: 60s
resources:
  - {apiVersion: v1, kind: Service, metadata: {name: istio-ingressgateway, namespace: books},
     spec: {ports: [{name: http, port: 80}]}}
"""
    + "".join(_POD.format(name=name, app=app, version=version) for name, app, version in _PODS)
    + """\
traffic:
  - {name: shoppers, through: istio-ingressgateway, request: {host: books.example.com}, rate: 100/s}
timeline:
  - {id: shift, at: 20s, kill: {pod: page-1, namespace: books}}
  - {id: slow, at: 40s, for: 5s, kill: {pod: page-1, namespace: books}}
expect:
"""
)
"""The scenario a bookshop's recording could be of, up to its expectations."""

ROUTE: Final = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
_WAY: Final = 5 * MILLISECOND
"""From the clients to their gateway."""
_APPS: Final = ("istio-ingressgateway", "productpage", "reviews", "details")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bookshop:
    """Parameters of a made-up run: clients ask productpage through a gateway, productpage asks reviews and details."""

    duration: Nanos = 60 * SECOND
    rate_per_s: int = 100
    canary_share: float = 0.1
    """Share of reviews v2 from `shift_at` on."""
    shift_at: Nanos = 20 * SECOND
    slow_from: Nanos = 40 * SECOND
    """From here on to `slow_to` reviews takes `slow_by` longer and every tenth request fails with 504 and UT."""
    slow_to: Nanos = 45 * SECOND
    slow_by: Nanos = 500 * MILLISECOND
    propagation: Nanos = 600 * MILLISECOND
    """From the change to the last proxy."""
    nacks: int = 0


def write_bookshop(folder: Path, seed: int = 1, shop: Bookshop | None = None) -> Path:
    """Write a recording into a folder that exists; returns the folder."""
    shop = shop or Bookshop()
    writer = RunWriter(folder, seed)
    record_bookshop(writer, seed, shop)
    manifest = Manifest(
        scenario="bookshop",
        scenario_file="bookshop.yaml",
        scenario_hash="00",
        seeds=(seed,),
        duration=shop.duration,
        until=shop.duration,
        engine="interpreted",
        digest=f"{seed:032x}",
        requests=writer.rows,
        command=f"meshsim run bookshop.yaml --seed {seed}",
    )
    writer.finish(manifest)
    return folder


def record_bookshop(writer: RunWriter, seed: int, shop: Bookshop) -> None:
    """Hand the requests and records of a made-up run to a writer."""
    random = np.random.default_rng(seed)
    count = int(shop.duration // SECOND) * shop.rate_per_s
    start = np.sort(random.integers(0, shop.duration, count)).astype(np.int64)
    _add_edges(writer, random, start, shop)
    _add_control_plane(writer, shop)


def _add_edges(writer: RunWriter, random: Any, start: Any, shop: Bookshop) -> None:
    count = len(start)
    slow = (start >= shop.slow_from) & (start < shop.slow_to)
    failed = slow & (random.random(count) < 0.1)
    reviews = random.lognormal(np.log(12 * MILLISECOND), 0.3, count).astype(np.int64) + slow * shop.slow_by
    details = random.lognormal(np.log(4 * MILLISECOND), 0.3, count).astype(np.int64)
    canary = (start >= shop.shift_at) & (random.random(count) < shop.canary_share)
    page = reviews + details + 8 * MILLISECOND + 2 * _WAY
    identity = np.arange(count, dtype=np.int64)
    status = np.where(failed, 504, 200).astype(np.int16)
    flags = Coded(failed.astype(np.int32), ("", "UT"))
    edges = (
        (0, 1, page, 0 * MILLISECOND, None),
        (1, 2, reviews, 5 * MILLISECOND, canary),
        (1, 3, details, 5 * MILLISECOND + reviews, None),
    )
    for number, (source, destination, latency, offset, second) in enumerate(edges):
        begin = start + offset
        ok = np.full(count, 200, np.int16)
        versions = Coded(second.astype(np.int32), ("v1", "v2")) if second is not None else "v1"
        name = _APPS[destination]
        columns: dict[str, Any] = {
            "root": identity * 4,
            "request": identity * 4 + number,
            "parent": identity * 4 if number else np.full(count, -1),
            "attempt": np.ones(count, np.int16),
            "last": np.ones(count, bool),
            "mirror": np.zeros(count, bool),
            "start": begin,
            "attempt_start": begin,
            "arrived": begin + MILLISECOND,
            "served": begin + MILLISECOND,
            "done": begin + latency - MILLISECOND,
            "end": begin + latency,
            "request_end": begin + latency,
            "traffic": "" if number else "shoppers",
            "source": _APPS[source],
            "source_namespace": "books",
            "source_version": "v1",
            "source_pod": f"{_APPS[source]}-1",
            "destination": name,
            "destination_namespace": "books",
            "destination_version": versions,
            "service": f"{name}.books.svc.cluster.local",
            "pod": Coded(second.astype(np.int32), ("reviews-v1-1", "reviews-v2-1"))
            if second is not None
            else f"{name}-1",
            "endpoint": "10.0.0.1:9080",
            "call": "GET /",
            "route": "default",
            "cluster": f"outbound|9080||{name}.books.svc.cluster.local",
            "session": "",
            "security": "mutual_tls",
            "status": status if destination != 3 else ok,
            "flags": flags if destination != 3 else "",
        }
        writer.add_requests(columns)
        writer.add_series(_series(columns, count))


_COUNTED: Final = (
    "traffic",
    "source",
    "source_namespace",
    "source_version",
    "destination",
    "destination_namespace",
    "destination_version",
    "service",
    "status",
    "flags",
)


def _series(columns: dict[str, Any], rows: int) -> dict[str, Any]:
    """The requests counted by second of their end, edge, outcome and bucket, as the engine counts them."""
    sizes: Counter[tuple[Any, ...]] = Counter()
    totals: Counter[tuple[Any, ...]] = Counter()
    values = [_values(columns[name], rows) for name in _COUNTED]
    for row, (start, end) in enumerate(zip(columns["start"].tolist(), columns["request_end"].tolist(), strict=True)):
        key = (end // SECOND, bucket_of(end - start), *(column[row] for column in values))
        sizes[key] += 1
        totals[key] += end - start
    second, bucket, *named = zip(*sizes, strict=True)
    return {
        "second": np.array(second),
        "bucket": np.array(bucket),
        **{name: list(column) for name, column in zip(_COUNTED, named, strict=True)},
        "status": np.array(named[_COUNTED.index("status")]),
        "count": np.array(list(sizes.values())),
        "total": np.array([totals[key] for key in sizes]),
    }


def _values(data: Any, rows: int) -> list[Any]:
    if isinstance(data, Coded):
        return [data.names[code] for code in data.codes.tolist()]
    return [data] * rows if isinstance(data, str) else list(data.tolist())


def _add_control_plane(writer: RunWriter, shop: Bookshop) -> None:
    writer.add_record(TrafficInfo("shoppers", "istio-ingressgateway", _WAY))
    proxies = [f"{app}-1.books" for app in _APPS]
    for app, proxy in zip(_APPS, proxies, strict=True):
        pod = proxy.partition(".")[0]
        writer.add_record(ProxyInfo(proxy, "sidecar", "books", pod, app, "v1", app, "node-1", "zone-a", "10.0.0.1", 0))
    moments = ((1, "shift", shop.shift_at), (2, "slow", shop.slow_from), (3, "slow", shop.slow_to))
    for number, cause, at in moments:
        begins = number < 3
        writer.add_record(TimelineMark(at, cause, "apply", begins, "apply VirtualService books/reviews"))
        writer.add_record(
            ConfigChange(at + 5 * MILLISECOND, number, "update", "VirtualService", "books", "reviews", cause)
        )
        debounced = at + 105 * MILLISECOND
        writer.add_record(Push(number, at + 5 * MILLISECOND, debounced, debounced, (number,), f"v{number}"))
        for index, proxy in enumerate(proxies):
            sent = debounced + (index + 1) * MILLISECOND
            rejected = number == 1 and index < shop.nacks
            effective = at + shop.propagation * (index + 1) // len(proxies)
            writer.add_record(PushSent(sent, number, proxy, ROUTE, f"v{number}", sent, sent, 1, 0, 1000))
            reason = "unknown cluster" if rejected else ""
            writer.add_record(PushAnswer(sent + MILLISECOND, number, proxy, ROUTE, f"v{number}", not rejected, reason))
            if not rejected:
                writer.add_record(ProxyEffective(effective, number, proxy, ROUTE, f"v{number}"))
    writer.add_config(0, proxies[0], ROUTE, {"9080": b"first"}, ())
    writer.add_config(shop.shift_at, proxies[0], ROUTE, {"9080": b"second"}, ())
    writer.add_config(shop.slow_from, proxies[0], ROUTE, {}, ("15010",))
