"""Findings in order, and the words in which names are listed."""

from __future__ import annotations

from meshsim.analysis.report import Report, by_place, close, close_host, labels_text, listed, older
from meshsim.api import load_text
from meshsim.errors import Severity
from meshsim.testing.manifests import manifest

SPEC = "egress: [{hosts: ['./*']}]"
TEXT = manifest("Sidecar", "b", SPEC, 2) + manifest("Sidecar", "a", SPEC)


def test_findings_come_by_line_and_once() -> None:
    late, early = load_text(TEXT, "it.yaml").objects[::-1]
    report = Report()
    report.inform("MSH0502", late, "spec", "two")
    report.warn("MSH0501", early, "spec.egress", "one")
    report.warn("MSH0501", early, "spec.egress", "one")
    report.refuse("MSH0503", late, "metadata.name", "three")
    assert [f.message for f in report.findings] == ["one", "three", "two"]
    assert [f.severity for f in report.findings] == [Severity.WARNING, Severity.ERROR, Severity.INFO]
    assert report.findings[0].subject == "Sidecar shop/b"
    assert by_place(reversed(report.findings)) == report.findings


def test_names_are_listed() -> None:
    assert listed([]) == ""
    assert listed(["a", "a"]) == "a"
    assert listed("ab") == "a and b"
    assert listed("abc", "or") == "a, b or c"
    assert listed("abcdefg") == "a, b, c, d and 3 more"
    assert labels_text({"app": "a", "version": "v1"}.items()) == "app=a, version=v1"


def test_who_is_older() -> None:
    young, old = load_text(TEXT, "it.yaml").objects
    assert older(young, old) == "older"
    assert older(old, old) == "first by name"


def test_names_that_may_be_meant() -> None:
    assert close("reviws", ["ratings", "reviews"]) == "did you mean 'reviews'?"
    assert close("x", ["ratings"]) == ""
    hosts = ["reviews.a.svc.cluster.local", "details.b.svc.cluster.local"]
    assert close_host("reviws.a.svc.cluster.local", hosts) == "did you mean 'reviews.a.svc.cluster.local'?"
    assert close_host("details.a.svc.cluster.local", hosts) == "did you mean 'details.b.svc.cluster.local'?"
    assert close_host("nothing.a.svc.cluster.local", hosts) == ""
