"""Which rules hold for which kind."""

from __future__ import annotations

from collections.abc import Callable

from meshsim.api.rules.check import check_rules


def _body(kind: str, **metadata: object) -> dict[str, object]:
    return {"kind": kind, "metadata": {"name": "x", **metadata}, "spec": {}}


def test_kinds_without_rules_are_fine() -> None:
    report = check_rules("batch", "Job", _body("Job"))
    assert report.problems == []
    assert report.remarks == []
    assert (report.name, report.namespace) == ("x", "default")


def test_dry_run_is_for_authorization_policies(errors: Callable[[str], list[str]]) -> None:
    annotated = _body("PeerAuthentication", annotations={"istio.io/dry-run": "true"})
    assert "has no dry run" in check_rules("security.istio.io", "PeerAuthentication", annotated).problems[0].message
    policy = _body("AuthorizationPolicy", annotations={"istio.io/dry-run": "true"})
    assert check_rules("security.istio.io", "AuthorizationPolicy", policy).problems == []


def test_internal_annotations_are_istios() -> None:
    body = _body("PeerAuthentication", annotations={"internal.istio.io/parents": "a"})
    problems = check_rules("security.istio.io", "PeerAuthentication", body).problems
    assert [problem.path for problem in problems] == ["metadata.annotations.internal.istio.io/parents"]
