"""How fast an autoscaler may change the number of pods: stabilisation windows and policies.

Rules: k8s.io/kubernetes pkg/controller/podautoscaler/horizontal.go (1.33), normalizeDesiredReplicas and
normalizeDesiredReplicasWithBehaviors; defaults of pkg/apis/autoscaling/v2/defaults.go.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from meshsim.api import Fields
from meshsim.api.resources import milli_value
from meshsim.units import SECOND, Nanos

DOWN_WINDOW: Final = 300 * SECOND
"""kube-controller-manager --horizontal-pod-autoscaler-downscale-stabilization."""
TOLERANCE: Final = 0.1
"""--horizontal-pod-autoscaler-tolerance."""
_MOST: Final = (1 << 31) - 1


class Policy(NamedTuple):
    """A change that is allowed within a period."""

    percent: bool
    value: int
    period: Nanos


class Rules(NamedTuple):
    """Scaling in one direction."""

    select: str
    """``Max`` and ``Min`` take the policy that allows most or least, ``Disabled`` allows nothing."""
    window: Nanos
    """How long recommendations count: the most careful one of that time is followed."""
    policies: tuple[Policy, ...]
    tolerance: float = TOLERANCE


class Behavior(NamedTuple):
    """Scaling in both directions."""

    up: Rules
    down: Rules


_UP: Final = Rules("Max", 0, (Policy(False, 4, 15 * SECOND), Policy(True, 100, 15 * SECOND)))
_DOWN: Final = Rules("Max", DOWN_WINDOW, (Policy(True, 100, 15 * SECOND),))


def behavior_of(spec: Fields) -> Behavior | None:
    """``spec.behavior`` of an autoscaler with its defaults; `None` where it has none, which has rules of its own."""
    if "behavior" not in spec:
        return None
    given = spec.fields("behavior")
    return Behavior(_rules(given.fields("scaleUp"), _UP), _rules(given.fields("scaleDown"), _DOWN))


def _rules(given: Fields, default: Rules) -> Rules:
    policies = tuple(
        Policy(item.text("type") == "Percent", item.integer("value"), item.integer("periodSeconds") * SECOND)
        for item in given.items("policies")
    )
    return Rules(
        given.text("selectPolicy", default.select),
        given.integer("stabilizationWindowSeconds", default.window // SECOND) * SECOND,
        policies or default.policies,
        milli_value(str(given.value("tolerance"))) / 1000 if "tolerance" in given else default.tolerance,
    )


class _Noted(NamedTuple):
    time: Nanos
    value: int


@dataclass(slots=True)
class History:
    """What an autoscaler remembers."""

    recommendations: list[_Noted] = field(default_factory=list)
    ups: list[_Noted] = field(default_factory=list)
    downs: list[_Noted] = field(default_factory=list)

    def begin(self, now: Nanos, replicas: int) -> None:
        """The number of pods when it first looked counts as a recommendation."""
        if not self.recommendations:
            self.recommendations.append(_Noted(now, replicas))

    def changed(self, now: Nanos, before: int, after: int) -> None:
        """It has changed the number of pods."""
        if after > before:
            self.ups.append(_Noted(now, after - before))
        else:
            self.downs.append(_Noted(now, before - after))

    def plain(self, now: Nanos, current: int, desired: int, least: int, most: int) -> int:
        """The number of pods without a behavior: never fewer than lately recommended, at most twice as many (or 4)."""
        recent = [noted.value for noted in self.recommendations if noted.time >= now - DOWN_WINDOW]
        self._note(now, desired, DOWN_WINDOW)
        stable = max([desired, *recent])
        return max(least, min(stable, most, max(2 * current, 4)))

    def with_behavior(self, now: Nanos, current: int, desired: int, least: int, most: int, behavior: Behavior) -> int:
        """The number of pods by the windows and policies of a behavior."""
        up, down = behavior
        low = min([desired, *(noted.value for noted in self.recommendations if noted.time > now - up.window)])
        high = max([desired, *(noted.value for noted in self.recommendations if noted.time > now - down.window)])
        self._note(now, desired, max(up.window, down.window))
        stable = min(max(current, low), high)
        if stable > current:
            limit = max(self._up_limit(now, current, up), current)
            return min(stable, most, limit)
        if stable < current:
            limit = min(self._down_limit(now, current, down), current)
            return max(stable, least, limit)
        return stable

    def _note(self, now: Nanos, desired: int, longest: Nanos) -> None:
        self.recommendations = [noted for noted in self.recommendations if noted.time >= now - longest]
        self.recommendations.append(_Noted(now, desired))

    def _start(self, now: Nanos, current: int, period: Nanos) -> int:
        """How many pods there were when a period began that ends now."""
        added = sum(noted.value for noted in self.ups if noted.time > now - period)
        deleted = sum(noted.value for noted in self.downs if noted.time > now - period)
        return current - added + deleted

    def _up_limit(self, now: Nanos, current: int, rules: Rules) -> int:
        if rules.select == "Disabled":
            return current
        proposed = []
        for policy in rules.policies:
            start = self._start(now, current, policy.period)
            proposed.append(math.ceil(start * (1 + policy.value / 100)) if policy.percent else start + policy.value)
        return min([_MOST, *proposed]) if rules.select == "Min" else max([0, *proposed])

    def _down_limit(self, now: Nanos, current: int, rules: Rules) -> int:
        if rules.select == "Disabled":
            return current
        proposed = []
        for policy in rules.policies:
            start = self._start(now, current, policy.period)
            proposed.append(int(start * (1 - policy.value / 100)) if policy.percent else start - policy.value)
        return max([0, *proposed]) if rules.select == "Min" else min([_MOST, *proposed])
