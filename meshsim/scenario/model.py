"""The scenario file as data: `apiVersion: meshsim/v1alpha1`, `kind: Scenario`.

Times are integer nanoseconds, rates are a second, shares are of 1; the file writes all of them with a unit. Anchors
and paths are still names here: `meshsim.scenario.loading` resolves them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from meshsim.scenario.expectations import Expectation
from meshsim.scenario.load import Traffic, Workload
from meshsim.scenario.node import Many, Name, Node, RawMapping
from meshsim.scenario.quantities import Duration, Time
from meshsim.scenario.timeline import Source, TimelineEntry


def _release(value: object) -> object:
    if isinstance(value, float):
        raise PydanticCustomError("release", f"write the release in quotes: \"{value}\"")
    if value != "1.31":
        raise PydanticCustomError("release", f"expected the release \"1.31\", the only one modelled, got {value!r}")
    return value


def _seeds(value: object) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 1:
            raise PydanticCustomError("seeds", f"expected at least 1 replication, got {value}")
        return tuple(range(1, value + 1))
    if isinstance(value, list | tuple) and value:
        if any(isinstance(seed, bool) or not isinstance(seed, int) or seed < 0 for seed in value):
            raise PydanticCustomError("seeds", "expected whole numbers from 0 as seeds")
        if len(set(value)) != len(value):
            raise PydanticCustomError("seeds", "a seed is listed twice; its run would be counted twice")
        return tuple(value)
    raise PydanticCustomError("seeds", "expected a number of replications such as 5, or a list of seeds such as [1, 7]")


Seeds: TypeAlias = Annotated[
    tuple[int, ...],
    BeforeValidator(_seeds),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1},
                {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1, "uniqueItems": True},
            ]
        }
    ),
]
"""Seeds of the replications: a count (5 means 1 to 5) or a list."""


class PilotTiming(Node):
    """How long istiod takes. Nothing given: its defaults and measured costs."""

    debounce_after: Duration | None = None
    """PILOT_DEBOUNCE_AFTER: quiet time before a push."""
    debounce_max: Duration | None = None
    """PILOT_DEBOUNCE_MAX: longest wait from the first change."""
    push_throttle: Annotated[int, Field(ge=1)] | None = None
    """PILOT_PUSH_THROTTLE: proxies pushed to at the same time."""
    cpus: Annotated[int, Field(ge=1)] | None = None
    """CPUs of istiod; the default throttle and the parallel generation depend on it."""
    push_context: Duration | None = None
    """Time to build a push context."""
    generate: Duration | None = None
    """Time to generate one proxy's full configuration."""


class KubeletTiming(Node):
    """How long a pod takes to start and stop. Nothing given: the documented defaults."""

    schedule: Duration | None = None
    """From a pod's creation until it is bound to a node."""
    pull: Duration | None = None
    """To pull one image."""
    create: Duration | None = None
    """To create and start one container."""
    init: Duration | None = None
    """To run one init container."""
    sidecar: Duration | None = None
    """From the start of istio-proxy until it answers its readiness probe, its configuration aside."""
    app: Duration | None = None
    """From the start of an application container until it can serve."""
    node_monitor_grace: Duration | None = None
    """From the loss of a node until it is marked as not ready."""
    eviction: Duration | None = None
    """From then until its pods are replaced."""


class ProxyTiming(Node):
    """What a request costs in a sidecar or gateway. Nothing given: the measured defaults."""

    workers: Annotated[int, Field(ge=1)] | None = None
    """Worker threads (`concurrency`)."""
    outbound: Time | None = None
    """CPU time of a request on its way out, and again of its answer."""
    inbound: Time | None = None
    """CPU time of a request on its way in, and again of its answer."""
    apply: Duration | None = None
    """From the receipt of a response until traffic follows it, warming aside."""


class NetworkTiming(Node):
    """One-way latencies. Nothing given: the documented defaults."""

    same_node: Duration | None = None
    """Between two pods of a node."""
    same_zone: Duration | None = None
    """Between two nodes of a zone."""
    same_region: Duration | None = None
    """Between two zones of a region."""
    between_regions: Duration | None = None
    """Between two regions."""
    client: Duration | None = None
    """Between a client outside the mesh and a gateway."""
    jitter: Duration | None = None
    """Mean of the exponential part on top of each."""


class Mesh(Node):
    """The service mesh's own settings."""

    istio: Annotated[Literal["1.31"], BeforeValidator(_release)] = "1.31"
    """Release whose defaults are modelled."""
    mesh_config: RawMapping = Field(default_factory=dict)
    """The real MeshConfig: same keys, same meaning."""
    inject: Many[Name] = ()
    """Namespaces to inject sidecars into, as by the label istio-injection=enabled."""
    pilot: PilotTiming = PilotTiming()
    """How long istiod takes."""
    kubelet: KubeletTiming = KubeletTiming()
    """How long pods take to start and stop."""
    proxy: ProxyTiming = ProxyTiming()
    """What a request costs in a proxy."""
    network: NetworkTiming = NetworkTiming()
    """How long packets take."""


class Scenario(Node):
    """A mesh, what it does, what happens to it, and what is expected of it."""

    api_version: Literal["meshsim/v1alpha1"]
    """Version of this format."""
    kind: Literal["Scenario"]
    """What this file is."""
    name: Annotated[str, Field(pattern="^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max_length=63)]
    """Name; results land in a folder of this name."""
    description: str = ""
    """What it is about."""
    duration: Duration
    """How long the simulated time is."""
    seeds: Seeds = (1,)
    """Replications: a count, or a list of seeds. Expectations use all of them."""
    mesh: Mesh = Mesh()
    """The mesh's own settings."""
    resources: Many[Source] = ()
    """The real manifests that exist at the start: files, folders, globs, inline objects."""
    workloads: Many[Workload] = ()
    """What the application containers do, matched by labels."""
    traffic: Many[Traffic] = ()
    """What clients send."""
    timeline: Many[TimelineEntry] = ()
    """What happens meanwhile."""
    expect: Many[Expectation] = ()
    """What the run is judged by."""
