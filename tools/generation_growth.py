"""Print how the cost of generating configuration grows with the mesh: 100 to 3,000 services, two proxies for each.

``python tools/generation_growth.py [SERVICES ...]``; CPU time of one core, the peak of memory so far.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable

from meshsim.reporting.columns import align
from meshsim.testing.generated_mesh import Generation, generated_mesh

SIZES = (100, 300, 1000, 3000)
NAMESPACES = 10
TOUCHED = 200
"""Proxies for which a change is measured besides all of them."""
ROUNDS = 5
COLUMNS = (
    "services",
    "proxies",
    "first s",
    "MB",
    "rule ms",
    f"for {TOUCHED}",
    "endpoint ms",
    f"for {TOUCHED}",
)


def main(sizes: list[int]) -> None:
    """Print a row for each size."""
    print(
        "first: full configuration of all proxies; rule: one VirtualService changed, context and CDS, LDS, RDS of all;"
    )
    print(f"endpoint: one endpoint changed, context and EDS of all; for {TOUCHED}: the same for so many proxies only")
    rows: list[tuple[str, ...]] = [COLUMNS]
    for services in sizes or SIZES:
        rows.append(row(services))
        print(align(rows, right=range(len(COLUMNS)), indent="")[-1], flush=True)
    print()
    for line in align(rows, right=range(len(COLUMNS)), indent=""):
        print(line)


def row(services: int) -> tuple[str, ...]:
    """The figures of one size."""
    mesh = generated_mesh(services, NAMESPACES)
    began = time.process_time()
    running = Generation(mesh)
    running.first()
    first = time.process_time() - began
    few = Generation(generated_mesh(services, NAMESPACES, TOUCHED))
    few.first()
    figures = [rule_ms(running), rule_ms(few), endpoint_ms(running), endpoint_ms(few)]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return (f"{services:,}", f"{len(mesh.proxies):,}", f"{first:.2f}", f"{memory:,.0f}", *(f"{x:.1f}" for x in figures))


def rule_ms(running: Generation) -> float:
    """One VirtualService with other weights."""

    def change(turn: int) -> None:
        running.apply(running.mesh.shift(4, turn + 1))
        running.regenerate()

    return _median_ms(change)


def endpoint_ms(running: Generation) -> float:
    """One endpoint that becomes ready or unready."""

    def change(turn: int) -> None:
        running.apply(running.mesh.endpoints(8, ready=1 + turn % 2))
        running.regenerate_endpoints(8)

    return _median_ms(change)


def _median_ms(change: Callable[[int], None]) -> float:
    change(ROUNDS)
    times = []
    for turn in range(ROUNDS):
        began = time.process_time()
        change(turn)
        times.append(time.process_time() - began)
    return sorted(times)[ROUNDS // 2] * 1e3


if __name__ == "__main__":
    main([int(text) for text in sys.argv[1:]])
