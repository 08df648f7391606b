"""JUnit XML: one suite a scenario, one case an expectation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

from meshsim.checks import Outcome, Verdict
from meshsim.reporting.diagnostics import each_error
from meshsim.reporting.outcome import ScenarioOutcome
from meshsim.reporting.summary import expectation_text


def junit_xml(outcomes: Sequence[ScenarioOutcome]) -> str:
    """The document for these scenarios."""
    root = ET.Element("testsuites", name="meshsim")
    for outcome in outcomes:
        root.append(_suite(outcome))
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def write_junit(path: Path, outcomes: Sequence[ScenarioOutcome]) -> None:
    """Write the document, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(junit_xml(outcomes), encoding="utf-8")


def _suite(outcome: ScenarioOutcome) -> ET.Element:
    suite = ET.Element("testsuite", name=outcome.file, time=f"{outcome.wall_seconds:.3f}")
    for verdict in outcome.verdicts:
        suite.append(_case(outcome, verdict))
    if outcome.error is not None:
        case = ET.SubElement(suite, "testcase", classname=outcome.file, name="scenario")
        for error in each_error(outcome.error):
            ET.SubElement(case, "error", message=_clean(str(error)), type=type(error).__name__)
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(len(suite.findall("testcase/failure"))))
    suite.set("errors", str(len(suite.findall("testcase/error")) and 1))
    suite.set("skipped", str(len(suite.findall("testcase/skipped"))))
    return suite


def _case(outcome: ScenarioOutcome, verdict: Verdict) -> ET.Element:
    case = ET.Element("testcase", classname=outcome.file, name=_clean(verdict.name))
    if verdict.position is not None:
        case.set("file", verdict.position.file)
        case.set("line", str(verdict.position.line))
    if verdict.outcome is Outcome.NOT_MET:
        failure = ET.SubElement(case, "failure", message=_clean(expectation_text(verdict)), type=verdict.kind)
        failure.text = _clean("\n".join((str(verdict.position or ""), *verdict.causes)))
    elif verdict.outcome is Outcome.NOT_JUDGED:
        ET.SubElement(case, "skipped", message=_clean(verdict.observed))
    if verdict.warnings:
        ET.SubElement(case, "system-out").text = _clean("\n".join(verdict.warnings))
    return case


def _clean(text: str) -> str:
    """Without characters that XML does not allow."""
    return "".join(
        c for c in text if c in "\t\n\r" or " " <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c > "\uffff"
    )
