"""When a generation's race is cut: later where the order at a rung was not that of the end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import compress

from reward_synth.feedback.agreement import rung_agreement
from reward_synth.search.archive import Archive
from reward_synth.search.candidate import Candidate, finishes
from reward_synth.search.config import SearchSettings

_FEWEST_PAIRS = 8
_USEFUL = 0.5  # tau: three of four pairs in the order of the end
_LATER = 1.5
_LATEST = 0.8  # of a training; a cut after that saves next to nothing


@dataclass(frozen=True, slots=True)
class Ladder:
    """The rungs of a race; none for no race.

    Attributes:
      rungs: shares of a training after which it is cut, rising.
      keep: shares of the members that train on after each.
    """

    rungs: tuple[float, ...] = ()
    keep: tuple[float, ...] = ()

    @property
    def later(self) -> Ladder:
        """The same with each rung half as far again; one that falls on the next is left out."""
        rungs = [max(rung, min(round(_LATER * rung, 4), _LATEST)) for rung in self.rungs]
        stay = [rung not in rungs[i + 1 :] for i, rung in enumerate(rungs)]
        return Ladder(tuple(compress(rungs, stay)), tuple(compress(self.keep, stay)))


def ladder_of(archive: Archive, settings: SearchSettings) -> Ladder:
    """Return the ladder of the generation after the archive's.

    It follows from the archive alone: the generations are gone through again, and what one
    ladder has shown is forgotten with it, since it says nothing about the next.

    A ladder gives way when Kendall's tau of any of its rungs is below 0.5 with 97.5%
    confidence. In simulated runs of ten generations of 8, that changes 93% of those in which
    the true tau is 0, 15% where it is 0.5 and 1% where it is 0.7; a measured tau below 0.25
    would change 95%, 45% and 11%. A rung that comes later makes every race after it dearer.
    All rungs move together: the later ones are measured on what the first has left.

    Races are decided by fitness: where it is not known, there are none.
    """
    if not archive.by_fitness:
        return Ladder()
    ladder = Ladder(settings.rungs, settings.keep)
    seen: list[Candidate] = []
    for generation in range(archive.generations):
        seen += archive.scored_in(generation)
        if _misleads(seen):
            ladder, seen = ladder.later, []
    return ladder


def _misleads(candidates: Iterable[Candidate]) -> bool:
    # By the first trainings, those that raced: what is trained later changes no decision.
    finished = finishes(candidates, lambda score: score.trainings[0])
    agreements = rung_agreement(finished)
    return any(a.pairs >= _FEWEST_PAIRS and a.high < _USEFUL for a in agreements)
