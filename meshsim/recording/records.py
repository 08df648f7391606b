"""What a recording holds beside the record types of `meshsim.trace`."""

from __future__ import annotations

from typing import NamedTuple

from meshsim.units import Nanos


class ProxyInfo(NamedTuple):
    """A proxy that took part in a run."""

    proxy: str
    """Proxy id, `pod.namespace`."""
    kind: str
    """`sidecar` or `router`."""
    namespace: str
    pod: str
    app: str
    version: str
    workload: str
    node: str
    zone: str
    address: str
    connected: Nanos
    """-1 where it never connected."""
    gone: Nanos = -1
    """When it ended, -1 where it lived to the end of the run."""
    service_account: str = ""
    capture: str = ""
    """Options of its pod's nat rules as a JSON object; empty where nothing is captured."""


class InstanceInfo(NamedTuple):
    """A pod that took part in a run, as Istio's metrics name it."""

    namespace: str
    pod: str
    workload: str
    app: str
    """Canonical service, and revision."""
    version: str
    app_label: str
    """Its labels app and version, empty without."""
    version_label: str
    identity: str
    """SPIFFE id."""
    address: str
    kind: str
    """`sidecar` or `router`, empty without a proxy."""
    stats: str = ""
    """The proxyStatsMatcher of its proxy as a JSON object; empty where none is configured."""


class ObjectSource(NamedTuple):
    """Where an object of a run was written."""

    time: Nanos
    """It counts from then on."""
    kind: str
    namespace: str
    name: str
    file: str
    line: int


class TrafficInfo(NamedTuple):
    """A traffic of the scenario."""

    traffic: str
    gateway: str
    """Service it enters through, empty for what pods send."""
    way: Nanos
    """One-way latency between its clients and the proxy they come to."""


class ConfigEntry(NamedTuple):
    """A resource as a proxy has it."""

    type_url: str
    name: str
    time: Nanos
    """Since when."""
    body: bytes
