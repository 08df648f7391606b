"""What an expectation is judged on: the run's requests, its anchors, and the windows that count."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from meshsim.checks.cells import Cells
from meshsim.checks.frame import Frame, Mask
from meshsim.checks.verdict import Outcome, Verdict
from meshsim.errors import Position
from meshsim.recording import Run
from meshsim.scenario import Anchors, LoadedScenario, Selection, Span, Window, Windowed
from meshsim.units import Nanos

Within = Callable[[Iterable[Span]], Mask]


@dataclass(frozen=True, slots=True)
class Context:
    """A run and its scenario."""

    run: Run
    frame: Frame
    """The requests that are looked at: all of them, or the rows of a sample."""
    loaded: LoadedScenario

    @property
    def anchors(self) -> Anchors:
        """The named instants of the scenario."""
        return self.loaded.anchors

    @property
    def sampled(self) -> bool:
        """Whether only some requests were recorded one by one."""
        return self.run.manifest.sampling < 1

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
        """Requests that began in the windows of an expectation; where only counts are known those that surely did."""
        return self.limits(detail)[0]

    def limits(self, detail: Windowed) -> tuple[Mask, Mask]:
        """Requests that surely began in the windows of an expectation, and those that may have."""
        frame = self.frame
        if not isinstance(frame, Cells):
            mask = self._windowed(detail, frame.within, frame.within)
            return mask, mask
        surely = self._windowed(detail, frame.surely_within, frame.maybe_within)
        return surely, self._windowed(detail, frame.maybe_within, frame.surely_within)

    def _windowed(self, detail: Windowed, during: Within, without: Within) -> Mask:
        mask = self.frame.all() if detail.during is None else during(self.spans(detail.during))
        if detail.except_ is not None:
            mask &= ~without(self.spans(detail.except_))
        return mask

    def selected(self, detail: Selection, of: str | None) -> Mask:
        """The requests an expectation is about."""
        return self.windowed(detail) & self.between(detail, of)

    def between(self, detail: Selection, of: str | None) -> Mask:
        """The requests of an expectation's ends and traffic, whenever they were."""
        mask = self.frame.all()
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
