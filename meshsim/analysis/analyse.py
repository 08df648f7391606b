"""All checks of a mesh's objects, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from meshsim.analysis.cluster import Cluster
from meshsim.analysis.conflicts import check_conflicts
from meshsim.analysis.destination_rules import check_destination_rules
from meshsim.analysis.destinations import check_destinations
from meshsim.analysis.envoy_filters import check_envoy_filters
from meshsim.analysis.gateway_api import check_gateway_api
from meshsim.analysis.gateways import check_gateways
from meshsim.analysis.hosts import check_hosts
from meshsim.analysis.injection import check_injection
from meshsim.analysis.policies import check_policies
from meshsim.analysis.report import Report
from meshsim.analysis.routes import check_routes
from meshsim.analysis.services import check_services
from meshsim.analysis.sidecars import check_sidecars
from meshsim.analysis.telemetry import check_telemetry
from meshsim.analysis.virtual_services import check_virtual_services
from meshsim.errors import Finding

_CHECKS: Final[tuple[Callable[[Cluster, Report], None], ...]] = (
    check_virtual_services,
    check_destinations,
    check_routes,
    check_destination_rules,
    check_gateways,
    check_gateway_api,
    check_hosts,
    check_services,
    check_injection,
    check_sidecars,
    check_policies,
    check_telemetry,
    check_envoy_filters,
    check_conflicts,
)


def analyse(cluster: Cluster) -> tuple[Finding, ...]:
    """What Pilot ignores, overrides or cannot use of the objects, by file and line.

    DEVIATION: of `istioctl analyze` the checks of live pods, ambient mode, annotations and several clusters are not
    there.
    """
    report = Report()
    for check in _CHECKS:
        check(cluster, report)
    return report.findings
