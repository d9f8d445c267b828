"""Eureka (Ma et al. 2024), section 3 and released code."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from reward_synth.propose.operators import Operator
from reward_synth.propose.proposer import Brief
from reward_synth.search.archive import Archive
from reward_synth.search.briefing import plain_parent_of
from reward_synth.search.candidate import Candidate
from reward_synth.search.config import SearchSettings


@dataclass(frozen=True, slots=True)
class Eureka:
    """Every sample improves the same parent; scores are the maximum over training.

    The parent is the best of the last generation alone, which forgets better ones before;
    where none of it trained, all start anew.

    Attributes:
      elitist: whether the parent is the best of all generations instead.
    """

    elitist: bool
    blind: ClassVar[bool] = False

    def briefs(
        self, archive: Archive, settings: SearchSettings, rng: np.random.Generator
    ) -> tuple[Brief, ...]:
        """See ``Strategy.briefs``."""
        last = archive.scored if self.elitist else archive.scored_in(archive.generations - 1)
        parent = by_peak(last)
        if parent is None:
            brief = Brief(Operator.INITIAL, alike=True)
        else:
            brief = Brief(Operator.REVISE, (plain_parent_of(archive, parent),), alike=True)
        return (brief,) * settings.candidates

    def best(self, archive: Archive) -> Candidate | None:
        """Return the best of all generations; see ``Strategy.best``."""
        return by_peak(archive.scored)


def by_peak(candidates: Iterable[Candidate]) -> Candidate | None:
    """Return the candidate of the highest fitness in training, the earlier of equals."""

    def peak(candidate: Candidate) -> float:
        assert candidate.score is not None
        peak = candidate.score.peak
        return candidate.score.fitness if peak is None else peak

    return max(sorted(candidates, key=lambda c: c.id), key=peak, default=None)
