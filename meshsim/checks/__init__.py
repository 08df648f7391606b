"""Expectations judged on a recording: verdict, numbers, interval, the line that asked."""

from meshsim.checks.intervals import Interval
from meshsim.checks.judge import judge
from meshsim.checks.propagation import Arrival, Wave, waves
from meshsim.checks.verdict import Outcome, Verdict, load_verdicts, save_verdicts

__all__ = [
    "Arrival",
    "Interval",
    "Outcome",
    "Verdict",
    "Wave",
    "judge",
    "load_verdicts",
    "save_verdicts",
    "waves",
]
