"""Text that Prometheus reads: one proxy's page at an instant, or a whole run's series over time as OpenMetrics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from operator import attrgetter
from typing import Final

from meshsim.metrics.connections import CLOSED, OPENED
from meshsim.metrics.envoy import Stat
from meshsim.metrics.histogram import BOUNDS, below, total
from meshsim.metrics.istio import DURATION, REQUESTS, Sample
from meshsim.metrics.labels import Labels

COUNTERS: Final = (REQUESTS, OPENED, CLOSED)
_ESCAPED: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


def number(value: float) -> str:
    """A value, without a fraction where it has none."""
    return str(int(value)) if value == int(value) else repr(round(value, 6))


def labelled(name: str, labels: Iterable[tuple[str, str]]) -> str:
    """The name of a series."""
    inside = ",".join(f'{key}="{value.translate(_ESCAPED)}"' for key, value in labels)
    return f"{name}{{{inside}}}" if inside else name


def prometheus_page(samples: Iterable[Sample], stats: Iterable[Stat]) -> Iterator[str]:
    """The lines of a proxy's /stats/prometheus on port 15090: Istio's metrics, then Envoy's by name."""
    by_metric: dict[str, list[Sample]] = {metric: [] for metric in (*COUNTERS, DURATION)}
    for sample in samples:
        by_metric[sample.metric].append(sample)
    for name in COUNTERS:
        if by_metric[name]:
            yield f"# TYPE istio_{name} counter"
            yield from (f"{labelled(f'istio_{name}', s.labels)} {number(s.requests)}" for s in by_metric[name])
    if by_metric[DURATION]:
        yield f"# TYPE istio_{DURATION} histogram"
        for sample in by_metric[DURATION]:
            yield from histogram_lines(sample.labels, sample.bins)
    ordered = sorted(stats, key=attrgetter("family", "labels"))
    for family, members in groupby(ordered, key=attrgetter("family")):
        listed = list(members)
        yield f"# TYPE {family} {'gauge' if listed[0].gauge else 'counter'}"
        yield from (f"{labelled(family, stat.labels)} {number(stat.value)}" for stat in listed)


def histogram_lines(labels: Labels, bins: Mapping[int, float], suffix: str = "") -> Iterator[str]:
    """The lines of one histogram."""
    name = f"istio_{DURATION}"
    count = sum(bins.values())
    for bound in BOUNDS:
        bucket = labelled(f"{name}_bucket", (*labels, ("le", number(bound))))
        yield f"{bucket} {number(below(bins, bound))}{suffix}"
    yield f"{labelled(f'{name}_bucket', (*labels, ('le', '+Inf')))} {number(count)}{suffix}"
    yield f"{labelled(f'{name}_sum', labels)} {number(total(bins))}{suffix}"
    yield f"{labelled(f'{name}_count', labels)} {number(count)}{suffix}"


def openmetrics(samples: Iterable[Sample], begin: float) -> Iterator[str]:
    """OpenMetrics of a run: every series at each second at which it had changed, with the pod that reported it.

    `begin`: when the run counts as begun, in seconds of Unix time.
    """
    series: dict[tuple[str, Labels], list[Sample]] = {}
    for sample in map(scraped, samples):
        series.setdefault((sample.metric, sample.labels), []).append(sample)
    for name in COUNTERS:
        yield f"# TYPE istio_{name.removesuffix('_total')} counter"
        for (metric, labels), steps in series.items():
            if metric == name:
                count = 0.0
                for sample in steps:
                    count += sample.requests
                    yield f"{labelled(f'istio_{name}', labels)} {number(count)} {number(begin + sample.second)}"
    yield f"# TYPE istio_{DURATION} histogram"
    for (metric, labels), steps in series.items():
        if metric == DURATION:
            bins: dict[int, float] = {}
            for sample in steps:
                for low, requests in sample.bins.items():
                    bins[low] = bins.get(low, 0) + requests
                yield from histogram_lines(labels, bins, f" {number(begin + sample.second)}")
    yield "# EOF"


def scraped(sample: Sample) -> Sample:
    """A sample with the labels that a scrape adds."""
    where = (("namespace", sample.proxy.namespace), ("pod", sample.proxy.pod))
    return sample._replace(labels=(*where, *sample.labels))
