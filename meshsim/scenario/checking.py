"""References of a scenario that lead nowhere: hosts, labels, traffic names, timeline ids, and circles of calls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from meshsim.api import locate, locate_value
from meshsim.errors import InputError
from meshsim.scenario.call_graph import build_call_graph, references
from meshsim.scenario.expectations import End, Expectation, Propagation, Windowed
from meshsim.scenario.instants import END, START, Instant, Window
from meshsim.scenario.inventory import Inventory
from meshsim.scenario.load import Traffic
from meshsim.scenario.loaded import LoadedScenario
from meshsim.scenario.problems import suggestion
from meshsim.scenario.timeline import Place
from meshsim.units import format_duration

_ENDS: Final = ("from_", "to", "of", "among")


def check_references(loaded: LoadedScenario, objects_complete: bool) -> list[InputError]:
    """Every reference that leads nowhere. With `objects_complete` false some manifests could not be read, and what
    might stand in them is not missed."""
    checker = _Checker(loaded)
    checker.names()
    checker.windows()
    if objects_complete:
        checker.workloads()
        checker.traffic()
        checker.timeline()
        checker.ends()
        checker.circles()
    return checker.errors


class _Checker:
    def __init__(self, loaded: LoadedScenario) -> None:
        self._loaded = loaded
        self._scenario = loaded.scenario
        self._inventory = Inventory.of(loaded.all_objects())
        self.errors: list[InputError] = []

    def _wrong(self, path: str, message: str, hint: str = "") -> None:
        self.errors.append(InputError(message, locate_value(self._loaded.origin, path), hint, path))

    # Names inside the scenario

    def names(self) -> None:
        """Names given twice, and expectations about traffic or timeline entries that do not exist."""
        self._unique("traffic", [item.name for item in self._scenario.traffic])
        self._unique("expect", [item.name for item in self._scenario.expect])
        traffic = [item.name for item in self._scenario.traffic]
        for path, expectation in self._expectations():
            detail = getattr(expectation, expectation.kind)
            if isinstance(detail, Propagation):
                for index, name in enumerate(detail.of):
                    if name not in self._loaded.anchors.ids and name not in self._ids():
                        hint = suggestion(name, self._ids())
                        self._wrong(f"{path}.of[{index}]", f"there is no timeline entry '{name}'", hint)
                continue
            of = getattr(detail, "of", None)
            if isinstance(of, str) and of not in traffic:
                self._wrong(f"{path}.of", f"there is no traffic '{of}'", suggestion(of, traffic))

    def _unique(self, path: str, names: Sequence[str]) -> None:
        for index, name in enumerate(names):
            if name in names[:index]:
                first = locate(self._loaded.origin, f"{path}[{names.index(name)}]").line
                self._wrong(f"{path}[{index}].name", f"the name '{name}' is taken by the entry of line {first}")

    def _ids(self) -> list[str]:
        return [entry.id for entry in self._scenario.timeline]

    def _expectations(self) -> Iterator[tuple[str, Expectation]]:
        for index, expectation in enumerate(self._scenario.expect):
            key = type(expectation).model_fields[expectation.kind].alias or expectation.kind
            yield f"expect[{index}].{key}", expectation

    # Windows

    def windows(self) -> None:
        """Windows of expectations: anchors that do not exist, and windows in which nothing can happen."""
        for path, expectation in self._expectations():
            detail = getattr(expectation, expectation.kind)
            if not isinstance(detail, Windowed):
                continue
            for key, windows in (("during", detail.during), ("except", detail.except_)):
                for window in windows or ():
                    self._window(f"{path}.{key}", window)

    def _window(self, path: str, window: Window) -> None:
        known = [self._instant(path, instant) for instant in window if instant is not None]
        if not all(known):
            return
        anchors = self._loaded.anchors
        if window.end is None and window.begin.anchor in (START, END):
            self._wrong(path, f"'{window}' is one instant", "write [from, to], or the id of a timeline entry")
            return
        span = anchors.resolve(window)
        if span.begin >= span.end:
            begin, end = format_duration(span.begin), format_duration(span.end)
            self._wrong(path, f"the window {window} is empty: from {begin} to {end}")

    def _instant(self, path: str, instant: Instant) -> bool:
        anchors = self._loaded.anchors
        if instant.anchor not in anchors:
            if instant.anchor not in self._ids():
                known = [*self._ids(), START, END]
                self._wrong(path, f"there is no timeline entry '{instant.anchor}'", suggestion(instant.anchor, known))
            return False
        if instant.reverted and instant.anchor not in (START, END) and not anchors.is_undone(instant.anchor):
            self._wrong(path, f"'{instant.anchor}' is not undone before the run ends", f"use '{END}'")
            return False
        at = anchors.at(instant)
        if at < 0 or at > anchors.duration:
            run = format_duration(anchors.duration)
            self._wrong(path, f"'{instant}' is {format_duration(at)}, the run lasts from 0s to {run}")
            return False
        return True

    # References into the cluster

    def workloads(self) -> None:
        """Workloads that match no pod, and calls to hosts that do not exist."""
        for index, workload in enumerate(self._scenario.workloads):
            path = f"workloads[{index}]"
            pods = self._inventory.pods(workload.match, workload.namespace)
            if not pods:
                self._no_pods(f"{path}.match", workload.match, workload.namespace)
            for reference in references(index, workload):
                for pod in pods:
                    if not self._host(f"{reference.path}.to", reference.call.host, pod.namespace):
                        break

    def _no_pods(self, path: str, labels: Mapping[str, str], namespace: str | None) -> None:
        text = ", ".join(f"{key}: {value}" for key, value in labels.items())
        where = f" in namespace {namespace}" if namespace else ""
        hint = ""
        for key, value in labels.items():
            known = [pod.labels[key] for pod in self._inventory.templates if key in pod.labels]
            if value not in known:
                hint = suggestion(value, known) or (
                    f"no pod has a label '{key}'" if not known else f"'{key}' is {_listed(known)}"
                )
                break
        self._wrong(path, f"no pod has the labels {{{text}}}{where}", hint)

    def _host(self, path: str, host: str, namespace: str) -> bool:
        inventory = self._inventory
        if inventory.resolve(host, namespace) is not None or inventory.is_known_outside(host):
            return True
        elsewhere = [f"{name}.{where}" for where, name in inventory.services if name == host]
        near = f"did you mean '{elsewhere[0]}'?" if elsewhere else ""
        near = near or suggestion(host, inventory.service_names(namespace))
        outside = "a host outside the mesh needs a ServiceEntry" if "." in host else ""
        self._wrong(path, f"no Service or ServiceEntry has the host '{host}' (seen from {namespace})", near or outside)
        return False

    def traffic(self) -> None:
        """Traffic from pods or through gateways that do not exist, or to hosts that do not."""
        for index, item in enumerate(self._scenario.traffic):
            path = f"traffic[{index}]"
            self._traffic(path, item)
            if item.start >= self._scenario.duration:
                self._wrong(f"{path}.start", f"'{item.name}' begins when the run is over")

    def _traffic(self, path: str, item: Traffic) -> None:
        if item.from_ is not None:
            pods = self._inventory.pods(item.from_.match, item.from_.namespace)
            if not pods:
                self._no_pods(f"{path}.from", item.from_.match, item.from_.namespace)
            for pod in pods:
                if not self._host(f"{path}.request.host", item.request.hostname, pod.namespace):
                    break
        elif item.through is not None:
            name, namespace = item.through.name, item.through.namespace
            found = [key for key in self._inventory.services if key[1] == name and namespace in (None, key[0])]
            if not found:
                known = [service for _, service in self._inventory.services]
                hint = suggestion(name, known) or "its Service and Deployment belong to 'resources'"
                self._wrong(f"{path}.through", f"there is no Service '{name}' to enter through", hint)
            elif len(found) > 1:
                where = _listed([key[0] for key in found])
                hint = f"write {{name: {name}, namespace: {found[0][0]}}}"
                self._wrong(f"{path}.through", f"'{name}' exists in the namespaces {where}", hint)

    def timeline(self) -> None:
        """Actions on objects, controllers, nodes and places that do not exist."""
        for index, entry in enumerate(self._scenario.timeline):
            path = f"timeline[{index}]"
            if entry.scale is not None:
                self._controller(
                    f"{path}.scale", entry.scale.deployment, entry.scale.statefulset, entry.scale.namespace
                )
            if entry.restart is not None:
                restart = entry.restart
                self._controller(f"{path}.restart", restart.deployment, restart.statefulset, restart.namespace)
            if entry.kill is not None:
                self._place(f"{path}.kill", entry.kill)
            link = entry.partition or entry.delay
            for side, place in enumerate(link.between if link is not None else ()):
                self._place(f"{path}.{entry.verb}.between[{side}]", place)
        self._deletions()

    def _deletions(self) -> None:
        keys = self._loaded.keys()
        for index, entry in enumerate(self._scenario.timeline):
            for number, item in enumerate(entry.delete or ()):
                if isinstance(item, str):
                    continue
                same_kind = [key for key in keys if key.kind == item.kind and item.group in (None, key.group)]
                if any((key.namespace or "default", key.name) == (item.namespace, item.name) for key in same_kind):
                    continue
                hint = suggestion(item.name, [key.name for key in same_kind])
                if not same_kind:
                    hint = suggestion(item.kind, {key.kind for key in keys})
                name = f"{item.kind} {item.namespace}/{item.name}"
                self._wrong(f"timeline[{index}].delete[{number}]", f"there is never a {name} to delete", hint)

    def _controller(self, path: str, deployment: str | None, statefulset: str | None, namespace: str) -> None:
        kind, name = ("Deployment", deployment) if deployment else ("StatefulSet", statefulset or "")
        if name is None or self._inventory.controller(kind, namespace, name) is not None:
            return
        same = [t for t in self._inventory.templates if t.kind == kind]
        elsewhere = [t.namespace for t in same if t.name == name]
        hint = f"it is in the namespace {elsewhere[0]}" if elsewhere else suggestion(name, [t.name for t in same])
        self._wrong(f"{path}.{kind.lower()}", f"there is no {kind} {namespace}/{name}", hint)

    def _place(self, path: str, place: Place) -> None:
        inventory = self._inventory
        namespace = place.namespace or "default"
        if place.deployment is not None or place.statefulset is not None:
            self._controller(path, place.deployment, place.statefulset, namespace)
        elif place.pods is not None:
            if not inventory.pods(place.pods.match, place.namespace):
                self._no_pods(f"{path}.pods", place.pods.match, place.namespace)
        elif place.node is not None:
            # Without Node manifests the kube makes nodes of its own.
            if inventory.nodes and place.node not in inventory.nodes:
                hint = suggestion(place.node, inventory.nodes)
                self._wrong(f"{path}.node", f"there is no Node {place.node}", hint)
        elif place.zone is not None:
            if inventory.nodes and place.zone not in inventory.zones:
                hint = suggestion(place.zone, inventory.zones)
                self._wrong(f"{path}.zone", f"no Node is in the zone '{place.zone}'", hint)
        elif place.pod is None and namespace not in inventory.namespaces:
            hint = suggestion(namespace, inventory.namespaces)
            self._wrong(f"{path}.namespace", f"there is no namespace '{namespace}'", hint)

    def ends(self) -> None:
        """Expectations about applications that do not exist."""
        for path, expectation in self._expectations():
            detail = getattr(expectation, expectation.kind)
            for name in _ENDS:
                end = getattr(detail, name, None)
                if isinstance(end, End):
                    self._end(f"{path}.{name.rstrip('_')}", end)

    def _end(self, path: str, end: End) -> None:
        templates = self._inventory.templates
        apps = sorted({template.app for template in templates})
        if end.app is not None and end.app not in apps:
            self._wrong(path, f"no workload is called '{end.app}'", suggestion(end.app, apps))
            return
        if end.version is None:
            return
        versions = sorted({t.version for t in templates if end.app in (None, t.app)})
        if end.version not in versions:
            which = f"'{end.app}' has" if end.app else "there is"
            hint = suggestion(end.version, versions) or f"its versions are {_listed(versions)}"
            self._wrong(f"{path}.version", f"{which} no version '{end.version}'", hint)

    def circles(self) -> None:
        """Calls that come back to where they started: such a request would never end."""
        for circle in build_call_graph(self._inventory, self._scenario.workloads).circles():
            message = f"these calls go round in a circle and would never end: {circle}"
            self._wrong(circle.path, message, "leave one of the calls out")


def _listed(words: Iterable[str]) -> str:
    """`a`, `b` and 3 more."""
    unique = list(dict.fromkeys(words))
    shown = ", ".join(unique[:4])
    return f"{shown} and {len(unique) - 4} more" if len(unique) > 4 else shown
