"""Rules of locality and zone-aware load balancing."""

from __future__ import annotations

import pytest

from meshsim.api import Fields
from meshsim.api.rules.locality import check_locality, check_zone_aware
from meshsim.api.rules.report import Report


def _locality(setting: dict[str, object], outliers: bool = True) -> Report:
    report = Report("x", "shop")
    check_locality(Fields(setting, "localityLbSetting"), outliers, report)
    return report


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ({"distribute": [{"from": "r1/*", "to": {"r1/*": 60, "r2/*": 40}}]}, ""),
        ({"distribute": [{"from": "r1/*", "to": {"r1/*": 60, "r2/*": 30}}]}, "add up to 90"),
        ({"distribute": [{"from": "r1/*", "to": {"r1/*": 101}}]}, "from 1 to 100"),
        ({"distribute": [{"from": "", "to": {"r1": 100}}]}, "has an empty region"),
        ({"distribute": [{"from": "*/z1", "to": {"r1": 100}}]}, "at its end"),
        ({"distribute": [{"from": "r1", "to": {"r1": 50, "r1/z1": 50}}]}, "overlap"),
        ({"distribute": [{"from": "r1/z1/s1", "to": {"r1": 100}}, {"from": "r1/*", "to": {"r1": 100}}]}, ""),
        ({"failover": [{"from": "r1", "to": "r1"}]}, "another region"),
        ({"failover": [{"from": "r1/z1", "to": "r2"}]}, "between regions"),
        ({"failover": [{"from": "*", "to": "r2"}]}, "no '*'"),
        ({"failover": [{"from": "r1", "to": "r2"}], "distribute": [{"from": "r1", "to": {"r1": 100}}]}, "exclude"),
    ],
)
def test_rule(setting: dict[str, object], expected: str) -> None:
    messages = [problem.message for problem in _locality(setting).problems]
    assert any(expected in message for message in messages) if expected else messages == []


def test_failover_without_outlier_detection_is_remarked() -> None:
    setting: dict[str, object] = {"failover": [{"from": "r1", "to": "r2"}]}
    assert _locality(setting).remarks == []
    assert "outlier detection" in _locality(setting, outliers=False).remarks[0].message


def test_zone_aware_handles_regions_and_zones_itself() -> None:
    report = Report("x", "shop")
    setting = {"failoverPriority": ["topology.kubernetes.io/zone", "version"]}
    check_zone_aware(Fields(setting, "zoneAwareLbSetting"), report)
    assert [problem.path for problem in report.problems] == ["zoneAwareLbSetting.failoverPriority[0]"]
