"""Outlier detection and health checks as fields of rows."""

from __future__ import annotations

from dataclasses import replace

from meshsim.dataplane.host_health import LIMIT, HealthCheckSpec, HealthStats, outlier_fields, probe_fields
from meshsim.dataplane.storage import FIELDS
from meshsim.testing.meshes import OUTLIER
from meshsim.units import SECOND

CHECKS = HealthCheckSpec(
    timeout=SECOND,
    interval=2 * SECOND,
    healthy_edge_interval=3 * SECOND,
    unhealthy_interval=4 * SECOND,
    unhealthy_edge_interval=5 * SECOND,
    no_traffic_interval=6 * SECOND,
    no_traffic_healthy_interval=7 * SECOND,
    healthy_threshold=2,
    unhealthy_threshold=1 << 40,
)


def test_outlier_detection_has_its_place_in_the_row_of_a_cluster() -> None:
    found = outlier_fields(replace(OUTLIER, base_ejection=9 * SECOND, max_ejection=SECOND, consecutive_5xx=1 << 40))
    assert set(found) <= set(FIELDS["cluster"])
    assert found["max_ejection"] == 9 * SECOND, "never below the base"
    assert found["limit_5xx"] == LIMIT


def test_health_checks_have_a_row() -> None:
    found = probe_fields(CHECKS)
    ranges = {"expected_at", "expected_n", "retriable_at", "retriable_n"}
    assert set(found) | ranges | set(HealthStats._fields) == set(FIELDS["probe"])
    assert (found["unhealthy_edge"], found["no_traffic_healthy"]) == (5 * SECOND, 7 * SECOND)
    assert (found["healthy_n"], found["unhealthy_n"]) == (2, LIMIT)
