"""One exit code for everything that happened."""

from __future__ import annotations

from meshsim.checks import Verdict
from meshsim.errors import InputError, LimitError
from meshsim.reporting.outcome import ScenarioOutcome, exit_code


def test_codes(outcome: ScenarioOutcome, verdicts: tuple[Verdict, ...]) -> None:
    met = ScenarioOutcome(file="a", verdicts=verdicts[:1])
    invalid = ScenarioOutcome(file="b", error=InputError("x"))
    limit = ScenarioOutcome(file="c", error=LimitError("x"))
    assert (met.exit_code, outcome.exit_code, invalid.exit_code, limit.exit_code) == (0, 1, 2, 3)
    assert exit_code([met, outcome]) == 1
    assert exit_code([met, outcome, invalid]) == 2
    assert exit_code([limit, invalid]) == 3
    assert exit_code([]) == 0
    assert (met.ok, outcome.ok, invalid.ok) == (True, False, False)
