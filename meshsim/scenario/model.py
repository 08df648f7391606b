"""The scenario file as data: `apiVersion: meshsim/v1alpha1`, `kind: Scenario`.

Times are integer nanoseconds, rates are a second, shares are of 1; the file writes all of them with a unit. Anchors
and paths are still names here: `meshsim.scenario.loading` resolves them.
"""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from meshsim.scenario.expectations import Expectation
from meshsim.scenario.load import Traffic, Workload
from meshsim.scenario.node import Many, Name, Node, RawMapping, Source
from meshsim.scenario.quantities import Duration
from meshsim.scenario.timeline import TimelineEntry
from meshsim.scenario.timing import Timing


def _release(value: object) -> object:
    if isinstance(value, float):
        raise PydanticCustomError("release", f'write the release in quotes: "{value}"')
    if value != "1.31":
        raise PydanticCustomError("release", f'expected the release "1.31", the only one modelled, got {value!r}')
    return value


MOST_SEEDS = 10_000
"""More replications are a mistake."""
MOST_SEED = 2**31 - 1
"""Recordings keep seeds in 32 bits."""


def _seeds(value: object) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 1:
            raise PydanticCustomError("seeds", f"expected at least 1 replication, got {value}")
        if value > MOST_SEEDS:
            raise PydanticCustomError("seeds", f"expected at most {MOST_SEEDS} replications, got {value}")
        return tuple(range(1, value + 1))
    if isinstance(value, list | tuple) and value:
        if any(isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= MOST_SEED for seed in value):
            raise PydanticCustomError("seeds", f"expected whole numbers from 0 to {MOST_SEED} as seeds")
        if len(set(value)) != len(value):
            raise PydanticCustomError("seeds", "a seed is listed twice; its run would be counted twice")
        return tuple(value)
    raise PydanticCustomError("seeds", "expected a number of replications such as 5, or a list of seeds such as [1, 7]")


Seeds: TypeAlias = Annotated[
    tuple[int, ...],
    BeforeValidator(_seeds),
    WithJsonSchema(
        {
            "x-type": "count or list of seeds",
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": MOST_SEEDS},
                {
                    "type": "array",
                    "items": {"type": "integer", "minimum": 0, "maximum": MOST_SEED},
                    "minItems": 1,
                    "uniqueItems": True,
                },
            ],
        }
    ),
]
"""Seeds of the replications: a count (5 means 1 to 5) or a list."""


class Mesh(Node):
    """The service mesh's own settings."""

    istio: Annotated[Literal["1.31"], BeforeValidator(_release)] = "1.31"
    """Release whose defaults are modelled."""
    mesh_config: RawMapping = Field(default_factory=dict)
    """The real MeshConfig: same keys, same meaning."""
    inject: Many[Name] = ()
    """Namespaces to inject sidecars into, as by the label istio-injection=enabled."""
    timing: Timing = Timing()
    """How long things take in the control plane, the kubelet, the proxies and on the network."""


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
