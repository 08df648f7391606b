"""What a command made of one scenario file: judged, or not run and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from meshsim.checks import Outcome, Verdict
from meshsim.errors import Finding, MeshsimError
from meshsim.recording import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioOutcome:
    """The result for one scenario file."""

    file: str
    verdicts: tuple[Verdict, ...] = ()
    run: Run | None = None
    """The recording; `None` where it was not run."""
    error: MeshsimError | None = None
    """Why it was not run, or not to the end."""
    wall_seconds: float = 0.0
    recorded: bool = True
    """Whether the recording stays."""
    findings: tuple[Finding, ...] = ()
    """What there is to say about its files that is no error: what is accepted and not simulated, and the like."""
    configuration: tuple[Finding, ...] = ()
    """What Pilot ignores, overrides or cannot use of its objects; the warnings are also notes of the recording."""

    @property
    def ok(self) -> bool:
        """Whether it ran and every judged expectation was met."""
        return self.error is None and all(v.outcome is not Outcome.NOT_MET for v in self.verdicts)

    @property
    def exit_code(self) -> int:
        """0 all met, 1 some not met, else the error's own code."""
        if self.error is not None:
            return self.error.exit_code
        return 0 if self.ok else 1


def exit_code(outcomes: Sequence[ScenarioOutcome]) -> int:
    """One code for several scenarios: an internal error wins over invalid input, and that over unmet expectations."""
    return max((outcome.exit_code for outcome in outcomes), default=0)
