"""Rules of locality and zone-aware load balancing.

Source: istio pkg/config/validation/agent/validation.go (ValidateLocalityLbSetting, ValidateZoneAwareLbSetting), 1.31.
"""

from __future__ import annotations

from typing import Final

from meshsim.api.fields import Fields
from meshsim.api.rules.report import Report

_REGION: Final = "topology.kubernetes.io/region"
_ZONE: Final = "topology.kubernetes.io/zone"


def check_locality(setting: Fields, outliers: bool, report: Report) -> None:
    """``distribute`` shares that add up, or ``failover`` between regions; failover needs outlier detection."""
    distribute, failover = setting.items("distribute"), setting.items("failover")
    if distribute and failover:
        report.refuse(setting.at("failover"), "'distribute' and 'failover' exclude each other")
    sources: list[str] = []
    for rule in distribute:
        _check_localities([*sources, rule.text("from")], rule.at("from"), report)
        sources.append(rule.text("from"))
        _check_shares(rule, report)
    _check_failover(failover, report)
    priorities = setting.texts("failoverPriority")
    if failover and any(label.partition("=")[0] == _REGION for label in priorities):
        report.refuse(setting.at("failoverPriority"), f"'failover' and the label '{_REGION}' exclude each other")
    if (failover or priorities) and not outliers:
        hint = "add outlierDetection to the same policy"
        report.warn(setting.path, "failover does nothing without outlier detection", hint)


def check_zone_aware(setting: Fields, report: Report) -> None:
    """Zone-aware routing: failover between regions, and labels below the zones only."""
    _check_failover(setting.items("failover"), report)
    for index, label in enumerate(setting.texts("failoverPriority")):
        if label.partition("=")[0] in (_REGION, _ZONE):
            path = f"{setting.at('failoverPriority')}[{index}]"
            report.refuse(path, f"zone-aware balancing handles '{label}' by itself", "leave it out")


def _check_shares(rule: Fields, report: Report) -> None:
    to = rule.value("to")
    shares = {str(key): value for key, value in to.items()} if isinstance(to, dict) else {}
    total = 0
    for number, (locality, share) in enumerate(shares.items()):
        path = f"{rule.at('to')}.{locality}"
        _check_localities([*list(shares)[:number], locality], path, report)
        if isinstance(share, int) and not 1 <= share <= 100:
            report.refuse(path, f"a share is from 1 to 100, this is {share}")
        total += share if isinstance(share, int) else 0
    if total != 100:
        report.refuse(rule.at("to"), f"the shares add up to {total}, not to 100")


def _check_localities(localities: list[str], path: str, report: Report) -> None:
    """The last of these localities: its form, and that no earlier one holds it.

    A zone ``*`` counts as a zone of that name (Istio's validateLocalities), so a narrower locality may come first.
    """
    locality = localities[-1]
    parts = locality.split("/")
    if not all(parts):
        report.refuse(path, f"'{locality}' has an empty region, zone or subzone")
        return
    if "*" in locality and (locality.count("*") > 1 or not locality.endswith("*")):
        report.refuse(path, f"'{locality}' may have one '*', at its end")
    for other in localities[:-1]:
        earlier = other.split("/")
        length = min(len(parts), len(earlier))
        holds = earlier[:length] == parts[:length] or (earlier[-1] == "*" and earlier[:-1] == parts[: len(earlier) - 1])
        if holds:
            report.refuse(path, f"'{locality}' and '{other}' overlap")


def _check_failover(rules: tuple[Fields, ...], report: Report) -> None:
    for rule in rules:
        source, target = rule.text("from"), rule.text("to")
        if source == target:
            report.refuse(rule.at("to"), f"failover goes to another region than '{source}'")
        for field in ("from", "to"):
            if "/" in rule.text(field):
                report.refuse(rule.at(field), "failover is between regions; zones fail over by themselves")
            if "*" in rule.text(field):
                report.refuse(rule.at(field), "a region of failover has no '*'")
