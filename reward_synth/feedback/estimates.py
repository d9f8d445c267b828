"""What one or two noisy trainings say about a reward, given what all trainings of a run say.

A candidate that was picked because its one training went well will, trained again, do worse:
the luck is not drawn twice. Estimates are therefore drawn towards the run's mean, the more the
noisier trainings are and the fewer there are (empirical Bayes; James & Stein 1961, Efron &
Morris 1975, "Data Analysis Using Stein's Estimator and its Generalizations").
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


def estimates(trainings: Mapping[Key, tuple[float, ...]]) -> dict[Key, Estimate]:
    """Return an estimate for each reward from the mean fitness of each of its trainings.

    Rewards' true means are taken to be normal around the run's mean, and trainings normal
    around them: both variances come from the run (method of moments).
    """
    if not trainings:
        return {}
    counts = {key: len(values) for key, values in trainings.items()}
    means = {key: float(np.mean(values)) for key, values in trainings.items()}
    centre = float(np.median(list(means.values())))
    noise = luck(trainings) ** 2
    spread = float(np.var(list(means.values()), ddof=1)) if len(means) > 1 else 0.0
    expected = noise * float(np.mean([1 / count for count in counts.values()]))
    between = max(spread - expected, 0.1 * spread)
    found = {}
    for key, mean in means.items():
        if noise == 0.0 or between == 0.0:
            found[key] = Estimate(mean, 0.0, mean, mean, counts[key])
            continue
        precision = counts[key] / noise + 1 / between
        posterior = (mean * counts[key] / noise + centre / between) / precision
        deviation = precision**-0.5
        reach = float(stats.norm.ppf(0.975)) * deviation
        found[key] = Estimate(
            posterior, deviation, posterior - reach, posterior + reach, counts[key]
        )
    return found
