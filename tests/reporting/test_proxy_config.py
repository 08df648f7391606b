"""Tables of a proxy's configuration, compared with those of the real istioctl."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from google.protobuf.message import Message

from meshsim.errors import UsageError
from meshsim.recording import ConfigEntry
from meshsim.reporting.proxy_config import KINDS, messages_of, table
from meshsim.xds.messages import cluster_pb2, endpoint_pb2, listener_pb2, route_pb2
from meshsim.xds.packing import from_json

FILES = {"cluster": "cds", "listener": "lds", "route": "rds"}
PRINTED = (
    ("cluster", "cluster", True),
    ("listener", "listener", True),
    ("listener-not-verbose", "listener", False),
    ("route", "route", True),
    ("route-not-verbose", "route", False),
)


def read(path: Path) -> dict[str, object]:
    with gzip.open(path) as file:
        content = json.load(file)
    assert isinstance(content, dict)
    return content


FEW = 12
"""Up to so many entries Go sorts by insertion, which keeps equal ones in place. Beyond, what istioctl's comparison
calls equal (filter chains with one destination, route tables named by a port and any other) comes in an order that
means nothing."""


def lines(text: str, count: int) -> list[str]:
    """The lines of a table, in an order of our own where istioctl's is chance."""
    found = text.strip("\n").split("\n")
    return found if count <= FEW else sorted(found)


def most_chains(messages: list[Message]) -> int:
    """Filter chains of the listener that has most of them."""
    return max(
        (len(m.filter_chains) + 1 for m in messages if isinstance(m, listener_pb2.Listener)),
        default=0,
    )


def differences(oracle: Path) -> tuple[int, list[str]]:
    """How many tables are equal, and what differs in the others. Of the large worlds one is enough."""
    equal, different = 0, []
    for recorded in sorted((oracle / "istioctl").glob("*/*.json.gz")):
        if recorded.parent.name.startswith("big-") and recorded.parent.name != "big-http-100":
            continue
        want = read(recorded)
        dump = read(oracle / "xds" / recorded.parent.name / recorded.name)
        for printed, kind, verbose in PRINTED:
            text = want[printed]
            if not isinstance(text, str):
                continue
            bodies = dump[FILES[kind]]
            assert isinstance(bodies, list)
            messages: list[Message] = [from_json(body, KINDS[kind].message) for body in bodies]
            shuffled = len(messages) if kind == "route" else most_chains(messages)
            got = lines("\n".join(table(kind, messages, verbose)), shuffled)
            recorded_lines = lines(text, shuffled)
            if got == recorded_lines:
                equal += 1
            else:
                pairs = zip(got, recorded_lines, strict=False)
                first = next(((g, w) for g, w in pairs if g != w), (f"{len(got)} lines", f"{len(recorded_lines)}"))
                different.append(f"{recorded.parent.name}/{recorded.name} {printed}: {first[0]!r} != {first[1]!r}")
    return equal, different


@pytest.mark.needs_shared
def test_the_tables_are_those_of_istioctl(oracle: Path) -> None:
    equal, different = differences(oracle)
    assert equal > 500
    assert not different, f"{len(different)} of {equal + len(different)} differ:\n" + "\n".join(different[:20])


def test_endpoints_say_what_eds_said() -> None:
    assignment = from_json(
        {
            "cluster_name": "outbound|80||a",
            "endpoints": [
                {
                    "lb_endpoints": [
                        {"endpoint": _at("10.0.0.2"), "health_status": "UNHEALTHY"},
                        {"endpoint": _at("10.0.0.1")},
                    ]
                }
            ],
        },
        endpoint_pb2.ClusterLoadAssignment,
    )
    assert table("endpoint", [assignment]) == [
        "ENDPOINT        STATUS        CLUSTER",
        "10.0.0.1:80     HEALTHY       outbound|80||a",
        "10.0.0.2:80     UNHEALTHY     outbound|80||a",
    ]


def _at(address: str) -> dict[str, object]:
    return {"address": {"socket_address": {"address": address, "port_value": 80}}}


def test_resources_are_decoded_by_kind() -> None:
    cluster = cluster_pb2.Cluster(name="BlackHoleCluster")
    entries = [
        ConfigEntry(KINDS["cluster"].type_url, cluster.name, 0, cluster.SerializeToString()),
        ConfigEntry(KINDS["route"].type_url, "80", 0, route_pb2.RouteConfiguration(name="80").SerializeToString()),
    ]
    assert messages_of(entries, "cluster") == [cluster]
    assert messages_of(entries, "listener") == []


def test_nothing_to_print_is_refused() -> None:
    with pytest.raises(UsageError, match="no routes found"):
        table("route", [])
