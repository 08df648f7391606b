"""The API server: objects with identity and history, admission of pods, watches that arrive after a latency."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, NamedTuple, TypeAlias

from meshsim.api import ApiObject, ObjectKey, ObjectStore, make_object
from meshsim.errors import MeshsimError
from meshsim.kernel import Environment, draw
from meshsim.kube.defaults import default_body
from meshsim.kube.documents import Body, is_terminating, mapping, rfc3339, uid_of, with_metadata, with_status
from meshsim.kube.index import OwnerIndex, PodIndex
from meshsim.kube.settings import KubeSettings
from meshsim.network import Addresses
from meshsim.units import Nanos


class Verb(Enum):
    """What happened to an object."""

    ADD = "add"
    UPDATE = "update"
    DELETE = "delete"


class Change(NamedTuple):
    """One write as a watcher sees it."""

    verb: Verb
    object: ApiObject
    """The new value; for `Verb.DELETE` the last one."""
    before: ApiObject | None
    written: Nanos
    """When the API server stored it."""
    cause: str
    """Timeline id or controller that wrote it."""


Watcher: TypeAlias = Callable[[Change], None]
PodAdmission: TypeAlias = Callable[[ApiObject], Mapping[str, object]]
"""Called with each pod to be created; gives the document to store, or raises a `MeshsimError` to refuse the pod."""


@dataclass(frozen=True, slots=True)
class _Watch:
    listener: Watcher
    kinds: frozenset[str]
    latency: Nanos


_SERVER_FIELDS: Final = ("uid", "creationTimestamp", "resourceVersion", "generation", "managedFields", "selfLink")


class ApiServer:
    """Stores objects and tells watchers.

    Until `open_watches` everything that is written belongs to the state before time zero: watchers do not hear of it,
    they list it.
    """

    def __init__(
        self,
        env: Environment,
        settings: KubeSettings,
        addresses: Addresses,
        seed: int = 0,
        admission: PodAdmission | None = None,
    ) -> None:
        self.env = env
        self.settings = settings
        self.addresses = addresses
        self.seed = seed
        self.admission = admission
        self.objects = ObjectStore()
        self.pods = PodIndex()
        self.replica_sets = OwnerIndex()
        self._watches: list[_Watch] = []
        self._open = False
        self._version = 0
        self.refusals: dict[ObjectKey, MeshsimError] = {}
        """Why the last pod of a workload could not be created, by workload."""
        self._incarnations: dict[ObjectKey, int] = {}

    def watch(self, listener: Watcher, kinds: Collection[str] = (), latency: Nanos | None = None) -> None:
        """Hand every later change of these kinds (all kinds when none are given) to `listener`, in order."""
        span = self.settings.watch_latency if latency is None else latency
        self._watches.append(_Watch(listener, frozenset(kinds), span))

    def open_watches(self) -> None:
        """From now on changes reach watchers: time zero."""
        self._open = True

    @property
    def wall(self) -> Nanos:
        """The present in Unix time."""
        return self.settings.epoch + self.env.instant

    def get(self, kind: str, namespace: str, name: str, group: str = "") -> ApiObject | None:
        """The object of this identity."""
        return self.objects.get(ObjectKey(group, kind, namespace, name))

    def apply(self, item: ApiObject, cause: str = "") -> ApiObject:
        """Create an object or replace the one of its key, as a client does; an unchanged one writes nothing.

        The status stays the controllers'; identity and creation time stay the first ones.
        """
        before = self.objects.get(item.key)
        if before is None:
            return self.create(item, cause)
        body = default_body(item, self.addresses, before)
        body["metadata"] = _keep_identity(mapping(body.get("metadata")), mapping(before.body.get("metadata")))
        if "status" in before.body:
            body["status"] = before.body["status"]
        after = replace(make_object(body, item.origin, item.namespace), created=before.created)
        return self._store(after, before, cause)

    def create(self, item: ApiObject, cause: str = "") -> ApiObject:
        """Store a new object with defaults, identity and (pods) admission; raises what the admission raises."""
        body = default_body(item, self.addresses, None)
        if item.kind == "Pod" and self.admission is not None:
            body = dict(self.admission(replace(item, body=body)))
        body["metadata"] = self._identity(item.key, mapping(body.get("metadata")))
        return self._store(make_object(body, item.origin, item.namespace), None, cause)

    def update(self, item: ApiObject, cause: str = "") -> ApiObject:
        """Store a new value of an object that exists; the value is complete."""
        return self._store(item, self.objects.get(item.key), cause)

    def update_status(self, item: ApiObject, status: Mapping[str, object], cause: str = "") -> ApiObject:
        """Store a new status of an object that exists."""
        return self._store(with_status(item, status), item, cause)

    def remove(self, key: ObjectKey, cause: str = "") -> ApiObject | None:
        """Take an object away; returns it. Pods with a grace period are marked by `mark_deleted` first."""
        before = self.objects.remove(key)
        if before is None:
            return None
        if key.kind == "Pod":
            self.pods.discard(before)
        elif key.kind == "ReplicaSet":
            self.replica_sets.discard(before)
        elif key.kind == "Service":
            self.addresses.release_service(key.namespace, key.name)
        self._tell(Change(Verb.DELETE, before, before, self.env.instant, cause))
        return before

    def mark_deleted(self, item: ApiObject, grace: Nanos, cause: str = "") -> ApiObject:
        """Ask for the deletion of a pod: its deletion timestamp is the end of the grace period."""
        if is_terminating(item):
            return item
        marked = with_metadata(
            item,
            {
                "deletionTimestamp": rfc3339(self.wall + grace),
                "deletionGracePeriodSeconds": grace // 1_000_000_000,
            },
        )
        return self._store(marked, item, cause)

    def refused(self, owner: ApiObject, refusal: MeshsimError) -> None:
        """Keep why a pod of a workload could not be created (the FailedCreate event of a real controller)."""
        self.refusals[owner.key] = refusal

    def accepted(self, owner: ApiObject) -> None:
        """Forget why pods of a workload were refused: one has been created."""
        self.refusals.pop(owner.key, None)

    def _identity(self, key: ObjectKey, metadata: Mapping[str, object]) -> Body:
        incarnation = self._incarnations[key] = self._incarnations.get(key, 0) + 1
        number = draw(self.seed, "uid", *key, incarnation)
        text = f"{number:016x}{draw(self.seed, 'uid2', *key, incarnation):016x}"
        uid = f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:32]}"
        return {
            **metadata,
            "uid": metadata.get("uid") or uid,
            "creationTimestamp": metadata.get("creationTimestamp") or rfc3339(self.wall),
            "generation": 1,
        }

    def _store(self, after: ApiObject, before: ApiObject | None, cause: str) -> ApiObject:
        if before is not None:
            if _same(after.body, before.body):
                return before
            if after.body.get("spec") != before.body.get("spec"):
                after = with_metadata(after, {"generation": before.metadata.integer("generation", 1) + 1})
        self._version += 1
        after = with_metadata(after, {"resourceVersion": str(self._version)})
        self.objects.put(after)
        if after.kind == "Pod":
            self.pods.replace(after, before)
        elif after.kind == "ReplicaSet":
            self.replica_sets.put(after)
        verb = Verb.ADD if before is None else Verb.UPDATE
        self._tell(Change(verb, after, before, self.env.instant, cause))
        return after

    def _tell(self, change: Change) -> None:
        if not self._open:
            return
        kind = change.object.kind
        for watch in self._watches:
            if not watch.kinds or kind in watch.kinds:
                self._deliver(watch, change)

    def _deliver(self, watch: _Watch, change: Change) -> None:
        self.env.call_at(self.env.instant + watch.latency, lambda: watch.listener(change))


def _keep_identity(metadata: Mapping[str, object], before: Mapping[str, object]) -> Body:
    kept = {key: before[key] for key in _SERVER_FIELDS if key in before}
    if "deletionTimestamp" in before:
        kept["deletionTimestamp"] = before["deletionTimestamp"]
        kept["deletionGracePeriodSeconds"] = before.get("deletionGracePeriodSeconds", 0)
    return {**metadata, **kept}


def _same(one: Mapping[str, object], other: Mapping[str, object]) -> bool:
    """Whether two documents are equal but for what the server itself writes."""
    if one.keys() != other.keys():
        return False
    for key, value in one.items():
        if key == "metadata":
            a = {k: v for k, v in mapping(value).items() if k not in _SERVER_FIELDS}
            b = {k: v for k, v in mapping(other[key]).items() if k not in _SERVER_FIELDS}
            if a != b:
                return False
        elif value is not other[key] and value != other[key]:
            return False
    return True


def identity(item: ApiObject) -> str:
    """Key of an object's own draws: its uid."""
    return uid_of(item) or str(item.key)
