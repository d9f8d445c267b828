"""What one or two noisy trainings say about a reward, given what all trainings of a run say.

A candidate that was picked because its one training went well will, trained again, do worse:
the luck is not drawn twice. Estimates are therefore drawn towards the run's mean, the more the
noisier trainings are and the fewer there are (empirical Bayes; James & Stein 1961, Efron &
Morris 1975, "Data Analysis Using Stein's Estimator and its Generalizations").

A reward that was changed a little is much like the one that it was made from: their trainings
tell of each other. That is what breeders predict by, from records of relatives (best linear
unbiased prediction; Henderson 1975, "Best Linear Unbiased Estimation and Prediction under a
Selection Model"). A parent that was lucky is given away by its children.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from scipy import stats

Key = TypeVar("Key", bound=Hashable)

# Share of the spread between single trainings that is put down to luck while no reward has been
# trained twice: about what re-runs of winners on the bundled tasks show.
_LUCK = 0.5


@dataclass(frozen=True, slots=True)
class Estimate:
    """The mean fitness that more trainings of a reward would have; or a skill (see ``ranking``).

    Attributes:
      mean: the posterior mean.
      deviation: its standard deviation.
      low, high: 95% interval.
      trainings: behind it; behind a skill, comparisons.
    """

    mean: float
    deviation: float
    low: float
    high: float
    trainings: int

    @property
    def cautious(self) -> float:
        """One standard deviation below the mean: what parents and winners are chosen by."""
        return self.mean - self.deviation


def luck(trainings: Mapping[Key, tuple[float, ...]]) -> float:
    """Return the standard deviation between trainings of the same reward.

    Pooled over the rewards that were trained more than once, and drawn towards the guess
    that holds while there are none, which counts as much as two of them.
    """
    means = np.array([np.mean(values) for values in trainings.values()])
    guess = _LUCK * float(np.var(means, ddof=1)) if len(means) > 1 else 0.0
    repeated = [np.array(values) for values in trainings.values() if len(values) > 1]
    squares = sum(float(((values - values.mean()) ** 2).sum()) for values in repeated)
    freedom = sum(len(values) - 1 for values in repeated)
    return math.sqrt((squares + 2 * guess) / (freedom + 2))


def estimates(
    trainings: Mapping[Key, tuple[float, ...]], resemblance: np.ndarray | None = None
) -> dict[Key, Estimate]:
    """Return an estimate for each reward from the mean fitness of each of its trainings.

    Rewards' true means m are taken to be normal around the run's mean c, and trainings normal
    around them. With n trainings of mean y each, with variances b of rewards and e of trainings,
    which come from the run (method of moments), and with the resemblance R,

        E[m] = c + b R (b R + diag(e / n))^-1 (y - c).

    Args:
      trainings: of n rewards.
      resemblance: (n, n) how much the rewards' true means go together, 1 on the diagonal; by
        default not at all.
    """
    if not trainings:
        return {}
    counts = np.array([len(values) for values in trainings.values()])
    means = np.array([np.mean(values) for values in trainings.values()])
    alike = np.eye(len(means)) if resemblance is None else resemblance
    centre = float(np.median(means))
    noise = luck(trainings) ** 2 / counts
    between = _between(means, float(noise.mean()), alike)
    if between == 0.0 or not noise.any():
        posterior, variance = means, np.zeros(len(means))
    else:
        gain = np.linalg.solve(between * alike + np.diag(noise), between * alike).T
        posterior = centre + gain @ (means - centre)
        variance = np.maximum(between * np.diag(alike - gain @ alike), 0.0)
    reach = float(stats.norm.ppf(0.975))
    found = {}
    for place, key in enumerate(trainings):
        mean, deviation = float(posterior[place]), math.sqrt(variance[place])
        low, high = mean - reach * deviation, mean + reach * deviation
        found[key] = Estimate(mean, deviation, low, high, int(counts[place]))
    return found


def _between(means: np.ndarray, noise: float, alike: np.ndarray) -> float:
    """Return the variance of unrelated rewards' true means; relatives spread less."""
    count = len(means)
    if count < 2:
        return 0.0
    spread = float(np.var(means, ddof=1))
    related = (alike.sum() - np.trace(alike)) / (count * (count - 1))
    return max(spread - noise, 0.1 * spread) / (1.0 - float(related))
