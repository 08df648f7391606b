"""Tables that a real istioctl printed, beside what they were printed from."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from google.protobuf.message import Message

from meshsim.xds.messages import cluster_pb2, extension_pb2, listener_pb2, route_pb2
from meshsim.xds.packing import from_json

CLASSES: dict[str, type[Message]] = {
    "cds": cluster_pb2.Cluster,
    "ecds": extension_pb2.TypedExtensionConfig,
    "lds": listener_pb2.Listener,
    "rds": route_pb2.RouteConfiguration,
}
LARGE = "big-"
"""Worlds left out of the tests to save time."""


class Printed(NamedTuple):
    """One proxy: its resources of a type, and a table of them."""

    name: str
    resources: list[Message]
    text: str


Printer = Callable[[str, str], Iterator[Printed]]


@pytest.fixture(scope="session")
def printed(oracle: Path) -> Printer:
    """Every recorded proxy's resources of a type with its table of a kind; without those istioctl refused."""

    def read(type_name: str, table: str) -> Iterator[Printed]:
        for file in sorted((oracle / "istioctl").glob("*/*.json.gz")):
            if file.parent.name.startswith(LARGE):
                continue
            text = json.loads(gzip.decompress(file.read_bytes()))[table]
            if not isinstance(text, str):
                continue
            bodies = json.loads(gzip.decompress((oracle / "xds" / file.parent.name / file.name).read_bytes()))
            resources = [from_json(body, CLASSES[type_name]) for body in bodies[type_name]]
            yield Printed(f"{file.parent.name}/{file.name}", resources, text)

    return read
