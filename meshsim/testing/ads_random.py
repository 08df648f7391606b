"""Random scripts of updates: what a control plane may send in any order, and what it should not."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

from google.protobuf.message import Message

from meshsim.testing.ads_resources import assignment, eds_cluster, rds_listener, route_table, static_cluster
from meshsim.testing.ads_scripts import Step
from meshsim.xds import type_urls
from meshsim.xds.messages import cluster_pb2, listener_pb2, route_pb2

_CLUSTERS: Final = ("a", "b", "c", "d")
_TABLES: Final = ("80", "81", "82")
_LISTENERS: Final = ("l", "m", "n")
C, E, L, R = type_urls.CLUSTER, type_urls.ENDPOINT, type_urls.LISTENER, type_urls.ROUTE


def broken_cluster(name: str) -> cluster_pb2.Cluster:
    """Refused when it is applied: EDS without a source."""
    cluster = eds_cluster(name)
    cluster.ClearField("eds_cluster_config")
    return cluster


def malformed_cluster(name: str) -> cluster_pb2.Cluster:
    """Refused before anything is applied: a negative duration."""
    cluster = eds_cluster(name)
    cluster.connect_timeout.FromSeconds(-1)
    return cluster


def broken_listener(name: str, port: int) -> listener_pb2.Listener:
    """Refused when it is applied: no filter chain."""
    listener = rds_listener(name, port, "80")
    del listener.filter_chains[:]
    return listener


def broken_table(name: str) -> route_pb2.RouteConfiguration:
    """Refused when it is applied: two virtual hosts for everything."""
    table = route_table(name)
    table.virtual_hosts.add(name="w", domains=["*"])
    return table


class RandomScript:
    """Steps drawn one after another; listeners use ports from `first_port` on."""

    def __init__(self, seed: int, first_port: int) -> None:
        self._rng = random.Random(seed)
        self._ports = {name: first_port + index for index, name in enumerate(_LISTENERS)}
        self._number = 0

    def start(self) -> Step:
        """What the server holds when the proxy connects; now and then endpoints or routes are missing."""
        messages: list[Message] = [eds_cluster("a"), static_cluster("b"), self._listener("l", "80")]
        if self._rng.random() < 0.8:
            messages.append(assignment("a"))
        if self._rng.random() < 0.8:
            messages.append(route_table("80"))
        return Step("start", tuple(messages))

    def steps(self, count: int) -> list[Step]:
        """The next steps."""
        kinds: tuple[tuple[int, Callable[[], Step]], ...] = (
            (5, self._cluster_step),
            (4, self._endpoint_step),
            (3, self._listener_step),
            (3, self._route_step),
            (2, self._bad_step),
            (1, self._whole_step),
            (1, self._reconnect_step),
        )
        weights = [weight for weight, _ in kinds]
        return [self._rng.choices([make for _, make in kinds], weights)[0]() for _ in range(count)]

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _listener(self, name: str, table: str) -> listener_pb2.Listener:
        return rds_listener(name, self._ports[name], table, f"p{self._rng.randint(0, 1)}")

    def _cluster_step(self) -> Step:
        rng = self._rng
        names = tuple(rng.sample(_CLUSTERS, rng.randint(1, 2)))
        if rng.random() < 0.25:
            return Step(f"drop clusters {names}", drops=tuple((C, n) for n in names), pushes=((C, names),))
        made: list[Message] = []
        for name in names:
            kind = rng.random()
            made.append(
                eds_cluster(name, rng.randint(1, 3)) if kind < 0.75 else static_cluster(name, rng.randint(1, 2))
            )
        which = rng.random()
        if which < 0.35:
            return Step(f"clusters {names}", tuple(made), pushes=((C, names),))
        made += [assignment(name, self._next()) for name in names]
        pushes = ((C, names), (E, names)) if which < 0.9 else ((E, names), (C, names))
        return Step(f"clusters and endpoints {names}", tuple(made), pushes=pushes)

    def _endpoint_step(self) -> Step:
        rng = self._rng
        names = tuple(rng.sample(_CLUSTERS, rng.randint(1, 3)))
        if rng.random() < 0.2:
            return Step(f"drop endpoints {names}", drops=tuple((E, n) for n in names), pushes=((E, names),))
        made = tuple(assignment(n, self._next()) for n in names)
        return Step(f"endpoints {names}", made, pushes=((E, names if rng.random() < 0.7 else None),))

    def _listener_step(self) -> Step:
        rng = self._rng
        name = rng.choice(_LISTENERS)
        if rng.random() < 0.25:
            return Step(f"drop listener {name}", drops=((L, name),), pushes=((L, (name,)),))
        table = rng.choice(_TABLES)
        made: list[Message] = [self._listener(name, table)]
        if rng.random() < 0.5:
            made.append(route_table(table, rng.choice(_CLUSTERS)))
        return Step(f"listener {name} with {table}", tuple(made), pushes=((L, (name,)),))

    def _route_step(self) -> Step:
        rng = self._rng
        names = tuple(rng.sample(_TABLES, rng.randint(1, 2)))
        if rng.random() < 0.15:
            return Step(f"drop tables {names}", drops=tuple((R, n) for n in names), pushes=((R, names),))
        made = tuple(route_table(n, rng.choice(_CLUSTERS), (f"h{self._next()}",)) for n in names)
        return Step(f"tables {names}", made, pushes=((R, names if rng.random() < 0.7 else None),))

    def _bad_step(self) -> Step:
        rng = self._rng
        kind = rng.choice("clr")
        if kind == "c":
            good = eds_cluster(rng.choice(_CLUSTERS), rng.randint(1, 3))
            made: tuple[Message, ...] = (good, assignment(good.name), broken_cluster("bad"))
            pushes = ((C, (good.name, "bad")), (E, (good.name,)))
            return Step("a bad cluster among good", made, pushes=pushes)
        if kind == "l":
            name = rng.choice(_LISTENERS)
            made = (self._listener(name, rng.choice(_TABLES)), broken_listener("bad", self._ports["n"] + 1))
            return Step("a bad listener among good", made, pushes=((L, (name, "bad")),))
        name = rng.choice(_TABLES)
        return Step("a bad table", (broken_table(name),), pushes=((R, (name,)),))

    def _whole_step(self) -> Step:
        name = self._rng.choice(_CLUSTERS)
        made = (eds_cluster(name, self._rng.randint(1, 3)), malformed_cluster("bad"))
        return Step("a malformed cluster among good", made, pushes=((C, (name, "bad")),))

    def _reconnect_step(self) -> Step:
        name = self._rng.choice(_CLUSTERS)
        change = self._rng.random()
        if change < 0.3:
            return Step("reconnect", reconnects=True)
        if change < 0.6:
            return Step(f"reconnect without {name}", drops=((C, name), (C, "bad")), reconnects=True)
        return Step(
            f"reconnect with new {name}", (eds_cluster(name, 4), assignment(name, self._next())), reconnects=True
        )
