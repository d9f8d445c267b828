"""Everything a run has tried, as strategies read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from reward_synth.feedback.estimates import Estimate, estimates
from reward_synth.search.candidate import Candidate, best_of

_ENOUGH_TRAININGS = 4


@dataclass(frozen=True, slots=True)
class Archive:
    """The candidates of all finished generations.

    Attributes:
      candidates: by place.
      generations: how many are finished.
      estimates: of each scored candidate's fitness, by its id.
    """

    candidates: tuple[Candidate, ...]
    generations: int
    estimates: Mapping[str, Estimate] = field(init=False)

    def __post_init__(self) -> None:
        trainings = {c.id: c.score.trainings for c in self.candidates if c.score is not None}
        object.__setattr__(self, "estimates", estimates(trainings))

    def __getitem__(self, id: str) -> Candidate:
        """Return the candidate of that id."""
        return next(candidate for candidate in self.candidates if candidate.id == id)

    @property
    def scored(self) -> tuple[Candidate, ...]:
        """Those that were trained to the end, by place."""
        return tuple(c for c in self.candidates if c.score is not None)

    def scored_in(self, generation: int) -> tuple[Candidate, ...]:
        """Those of them in one generation."""
        return tuple(c for c in self.scored if c.generation == generation)

    @property
    def last_scored(self) -> int:
        """The last generation in which anything was trained to the end, -1 if there is none."""
        return max((c.generation for c in self.scored), default=-1)

    @property
    def fittest(self) -> Candidate | None:
        """The highest fitness as measured, the earlier of equals; flattered by the choice."""
        return best_of(self.scored)

    @property
    def leaders(self) -> list[Candidate]:
        """The scored candidates by cautious estimate, the best first."""
        return sorted(self.scored, key=lambda c: (-self.estimates[c.id].cautious, c.id))

    def uncertain_leaders(self, count: int) -> list[Candidate]:
        """Return those of highest estimate that are worth another training, ``count`` at most."""
        hopeful = sorted(self.scored, key=lambda c: (-self.estimates[c.id].mean, c.id))[:count]
        return [c for c in hopeful if self.estimates[c.id].trainings < _ENOUGH_TRAININGS]

    def children(self, candidate: Candidate) -> tuple[Candidate, ...]:
        """Those that were made by changing a candidate."""
        return tuple(c for c in self.candidates if c.parents[:1] == (candidate.id,))

    def improved(self, candidate: Candidate) -> bool:
        """Whether it is estimated above the parent that it was made from, or the median."""
        if candidate.score is None:
            return False
        mine = self.estimates[candidate.id].mean
        parents = [id for id in candidate.parents[:1] if id in self.estimates]
        if parents:
            return mine > self.estimates[parents[0]].mean
        earlier = [c for c in self.leaders if c.generation < candidate.generation]
        return not earlier or mine > self.estimates[earlier[0].id].mean
