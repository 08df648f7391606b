"""What an expectation is judged on: the run's requests, its anchors, and the windows that count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from meshsim.checks.frame import Frame, Mask
from meshsim.checks.verdict import Outcome, Verdict
from meshsim.errors import Position
from meshsim.recording import Run
from meshsim.scenario import Anchors, Selection, Span, Window, Windowed
from meshsim.units import Nanos


@dataclass(frozen=True, slots=True)
class Context:
    """A run and the scenario's anchors."""

    run: Run
    frame: Frame
    anchors: Anchors

    @property
    def end(self) -> Nanos:
        """When the run ended, which may be earlier than the scenario says."""
        return self.run.duration

    def spans(self, windows: Sequence[Window]) -> list[Span]:
        """The parts of these windows that the run reached."""
        spans = [self.anchors.resolve(window) for window in windows]
        cut = [Span(span.begin, min(span.end, self.end)) for span in spans]
        return [span for span in cut if span.begin < span.end]

    def is_reached(self, detail: Windowed) -> bool:
        """Whether the run reached any of the windows an expectation is about."""
        return detail.during is None or bool(self.spans(detail.during))

    def windowed(self, detail: Windowed) -> Mask:
        """Requests in the windows of an expectation."""
        mask = self.frame.all() if detail.during is None else self.frame.within(self.spans(detail.during))
        if detail.except_ is not None:
            mask &= ~self.frame.within(self.spans(detail.except_))
        return mask

    def selected(self, detail: Selection, of: str | None) -> Mask:
        """The requests an expectation is about."""
        mask = self.windowed(detail)
        if of is not None:
            mask &= self.frame.of_traffic(of)
        if detail.from_ is not None:
            mask &= self.frame.from_end(detail.from_)
        if detail.to is not None:
            mask &= self.frame.to_end(detail.to)
        return mask


def not_judged(name: str, kind: str, limit: str, reason: str, position: Position) -> Verdict:
    """The verdict where the run ended before there was anything to judge."""
    return Verdict(
        name=name,
        kind=kind,
        outcome=Outcome.NOT_JUDGED,
        observed=reason,
        limit=limit,
        value=None,
        samples=0,
        position=position,
    )
