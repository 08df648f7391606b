"""JUnit as CI systems read it."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from meshsim.errors import InputError, InputErrors, Position
from meshsim.reporting.junit import junit_xml, write_junit
from meshsim.reporting.outcome import ScenarioOutcome


def test_one_suite_a_scenario_one_case_an_expectation(outcome: ScenarioOutcome) -> None:
    root = ET.fromstring(junit_xml([outcome]))
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("3", "1", "0")
    (suite,) = root
    assert suite.get("name") == "shop.yaml"
    assert [case.get("name") for case in suite] == ["split, 90:10", "shoppers are served", "few"]
    failure = suite[1].find("failure")
    assert failure is not None
    assert ", expected >= 99.9 %" in failure.get("message", "")
    assert "worst window" in (failure.text or "")
    assert suite[1].get("line") == "30"
    assert "p999 of n" in (suite[2].findtext("system-out") or "")


def test_an_invalid_scenario_is_an_error(tmp_path: Path) -> None:
    error = InputErrors((InputError("bad \x00 thing", Position("a.yaml", 1, 1)), InputError("worse")))
    path = tmp_path / "deep" / "junit.xml"
    write_junit(path, [ScenarioOutcome(file="a.yaml", error=error)])
    root = ET.parse(path).getroot()
    assert (root.get("tests"), root.get("errors")) == ("1", "1")
    assert [found.get("message") for found in root.iter("error")] == ["a.yaml:1:1: error: bad  thing", "worse"]
