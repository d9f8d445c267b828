"""Everything a run has tried, as strategies read it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from reward_synth.feedback.annotations import Annotation, Comparison, comparisons
from reward_synth.feedback.estimates import Estimate
from reward_synth.feedback.ranking import Ranking, rank
from reward_synth.feedback.tastes import find_tastes
from reward_synth.search.candidate import Candidate, best_of
from reward_synth.search.pedigree import fitness_estimates

_KNOWN_WELL = 0.25  # a deviation that is small beside the spread of the candidates
_TOP = 0.25


@dataclass(frozen=True, slots=True)
class Archive:
    """The candidates of all finished generations.

    Where the fitness is known, who may well be as fit as the fittest are ordered by preference,
    and the others by fitness. Where it is not, all are ordered by preference.

    Attributes:
      candidates: by place.
      generations: how many are finished.
      models: the proposer's, by name; a brief refers to them by their places.
      said: what holds of what people, models and teachers have said.
      remarks: what their words come down to, by candidate; under "" what is about all.
      fits: weights under which rewards agree better with what was said, by candidate.
      by_fitness: whether the fitness is known.
      rank_for: whose taste decides; None for everybody's.
      preferred: what is preferred, as far as anybody has said.
      estimates: of each scored candidate, by its id: of its fitness, or without it of how much
        it is preferred.
      leaders: the scored candidates, the best first; among equals by cautious estimates.
      bar: the estimate that the top quarter of all that were trained have, those cut included.
    """

    candidates: tuple[Candidate, ...]
    generations: int
    models: tuple[str, ...] = ()
    said: tuple[Annotation, ...] = ()
    remarks: Mapping[str, str] = field(default_factory=dict)
    fits: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    by_fitness: bool = True
    rank_for: str | None = None
    preferred: Ranking = field(init=False)
    estimates: Mapping[str, Estimate] = field(init=False)
    leaders: tuple[Candidate, ...] = field(init=False)
    bar: float = field(init=False)

    def __post_init__(self) -> None:
        preferred = self._ranking()
        by_fitness = self.by_fitness
        known = fitness_estimates(self.candidates) if by_fitness else dict(preferred.estimates)
        leaders = sorted(self.scored, key=lambda c: (-known[c.id].cautious, c.id))
        if leaders and by_fitness and self.said:
            leaders = _by_preference(leaders, known, preferred)
        trained = sum(c.score is not None or c.cut for c in self.candidates)
        means = sorted((estimate.mean for estimate in known.values()), reverse=True)
        place = min(len(means), max(1, round(_TOP * trained)))
        object.__setattr__(self, "preferred", preferred)
        object.__setattr__(self, "estimates", known)
        object.__setattr__(self, "leaders", tuple(leaders))
        object.__setattr__(self, "bar", means[place - 1] if means else math.inf)

    @property
    def compared(self) -> tuple[Comparison, ...]:
        """All that was said of pairs of scored candidates."""
        known = {c.id for c in self.scored}
        return tuple(c for c in comparisons(self.said) if {c.first, c.second} <= known)

    def _ranking(self) -> Ranking:
        ids, pairs = list(dict.fromkeys(c.id for c in self.scored)), self.compared
        if self.rank_for is None or not pairs:
            return rank(pairs, ids)
        tastes = find_tastes(pairs, np.random.default_rng(len(pairs)))
        return tastes.ranking_for(self.rank_for, ids)

    @property
    def measure(self) -> str:
        """What estimates are of, in a word."""
        return "fitness" if self.by_fitness else "preference"

    def comment(self, candidate: Candidate) -> str:
        """Return what was said in words of a candidate and of all, "" if nothing was."""
        return "\n".join(self.remarks[id] for id in ("", candidate.id) if self.remarks.get(id))

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
        """The highest fitness as measured, the earlier of equals; flattered by the choice.

        Without a fitness, the most preferred.
        """
        return self.fittest_of(self.scored)

    def fittest_of(self, candidates: Sequence[Candidate]) -> Candidate | None:
        """Return the fittest of some, in the same sense."""
        if self.by_fitness:
            return best_of(candidates)
        return next((c for c in self.leaders if c in candidates), None)

    def uncertain_leaders(self, count: int, enough: int) -> list[Candidate]:
        """Return those that may well be the best and are not known well, ``count`` at most.

        A leader is worth another training while its upper bound is above the lower bound of
        the best and it has fewer than ``enough``, and while trainings are luck to a good part:
        where they all end alike, none is.
        """
        known = self.estimates
        if not self.scored or not self.by_fitness:
            return []  # nothing but its video is known of a training, and people see one
        spread = float(np.std([known[c.id].mean for c in self.scored]))
        floor = max(known[c.id].cautious for c in self.scored)
        hopeful = sorted(self.scored, key=lambda c: (-known[c.id].mean, c.id))
        return [
            c
            for c in hopeful
            if known[c.id].trainings < enough
            and known[c.id].mean + known[c.id].deviation > floor
            and known[c.id].deviation > _KNOWN_WELL * spread
        ][:count]

    def stands_out(self, candidate: Candidate) -> bool:
        """Whether it is in the top quarter of all that were trained, the cut ones included.

        That it is better than its parent would be too rare, and too easy for a poor parent's
        children, to tell operators and lineages apart by.
        """
        return candidate.score is not None and self.estimates[candidate.id].mean >= self.bar


def _by_preference(
    leaders: Sequence[Candidate], known: Mapping[str, Estimate], preferred: Ranking
) -> list[Candidate]:
    """Put those who may well be as fit as the fittest in the order in which they are preferred."""
    floor = known[leaders[0].id].cautious
    hopeful = [c for c in leaders if known[c.id].mean + known[c.id].deviation >= floor]
    others = [c for c in leaders if c not in hopeful]
    return sorted(hopeful, key=lambda c: -preferred.estimates[c.id].cautious) + others
