"""Fitness as an estimate: a mean with an interval, never a bare number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import stats

from reward_synth.records import Violation


@dataclass(frozen=True, slots=True)
class Score:
    """How well a reward's policies do the task.

    Attributes:
      fitness: mean over trainings of the mean over episodes.
      low, high: 95% interval of that mean, Student's t: over trainings if there are
        several; over episodes if there is one, which then says nothing about how
        another training with the same reward would end.
      success: share of episodes that ended in success.
      length: mean episode length in steps.
      trainings: mean fitness of each training, in the order of their seeds.
      episodes: episodes behind each training's mean.
      peak: the highest mean fitness of any of its first training's iterations, exploration
        included; what Eureka goes by. None if it was not noted.
      violations: how far all trainings' episodes kept to the task's limits, one for each.
    """

    fitness: float
    low: float
    high: float
    success: float
    length: float
    trainings: tuple[float, ...]
    episodes: int
    peak: float | None = None
    violations: tuple[Violation, ...] = ()

    @property
    def violated(self) -> tuple[Violation, ...]:
        """Those of limits that were exceeded in some step."""
        return tuple(v for v in self.violations if v.share > 0.0)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Score:
        """Rebuild a score from the JSON of ``dataclasses.asdict(score)``."""
        violations = tuple(Violation(**v) for v in data.get("violations", ()))
        return cls(**{**data, "trainings": tuple(data["trainings"]), "violations": violations})


def score(
    fitness: Sequence[np.ndarray],
    success: Sequence[np.ndarray],
    length: Sequence[np.ndarray],
    peak: float | None = None,
    violations: tuple[Violation, ...] = (),
) -> Score:
    """Summarise episodes; the first three have one (E,) array for each training."""
    means = np.array([values.mean() for values in fitness])
    samples = means if len(means) > 1 else fitness[0]
    low, high = interval(samples)
    return Score(
        fitness=float(means.mean()),
        low=low,
        high=high,
        success=float(np.mean(np.concatenate(success))),
        length=float(np.mean(np.concatenate(length))),
        trainings=tuple(means.tolist()),
        episodes=len(fitness[0]),
        peak=peak,
        violations=violations,
    )


def exceeded(score: Score) -> str:
    """Say which limits were exceeded, how often and by how much at the most; "" if none was."""
    return in_words(score.violated)


def in_words(violated: Sequence[Violation]) -> str:
    """Say the same of those that were exceeded."""
    return "; ".join(
        f"{v.limit} in {'under 1%' if v.share < 0.01 else f'{v.share:.0%}'} of steps, by up to "
        f"{f'{v.worst:,.0f}' if v.worst >= 1000 else f'{v.worst:.3g}'} {v.unit}"
        for v in violated
    )


def joined(one: Score, other: Score) -> Score:
    """Return the score of both's trainings together."""
    trainings = (*one.trainings, *other.trainings)
    share = len(other.trainings) / len(trainings)
    low, high = interval(np.array(trainings))
    return replace(
        one,
        fitness=float(np.mean(trainings)),
        low=low,
        high=high,
        success=(1 - share) * one.success + share * other.success,
        length=(1 - share) * one.length + share * other.length,
        trainings=trainings,
        violations=tuple(
            Violation(
                a.limit, a.unit, (1 - share) * a.share + share * b.share, max(a.worst, b.worst)
            )
            for a, b in zip(one.violations, other.violations, strict=False)
        ),
    )


def interval(samples: np.ndarray) -> tuple[float, float]:
    """Return the 95% t-interval of the mean; infinite for fewer than two samples.

    With the three to ten trainings that a laptop affords, percentile bootstraps
    are too narrow; Student's t keeps its coverage if the means are near normal.
    """
    if len(samples) < 2:
        return -math.inf, math.inf
    mean, error = float(np.mean(samples)), float(stats.sem(samples))
    if error == 0.0:
        return mean, mean
    low, high = stats.t.interval(0.95, len(samples) - 1, loc=mean, scale=error)
    return float(low), float(high)


def share_interval(count: int, of: int) -> tuple[float, float]:
    """Return Wilson's (1927) 95% interval of a share; [0, 1] of none.

    It keeps its coverage for few, also at zero, where a normal one has no width.
    """
    if not of:
        return 0.0, 1.0
    found = stats.binomtest(count, of).proportion_ci(method="wilson")
    return float(found.low), float(found.high)


def difference(one: Score, other: Score) -> tuple[float, float, float] | None:
    """Return how much more fit one reward is than another, with Welch's 95% interval.

    None if there are too few trainings to say.
    """
    if min(len(one.trainings), len(other.trainings)) < 2:
        return None
    a, b = np.array(one.trainings), np.array(other.trainings)
    if a.std() == 0 and b.std() == 0:
        return None
    low, high = stats.ttest_ind(a, b, equal_var=False).confidence_interval()
    return float(a.mean() - b.mean()), float(low), float(high)


def human_normalized(found: Score, expert: Score, sparse: Score) -> float | None:
    """(M - S) / |H - S|; Ma et al. (2024), "Eureka", section 4.1.

    None if the trainings do not tell the expert from the sparse reward: then the
    scale has no length, and the quotient would be noise over noise.
    """
    gap = difference(expert, sparse)
    if gap is None or gap[1] <= 0.0 <= gap[2]:
        return None
    return (found.fitness - sparse.fitness) / abs(expert.fitness - sparse.fitness)
