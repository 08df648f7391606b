"""Text that Prometheus reads."""

from __future__ import annotations

import re

from meshsim.metrics.connections import CLOSED, OPENED
from meshsim.metrics.envoy import named
from meshsim.metrics.exposition import histogram_lines, labelled, number, openmetrics, prometheus_page, scraped
from meshsim.metrics.istio import DURATION, REQUESTS, istio_samples
from meshsim.recording import Run
from meshsim.units import SECOND

LINE = re.compile(r'[a-z_]+(\{([a-z_]+="([^"\\]|\\.)*",?)*\})? [0-9.+e-]+( [0-9.]+)?')


def test_labels_are_escaped_and_whole_numbers_are_plain() -> None:
    assert labelled("a", [("b", 'x"y\\z\n')]) == 'a{b="x\\"y\\\\z\\n"}'
    assert labelled("a", []) == "a"
    assert [number(value) for value in (3.0, 0.5, 4.05)] == ["3", "0.5", "4.05"]


def test_a_page_has_istios_metrics_and_envoys_by_name(run: Run) -> None:
    stats = [
        named("cluster", "b;", "cluster_name", "upstream_rq_200", 2),
        named("cluster", "a;", "cluster_name", "upstream_rq_503", 1),
        named("cluster", "a;", "cluster_name", "upstream_rq_active", 0),
    ]
    lines = list(prometheus_page(istio_samples(run), stats))
    types = [line.split()[2:] for line in lines if line.startswith("#")]
    assert types == [
        ["istio_requests_total", "counter"],
        [f"istio_{DURATION}", "histogram"],
        ["envoy_cluster_upstream_rq", "counter"],
        ["envoy_cluster_upstream_rq_active", "gauge"],
    ]
    assert lines[-5:-2] == [
        "# TYPE envoy_cluster_upstream_rq counter",
        'envoy_cluster_upstream_rq{cluster_name="a",response_code="503"} 1',
        'envoy_cluster_upstream_rq{cluster_name="b",response_code="200"} 2',
    ]
    assert all(LINE.fullmatch(line) for line in lines if not line.startswith("#"))
    assert list(prometheus_page([], [])) == []


def test_connections_are_counters_of_their_own(tcp_run: Run) -> None:
    page = list(prometheus_page(istio_samples(tcp_run), []))
    types = [line.split()[2:] for line in page if line.startswith("#")]
    counters = [f"istio_{metric}" for metric in (REQUESTS, OPENED, CLOSED)]
    assert types == [*([name, "counter"] for name in counters), [f"istio_{DURATION}", "histogram"]]
    lines = list(openmetrics(istio_samples(tcp_run, step=SECOND), 1000.0))
    assert [line for line in lines if line.startswith("#")][:3] == [
        f"# TYPE {name.removesuffix('_total')} counter" for name in counters
    ]
    last = {line.rsplit(" ", 2)[0]: line.rsplit(" ", 2)[1] for line in lines if line.startswith(counters[2])}
    told = {line.rsplit(" ", 1)[0]: line.rsplit(" ", 1)[1] for line in page if line.startswith(counters[2])}
    assert sorted(last.values()) == sorted(told.values())


def test_a_histogram_grows_with_its_bounds() -> None:
    lines = list(histogram_lines((("a", "b"),), {40: 1.0, 250: 2.0}))
    values = [float(line.rsplit(" ", 1)[1]) for line in lines]
    assert values[:20] == sorted(values[:20])
    assert lines[0] == f'istio_{DURATION}_bucket{{a="b",le="0.5"}} 0'
    assert lines[-3:] == [
        f'istio_{DURATION}_bucket{{a="b",le="+Inf"}} 3',
        f'istio_{DURATION}_sum{{a="b"}} 55.05',
        f'istio_{DURATION}_count{{a="b"}} 3',
    ]


def test_openmetrics_counts_on_and_ends(run: Run) -> None:
    lines = list(openmetrics(istio_samples(run, step=SECOND), 1000.0))
    assert lines[0] == "# TYPE istio_requests counter"
    assert lines[-1] == "# EOF"
    assert all(LINE.fullmatch(line) for line in lines if not line.startswith("#"))
    series: dict[str, list[tuple[float, float]]] = {}
    for line in lines:
        if line.startswith("istio_requests_total"):
            name, value, time = line.rsplit(" ", 2)
            series.setdefault(name, []).append((float(time), float(value)))
    whole = {s.proxy.pod: s.requests for s in istio_samples(run) if s.metric == REQUESTS}
    for name, points in series.items():
        assert points == sorted(points)
        assert points[-1][0] == 1005.0
        assert any(f'pod="{pod}"' in name for pod in whole)
    assert sum(points[-1][1] for points in series.values()) == sum(
        s.requests for s in istio_samples(run) if s.metric == REQUESTS
    )


def test_a_scrape_adds_the_pod(run: Run) -> None:
    sample = next(iter(istio_samples(run)))
    assert scraped(sample).labels[:2] == (("namespace", "shop"), ("pod", sample.proxy.pod))
