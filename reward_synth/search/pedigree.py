"""What relatives of a reward say about it: estimates over the run's family tree."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reward_synth.feedback.estimates import Estimate, estimates
from reward_synth.search.candidate import Candidate

# Correlation of a changed program's true fitness with that of the program it was made from:
# about what children of good rewards keep of what sets these apart (docs/log.md).
_HERITABILITY = 0.5


def fitness_estimates(candidates: Sequence[Candidate]) -> dict[str, Estimate]:
    """Return an estimate of each scored candidate's fitness, from its trainings and its kin's."""
    trainings = {c.id: c.score.trainings for c in candidates if c.score is not None}
    return estimates(trainings, resemblance([c for c in candidates if c.id in trainings]))


def resemblance(candidates: Sequence[Candidate]) -> np.ndarray:
    """Return (n, n) correlations of true fitness, parents before their children.

    A child is like its first parent, and through it like that one's other kin, with
    ``_HERITABILITY`` to the power of the steps between. What has no parent among them is like
    nobody. A term that was taken over from a second parent is a change like any other.
    """
    places = {candidate.id: place for place, candidate in enumerate(candidates)}
    alike = np.eye(len(candidates))
    for place, candidate in enumerate(candidates):
        parent = places.get(next(iter(candidate.parents), ""), place)
        if parent < place:
            alike[place, :place] = alike[:place, place] = _HERITABILITY * alike[parent, :place]
    return alike
