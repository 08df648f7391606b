"""Rules that several kinds share."""

from __future__ import annotations

import pytest

from meshsim.api import Fields
from meshsim.api.rules.common import (
    check_destination,
    check_export_to,
    check_gateway_name,
    check_labels,
    check_match,
    check_one_target,
    check_percentage,
    check_protocol,
    check_targets,
    check_weights,
)
from meshsim.api.rules.report import Report


@pytest.fixture
def report() -> Report:
    return Report("x", "shop")


def _said(report: Report) -> str:
    return "; ".join(f"{problem.path}: {problem.message}" for problem in report.problems)


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        (["."], ""),
        (["*"], ""),
        ([".", "other"], ""),
        (["~"], "for ServiceEntries only"),
        ([".", "shop"], "mean the same namespace"),
        (["*", "other"], "makes the other entries meaningless"),
        (["Bad_Ns"], "is not a namespace"),
    ],
)
def test_export_to(report: Report, entries: list[str], expected: str) -> None:
    check_export_to(Fields({"exportTo": entries}, "spec"), report)
    assert expected in _said(report)
    assert bool(report.problems) == bool(expected)


def test_export_to_nobody_is_for_service_entries(report: Report) -> None:
    check_export_to(Fields({"exportTo": ["~"]}, "spec"), report, allow_none=True)
    assert report.problems == []
    check_export_to(Fields({"exportTo": ["~", "."]}, "spec"), report, allow_none=True)
    assert "excludes other entries" in _said(report)


def test_targets(report: Report) -> None:
    reference = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "g"}
    check_targets(Fields({"targetRefs": [reference]}, "spec"), report)
    check_targets(Fields({"selector": {"matchLabels": {"a": "b"}}}, "spec"), report)
    assert report.problems == []
    assert report.remarks == []
    check_targets(Fields({"selector": {}, "targetRef": {"kind": "Pod", "name": "p"}}, "spec"), report)
    assert "exclude each other" in _said(report)
    assert "cannot be attached to a core/Pod" in _said(report)
    assert "every workload" in report.remarks[0].message


def test_one_target_counts_the_selector_of_the_kind(report: Report) -> None:
    check_one_target(Fields({"workloadSelector": {}, "targetRefs": []}, "spec"), "workloadSelector", report)
    assert "'workloadSelector' and 'targetRefs' exclude each other" in _said(report)


def test_match_texts(report: Report) -> None:
    check_match(Fields({"exact": ""}, "a"), report)
    check_match(Fields({"prefix": ""}, "a"), report, is_uri=True)
    check_match(Fields({"regex": "*"}, "a"), report, is_header=True)
    assert report.problems == []
    check_match(Fields({"prefix": ""}, "b"), report)
    check_match(Fields({"regex": "*"}, "c"), report)
    check_match(Fields({"regex": ""}, "d"), report)
    assert [problem.path for problem in report.problems] == ["b.prefix", "c.regex", "d.regex"]


def test_destinations_and_weights(report: Report) -> None:
    check_destination(Fields({"host": "*.example.com", "subset": "v1", "port": {"number": 80}}, "d"), report)
    check_weights((Fields({}, "r[0]"),), "r", report)
    assert report.problems == []
    check_destination(Fields({"host": "*", "subset": "v_1", "port": {}}, "d"), report)
    assert [problem.path for problem in report.problems] == ["d.host", "d.subset", "d.port"]
    check_weights((Fields({}, "r[0]"), Fields({}, "r[1]")), "r", report)
    assert "add up to 0" in _said(report)


def test_protocols_in_any_case(report: Report) -> None:
    for protocol in ("http", "GRPC-Web", "UDP", ""):
        check_protocol(Fields({"protocol": protocol}, "port"), report)
    assert report.problems == []
    check_protocol(Fields({"protocol": "spdy"}, "port"), report)
    assert "'spdy' is not a protocol" in _said(report)


def test_labels_and_percentages(report: Report) -> None:
    check_labels(Fields({"labels": {"app": "a", "a b": "c d"}}, "m"), "labels", report)
    assert [problem.path for problem in report.problems] == ["m.labels.a b", "m.labels.a b"]
    for value in (0, 0.0001, 100):
        check_percentage(Fields({"value": value}, "p"), report)
    assert len(report.problems) == 2
    check_percentage(Fields({"value": 0.00001}, "p"), report)
    assert len(report.problems) == 3


def test_gateway_names(report: Report) -> None:
    for name in ("mesh", "edge", "shop/edge"):
        check_gateway_name(name, "g", report)
    assert report.problems == []
    assert report.remarks == []
    check_gateway_name("edge.shop.svc.cluster.local", "g", report)
    assert "the form with dots is old" in report.remarks[0].message
    for name in ("shop/", "/edge", "a/b/c", "Bad_Ns/edge"):
        check_gateway_name(name, "g", report)
    assert len(report.problems) >= 4
