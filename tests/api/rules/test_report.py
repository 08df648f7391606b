"""What rules collect."""

from __future__ import annotations

from meshsim.api.rules.report import Report


def test_refusals_and_remarks_are_kept_apart() -> None:
    report = Report("x", "shop", {"app": "a"})
    report.refuse("spec.a", "wrong", "do this")
    report.refuse_if(None, "spec.b")
    report.refuse_if("also wrong", "spec.b")
    report.warn("spec.c", "odd")
    assert [(p.path, p.message, p.hint) for p in report.problems] == [
        ("spec.a", "wrong", "do this"),
        ("spec.b", "also wrong", ""),
    ]
    assert [(r.path, r.message) for r in report.remarks] == [("spec.c", "odd")]
    assert report.labels == {"app": "a"}
