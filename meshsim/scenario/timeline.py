"""What happens during a run: each entry of the `timeline` does one thing an operator, a cluster or a failure can do."""

from typing import Annotated, Any, Final, Self, TypeAlias

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from meshsim.errors import InputError
from meshsim.scenario.instants import END, START, At, parse_instant
from meshsim.scenario.node import Labels, Name, Node, OneOrMany, Source, exactly_one
from meshsim.scenario.quantities import Duration


class ObjectReference(Node):
    """An object that exists in the cluster."""

    kind: Name
    """Kind, such as VirtualService."""
    name: Name
    """metadata.name."""
    namespace: Name = "default"
    """Its namespace."""
    group: str | None = None
    """API group where two kinds have one name (`gateway.networking.k8s.io`). Nothing: any."""


def _deletion(value: object) -> Any:
    return value if isinstance(value, str | ObjectReference) else ObjectReference.model_validate(value)


Deletion: TypeAlias = Annotated[
    str | ObjectReference, BeforeValidator(_deletion, json_schema_input_type=str | ObjectReference)
]
"""A file with the objects to delete, or one object by its kind and name."""


def _controller(deployment: str | None, statefulset: str | None, namespace: str) -> str:
    return f"Deployment {namespace}/{deployment}" if deployment else f"StatefulSet {namespace}/{statefulset}"


class Scaled(Node):
    """A Deployment or StatefulSet and how many pods it shall have."""

    deployment: Name | None = None
    """Name of a Deployment."""
    statefulset: Name | None = None
    """Name of a StatefulSet."""
    namespace: Name = "default"
    """Its namespace."""
    replicas: Annotated[int, Field(ge=0, le=100_000)]
    """How many pods."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        exactly_one(self, "scale", "deployment", "statefulset")
        return self

    @property
    def subject(self) -> str:
        """What it is about, in words."""
        return _controller(self.deployment, self.statefulset, self.namespace)


class Restarted(Node):
    """A Deployment or StatefulSet whose pods are replaced as `kubectl rollout restart` does."""

    deployment: Name | None = None
    """Name of a Deployment."""
    statefulset: Name | None = None
    """Name of a StatefulSet."""
    namespace: Name = "default"
    """Its namespace."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        exactly_one(self, "restart", "deployment", "statefulset")
        return self

    @property
    def subject(self) -> str:
        """What it is about, in words."""
        return _controller(self.deployment, self.statefulset, self.namespace)


class Pods(Node):
    """Pods by label."""

    match: Annotated[Labels, Field(min_length=1)]
    """Labels of the pods."""
    count: Annotated[int, Field(ge=1)] | None = None
    """Only so many of them, the first by name. Nothing: all."""


class Place(Node):
    """A part of the cluster: pods, the pods of a controller, a node, a zone or a namespace."""

    pod: Name | None = None
    """Name of a pod."""
    pods: Pods | None = None
    """Pods by label."""
    deployment: Name | None = None
    """The pods of a Deployment (`istiod` in `istio-system` is the control plane)."""
    statefulset: Name | None = None
    """The pods of a StatefulSet."""
    node: Name | None = None
    """A node with everything on it."""
    zone: Name | None = None
    """All nodes of a zone."""
    namespace: Name | None = None
    """Namespace of the above (`default` when absent), or, alone, all pods of that namespace."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        targets = ("pod", "pods", "deployment", "statefulset", "node", "zone")
        given = [name for name in targets if name in self.model_fields_set]
        if given or self.namespace is None:
            which = exactly_one(self, "a target", *targets)
            if which in ("node", "zone") and self.namespace is not None:
                raise PydanticCustomError("namespace", f"a {which} has no namespace")
        return self

    @property
    def subject(self) -> str:
        """What it is about, in words."""
        if self.node is not None:
            return f"Node {self.node}"
        if self.zone is not None:
            return f"zone {self.zone}"
        if self.pod is not None:
            return f"Pod {self.namespace or 'default'}/{self.pod}"
        if self.pods is not None:
            labels = ",".join(f"{key}={value}" for key, value in self.pods.match.items())
            return f"pods {labels}" + (f" in {self.namespace}" if self.namespace else "")
        if self.deployment is None and self.statefulset is None:
            return f"namespace {self.namespace}"
        return _controller(self.deployment, self.statefulset, self.namespace or "default")


class Link(Node):
    """The network between two parts of the cluster, both ways."""

    between: Annotated[tuple[Place, Place], Field(strict=False)]
    """The two parts."""


class Delayed(Node):
    """Additional latency between two parts of the cluster."""

    between: Annotated[tuple[Place, Place], Field(strict=False)]
    """The two parts."""
    latency: Duration
    """Added to each packet's way, in each direction."""
    jitter: Duration = 0
    """Mean of an exponential part on top."""


VERBS: Final = ("apply", "delete", "scale", "restart", "kill", "partition", "delay")
"""The action keys of a timeline entry."""


def _timeline_id(value: object) -> object:
    if not isinstance(value, str):
        raise PydanticCustomError("timeline_id", f"expected a name such as shift, got {value!r}; write it in quotes")
    if value in (START, END):
        raise PydanticCustomError("timeline_id", f"'{value}' is reserved for the run itself; choose another id")
    try:
        parsed = parse_instant(value)
    except InputError:
        parsed = None
    if parsed is None or parsed.anchor != value:
        raise PydanticCustomError(
            "timeline_id", f"'{value}' would read as a time; choose an id of letters, digits and dashes such as shift-1"
        )
    return value


TimelineId: TypeAlias = Annotated[str, BeforeValidator(_timeline_id)]
"""Name of a timeline entry, an anchor in times (`shift+5s`)."""


class TimelineEntry(Node):
    """One action at one time."""

    id: TimelineId
    """Name, for anchors in times and expectations."""
    at: At
    """When: a time of the run, or relative to another entry (`shift+30s`)."""
    for_: Duration | None = Field(default=None, alias="for")
    """How long: the action is undone after this time. Nothing: it stays."""
    apply: OneOrMany[Source] | None = None
    """Create or replace objects: files, folders, globs or inline objects."""
    delete: OneOrMany[Deletion] | None = None
    """Delete objects: by file as `kubectl delete -f`, or by kind and name."""
    scale: Scaled | None = None
    """Change the number of pods of a Deployment or StatefulSet."""
    restart: Restarted | None = None
    """Replace the pods of a Deployment or StatefulSet one after the other."""
    kill: Place | None = None
    """Kill without grace; with `for:` nothing replaces what was killed for so long."""
    partition: Link | None = None
    """No packet passes between two parts of the cluster."""
    delay: Delayed | None = None
    """Packets between two parts of the cluster take longer."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        verb = exactly_one(self, "a timeline entry", *VERBS)
        if verb == "restart" and self.for_ is not None:
            raise PydanticCustomError("for", "a restart ends by itself and cannot be undone; leave 'for' out")
        if self.for_ == 0:
            raise PydanticCustomError("for", "'for' must be longer than 0s")
        return self

    @property
    def verb(self) -> str:
        """Which action it is."""
        return next(name for name in VERBS if name in self.model_fields_set)
