"""The HorizontalPodAutoscaler controller: reads metrics, decides, changes a workload's number of replicas.

Rules: k8s.io/kubernetes pkg/controller/podautoscaler/horizontal.go (1.33), reconcileAutoscaler. Each autoscaler is
looked at every 15 s (--horizontal-pod-autoscaler-sync-period).

DEVIATION: of a pod's containers the proxy is told from all others, which are one application. Metrics of objects and
external ones, of memory, and custom metrics of other names than `meshsim.kube.pod_metrics` lists are not there: the run
says so and, as with a real autoscaler that lacks a metric, nothing is scaled down.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from meshsim.api import ApiObject, Fields, ObjectKey
from meshsim.api.resources import milli_value
from meshsim.api.selectors import matches_selector
from meshsim.kernel import Environment, below
from meshsim.kube.documents import Body, rfc3339, uid_of, with_spec
from meshsim.kube.pod_metrics import CUSTOM, RESOLUTION, PodMetrics
from meshsim.kube.pods import is_native_sidecar
from meshsim.kube.replica_calculator import Calculator, Proposal, Tolerances
from meshsim.kube.scaling_rules import TOLERANCE, History, behavior_of
from meshsim.kube.server import ApiServer, Change, Verb
from meshsim.units import SECOND, Nanos

SYNC_PERIOD: Final = 15 * SECOND
_KNOWN: Final = ", ".join(sorted(CUSTOM))
_TARGETS: Final = ("Deployment", "ReplicaSet", "StatefulSet")
_DEFAULT_UTILIZATION: Final = 80


class Rescale(NamedTuple):
    """A change of a workload's number of replicas by an autoscaler."""

    autoscaler: ObjectKey
    target: ObjectKey
    before: int
    after: int
    reason: str


@dataclass(slots=True)
class _State:
    history: History = field(default_factory=History)
    failure: str = ""
    """Why metrics could not be had the last time."""


