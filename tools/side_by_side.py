"""The same work in several simulators, in one run: an M/M/4 queue, and a chain of two sidecars and a service.

``python tools/side_by_side.py``. Each simulator that is installed runs its part in a process of its own; what the model
of a simulator cannot express is left out of its row. Requests a second of CPU time, and the mean time in the system
beside the exact one, so that a fast wrong answer does not count.
"""

from __future__ import annotations

import importlib.util
import multiprocessing
import random
import time
from collections.abc import Callable, Generator
from concurrent.futures import ProcessPoolExecutor
from typing import Any, NamedTuple

from meshsim.reporting.columns import align

WORKERS, LOAD = 4, 0.8
SERVICE_S = 0.010
RATE = WORKERS * LOAD / SERVICE_S
SIDECAR_S = 0.0001
"""Mean time of one pass through a sidecar: two on the way there, two on the way back, as delays."""
COLUMNS = ("simulator", "work", "requests", "requests/s", "mean ms", "exact ms")


class Result(NamedTuple):
    """What one simulator did."""

    requests: int
    mean_s: float
    cpu_s: float


def exact_s(sidecars: bool) -> float:
    """Mean time in an M/M/c queue (Erlang C), and four passes."""
    offered = RATE * SERVICE_S
    term, total = 1.0, 1.0
    for n in range(1, WORKERS):
        term *= offered / n
        total += term
    last = term * offered / WORKERS / (1 - LOAD)
    waits = last / (total + last)
    return SERVICE_S + waits * SERVICE_S / (WORKERS * (1 - LOAD)) + (4 * SIDECAR_S if sidecars else 0.0)


def with_meshsim(requests: int, sidecars: bool, mode: str = "numba") -> Result:
    """The event core, every request a row with proxies, connections and a pool."""
    from meshsim.dataplane.engine import Engine
    from meshsim.dataplane.specs import Distribution, ProxySpec, Shape
    from meshsim.testing.meshes import add_service, add_traffic
    from meshsim.units import SECOND

    passing = Distribution(Shape.EXPONENTIAL, round(SIDECAR_S * SECOND))
    proxy = ProxySpec(workers=2, outbound=passing, inbound=passing, handshake=None) if sidecars else None
    engine = Engine(1, mode=mode, stations=False, sample_rate=0.0)
    service = add_service(
        engine,
        caller=proxy,
        sidecar=proxy,
        handler={"service": Distribution(Shape.EXPONENTIAL, round(SERVICE_S * SECOND))},
        pod={"workers": WORKERS},
    )
    add_traffic(engine, [service.flow], RATE)
    engine.run_until(SECOND)
    engine.drain_series()
    finished, began = engine.counters.finished, time.process_time()
    engine.run_until(SECOND + round(requests / RATE * SECOND))
    used = time.process_time() - began
    series = engine.drain_series()
    return Result(
        engine.counters.finished - finished, float(series["total"].sum() / series["requests"].sum()) / 1e9, used
    )


def with_meshsim_interpreted(requests: int, sidecars: bool) -> Result:
    """The same, interpreted."""
    return with_meshsim(requests, sidecars, "plain")


def with_simpy(requests: int, sidecars: bool) -> Result:
    """A process for each request."""
    import simpy

    env = simpy.Environment()
    servers = simpy.Resource(env, WORKERS)
    chance = random.Random(1)
    spent = 0.0

    def request() -> Generator[Any, Any, None]:
        nonlocal spent
        began = env.now
        if sidecars:
            yield env.timeout(chance.expovariate(1 / SIDECAR_S))
            yield env.timeout(chance.expovariate(1 / SIDECAR_S))
        with servers.request() as free:
            yield free
            yield env.timeout(chance.expovariate(1 / SERVICE_S))
        if sidecars:
            yield env.timeout(chance.expovariate(1 / SIDECAR_S))
            yield env.timeout(chance.expovariate(1 / SIDECAR_S))
        spent += env.now - began

    def source() -> Generator[Any, Any, None]:
        for _ in range(requests):
            yield env.timeout(chance.expovariate(RATE))
            env.process(request())

    began = time.process_time()
    env.process(source())
    env.run()
    return Result(requests, spent / requests, time.process_time() - began)


def with_ciw(requests: int, sidecars: bool) -> Result:
    """A queueing network; sidecars are nodes with infinitely many servers."""
    import ciw

    nodes = [float("inf")] * 2 + [WORKERS] + [float("inf")] * 2 if sidecars else [WORKERS]
    means = [SIDECAR_S] * 2 + [SERVICE_S] + [SIDECAR_S] * 2 if sidecars else [SERVICE_S]
    count = len(nodes)
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(RATE), *([None] * (count - 1))],
        service_distributions=[ciw.dists.Exponential(1 / mean) for mean in means],
        number_of_servers=nodes,
        routing=[[1.0 if to == at + 1 else 0.0 for to in range(count)] for at in range(count)],
    )
    ciw.seed(1)
    began = time.process_time()
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_customers(requests, method="Finish")
    records = simulation.get_all_records()
    used = time.process_time() - began
    spent = sum(record.exit_date - record.arrival_date for record in records)
    return Result(requests, spent / requests, used)


class Simulator(NamedTuple):
    """How one is asked."""

    name: str
    needs: str
    requests: int
    run: Callable[[int, bool], Result]


SIMULATORS = (
    Simulator("meshsim, compiled", "numba", 2_000_000, with_meshsim),
    Simulator("meshsim, interpreted", "meshsim", 40_000, with_meshsim_interpreted),
    Simulator("simpy, process a request", "simpy", 200_000, with_simpy),
    Simulator("Ciw", "ciw", 40_000, with_ciw),
)


def main() -> None:
    """Run all that are installed."""
    rows: list[tuple[str, ...]] = [COLUMNS]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, max_tasks_per_child=1) as pool:
        for sidecars, work in ((False, "M/M/4"), (True, "sidecar chain")):
            for each in SIMULATORS:
                if importlib.util.find_spec(each.needs) is None:
                    print(f"{each.name}: not installed")
                    continue
                result = pool.submit(each.run, each.requests, sidecars).result()
                rows.append(
                    (
                        each.name,
                        work,
                        f"{result.requests:,}",
                        f"{result.requests / result.cpu_s:,.0f}",
                        f"{1e3 * result.mean_s:.2f}",
                        f"{1e3 * exact_s(sidecars):.2f}",
                    )
                )
    for line in align(rows, right=range(2, len(COLUMNS)), indent=""):
        print(line)


if __name__ == "__main__":
    main()
