"""Durations of a kube: defaults of Kubernetes, overridden in one place or for some pods."""

from __future__ import annotations

from meshsim.kube import KubeSettings, StageOverride, Stages
from meshsim.units import MILLISECOND, SECOND


def test_defaults_of_kubernetes() -> None:
    settings = KubeSettings()
    assert settings.node_monitor_grace == 50 * SECOND
    assert settings.unreachable_toleration == 300 * SECOND
    assert settings.relist_period == SECOND
    assert settings.max_pods_per_node == 110
    own = Stages()
    # what the kubelet itself adds stays inside the start-up objective of 5 s
    assert own.sandbox + own.container_start + settings.relist_period < 5 * SECOND


def test_overrides_by_label_the_last_wins() -> None:
    slow, fast = Stages(app_start=60 * SECOND), Stages(app_start=100 * MILLISECOND)
    java, other = StageOverride(labels={"app": "java"}, stages=slow), StageOverride(labels={"fast": "yes"}, stages=fast)
    settings = KubeSettings(overrides=(java, other))
    assert settings.stages_of({"app": "java"}) is slow
    assert settings.stages_of({"app": "java", "fast": "yes"}) is fast
    assert settings.stages_of({}) is settings.stages


def test_some_stages_changed() -> None:
    changed = KubeSettings().with_stages(app_start=5 * SECOND)
    assert changed.stages.app_start == 5 * SECOND
    assert changed.stages.sandbox == Stages().sandbox