class Autoscalers:
    """All autoscalers of a kube."""

    def __init__(
        self,
        env: Environment,
        server: ApiServer,
        metrics: PodMetrics,
        on_rescale: Callable[[Rescale], None],
    ) -> None:
        self._env = env
        self._server = server
        self._metrics = metrics
        self._on_rescale = on_rescale
        self._states: dict[ObjectKey, _State] = {}
        for item in self._all():
            self._begin(item, below(SYNC_PERIOD, server.seed, "autoscaler", uid_of(item)))
        server.watch(self._on_change, ("HorizontalPodAutoscaler",))
        env.call_at(env.instant + metrics.phase, self._look)

    def notes(self) -> tuple[str, ...]:
        """Autoscalers that could not tell the last time how many pods they want, and why."""
        return tuple(
            f"HorizontalPodAutoscaler {key.namespace}/{key.name} does not scale: {state.failure}"
            for key, state in self._states.items()
            if state.failure
        )

    def _all(self) -> list[ApiObject]:
        return list(self._server.objects.select("HorizontalPodAutoscaler", "autoscaling"))

    def _on_change(self, change: Change) -> None:
        if change.verb is not Verb.DELETE and change.object.key not in self._states:
            self._begin(change.object, SYNC_PERIOD)

    def _begin(self, item: ApiObject, after: Nanos) -> None:
        self._states[item.key] = _State()
        key = item.key
        self._env.call_at(self._env.instant + after, lambda: self._tick(key))

    def _look(self) -> None:
        """Read the pods of every workload that an autoscaler is for."""
        pods = {uid_of(pod): pod for item in self._all() for pod in self._pods_of(item)}
        self._metrics.look(list(pods.values()))
        self._env.call_at(self._env.instant + RESOLUTION, self._look)

    def _tick(self, key: ObjectKey) -> None:
        item = self._server.objects.get(key)
        if item is None:
            del self._states[key]
            return
        self._reconcile(item, self._states[key])
        self._env.call_at(self._env.instant + SYNC_PERIOD, lambda: self._tick(key))

    def _target(self, item: ApiObject) -> ApiObject | None:
        ref = item.spec.fields("scaleTargetRef")
        if ref.text("kind") not in _TARGETS:
            return None
        return self._server.get(ref.text("kind"), item.namespace, ref.text("name"), "apps")

    def _pods_of(self, item: ApiObject) -> list[ApiObject]:
        """Pods that the selector of an autoscaler's workload selects."""
        target = self._target(item)
        if target is None:
            return []
        selector = target.spec.fields("selector")
        pods = self._server.objects.select("Pod", "", item.namespace)
        return [pod for pod in pods if matches_selector(selector, pod.labels)]

    def _reconcile(self, item: ApiObject, state: _State) -> None:
        target = self._target(item)
        if target is None:
            state.failure = "its scaleTargetRef names no Deployment, ReplicaSet or StatefulSet there is"
            return
        now = self._env.instant
        current = target.spec.integer("replicas", 1)
        least, most = item.spec.integer("minReplicas", 1), item.spec.integer("maxReplicas", 1)
        state.history.begin(now, current)
        reason = ""
        values: list[tuple[str, int]] = []
        state.failure = ""
        if current == 0 and least != 0:
            desired = 0
        elif current > most:
            desired, reason = most, "more than maxReplicas"
        elif current < least:
            desired, reason = least, "fewer than minReplicas"
        else:
            found = self._proposal(item, current, values)
            if isinstance(found, str):
                state.failure = found
                return
            desired, name = found
            reason = f"{name} above target" if desired > current else "all metrics below target"
            behavior = behavior_of(item.spec)
            if behavior is None:
                desired = state.history.plain(now, current, desired, least, most)
            else:
                desired = state.history.with_behavior(now, current, desired, least, most, behavior)
        if desired != current:
            cause = f"hpa/{item.name}"
            self._server.update(with_spec(target, {"replicas": desired}), cause)
            state.history.changed(now, current, desired)
            shown = f"{reason} ({', '.join(f'{name} {value}' for name, value in values)})" if values else reason
            self._on_rescale(Rescale(item.key, target.key, current, desired, shown))
        self._report(item, current, desired, desired != current)

    def _report(self, item: ApiObject, current: int, desired: int, changed: bool) -> None:
        before = item.status
        status: Body = {"currentReplicas": current, "desiredReplicas": desired}
        last = rfc3339(self._server.wall) if changed else before.text("lastScaleTime")
        if last:
            status["lastScaleTime"] = last
        self._server.update_status(item, status, f"hpa/{item.name}")

    # --- metrics ---

    def _proposal(self, item: ApiObject, current: int, values: list[tuple[str, int]]) -> tuple[int, str] | str:
        """The largest number that any metric asks for and its name, or why none can be told.

        What is missing keeps the workload from shrinking, not from growing (computeReplicasForMetrics).
        """
        behavior = behavior_of(item.spec)
        tolerances = Tolerances(
            behavior.up.tolerance if behavior is not None else TOLERANCE,
            behavior.down.tolerance if behavior is not None else TOLERANCE,
        )
        calculator = Calculator(self._pods_of(item), current, self._server.wall, tolerances)
        metrics: Sequence[Fields] = item.spec.items("metrics") or (_BY_CPU,)
        best: tuple[int, str] | None = None
        failures: list[str] = []
        for metric in metrics:
            found = self._of_metric(calculator, metric)
            if isinstance(found, str):
                failures.append(found)
                continue
            name, proposal = found
            values.append((name, proposal.value))
            if best is None or proposal.replicas > best[0]:
                best = proposal.replicas, name
        if best is None or (failures and best[0] < current):
            return failures[0]
        return best

    def _of_metric(self, calculator: Calculator, metric: Fields) -> tuple[str, Proposal] | str:
        kind = metric.text("type")
        if kind == "Pods":
            source = metric.fields("pods")
            name = source.fields("metric").text("name")
            if name not in CUSTOM:
                return f"the metric '{name}' has no source in a simulation; those of pods that do: {_KNOWN}"
            target = milli_value(str(source.fields("target").value("averageValue")))
            proposal = calculator.by_average(self._metrics.custom(name, calculator.pods), target)
            return (name, proposal) if proposal is not None else f"no pod has a sample of '{name}' yet"
        if kind not in ("Resource", "ContainerResource"):
            return f"metrics of type {kind} have no source in a simulation, those of type Pods do: {_KNOWN}"
        source = metric.fields("resource" if kind == "Resource" else "containerResource")
        name = source.text("name")
        if name != "cpu":
            return f"use of the resource '{name}' is not simulated, that of cpu is"
        return self._of_cpu(calculator, source)

    def _of_cpu(self, calculator: Calculator, source: Fields) -> tuple[str, Proposal] | str:
        container = source.text("container")
        samples = self._metrics.cpu(calculator.pods, container)
        target = source.fields("target")
        if "averageValue" in target:
            proposal = calculator.by_average(samples, milli_value(str(target.value("averageValue"))), cpu=True)
        else:
            requests = cpu_requests(calculator.pods, container)
            lacking = [pod.name for pod in calculator.pods if pod.name not in requests]
            if lacking:
                which = f"container '{container}'" if container else "a container"
                return f"{which} of pod {lacking[0]} is not there or asks for no cpu (resources.requests.cpu)"
            wanted = target.integer("averageUtilization", _DEFAULT_UTILIZATION)
            proposal = calculator.by_utilization(samples, requests, wanted, cpu=True)
        if proposal is None:
            return "no pod has a sample of its cpu that counts: give its workload 'serve.cpu', or wait"
        return "cpu", proposal


_BY_CPU: Final = Fields({"type": "Resource", "resource": {"name": "cpu"}})
"""What an autoscaler without metrics goes by (pkg/apis/autoscaling/v2/defaults.go)."""


def cpu_requests(pods: Sequence[ApiObject], container: str = "") -> Mapping[str, int]:
    """CPU that containers of pods ask for, in thousandths: those that run beside each other, or one of them.

    Pods are left out where one asks for none (calculatePodRequests).
    """
    found: dict[str, int] = {}
    for pod in pods:
        natives = [c for c in pod.spec.items("initContainers") if is_native_sidecar(c)]
        containers = [*pod.spec.items("containers"), *natives]
        if container:
            containers = [c for c in containers if c.text("name") == container]
        asked = [_cpu_request(c.fields("resources")) for c in containers]
        if asked and all(value is not None for value in asked):
            found[pod.name] = sum(milli_value(str(value)) for value in asked)
    return found


def _cpu_request(resources: Fields) -> object:
    """What a container asks for; its limit where it says nothing else (pkg/apis/core/v1/defaults.go)."""
    asked = resources.fields("requests").value("cpu")
    return asked if asked is not None else resources.fields("limits").value("cpu")
