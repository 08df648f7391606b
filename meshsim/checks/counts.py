"""Numbers of requests and of rejected configuration updates against limits."""

from __future__ import annotations

from meshsim.checks.ratios import Judged
from meshsim.checks.verdict import Outcome
from meshsim.checks.wording import count
from meshsim.scenario import Nacks, RequestCount


def limit_text(detail: RequestCount | Nacks) -> str:
    """The limits as a summary shows them."""
    parts = [f">= {count(detail.min)}"] if detail.min is not None else []
    parts += [f"<= {count(detail.max)}"] if detail.max is not None else []
    return " and ".join(parts)


def is_met(found: int, detail: RequestCount | Nacks) -> bool:
    """Whether a number is within the limits."""
    return (detail.min is None or found >= detail.min) and (detail.max is None or found <= detail.max)


def judge_count(found: int, samples: int, detail: RequestCount | Nacks) -> Judged:
    """Judge a number; it is exact, so there is no interval. `samples` is how many were looked at."""
    outcome = Outcome.MET if is_met(found, detail) else Outcome.NOT_MET
    return Judged(outcome, count(found), limit_text(detail), float(found), samples, None, ())
