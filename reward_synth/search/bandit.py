"""Who gets the next trial: Thompson sampling on successes, discounted and cost-aware."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

Arm = TypeVar("Arm", bound=Hashable)

_PRIOR = 2.0  # trials that it is worth


@dataclass(frozen=True, slots=True)
class Record:
    """What an arm has shown.

    Attributes:
      successes, failures: trials that paid and that did not; fractions if old ones count less.
      cost: of a trial, in any unit; the same for all arms where only successes matter.
    """

    successes: float = 0.0
    failures: float = 0.0
    cost: float = 1.0

    def __add__(self, other: Record) -> Record:
        """Return both's trials, at the first one's cost."""
        return Record(self.successes + other.successes, self.failures + other.failures, self.cost)


def thompson(records: Mapping[Arm, Record], rng: np.random.Generator) -> Arm:
    """Draw an arm with the probability that it gives the most successes for its cost.

    Beta posteriors (Thompson 1933; Chapelle & Li 2011, "An Empirical Evaluation of Thompson
    Sampling"). Improvements are rare, so that under a uniform prior whatever is new would be
    tried until it has failed many times: the prior is worth two trials at the rate of all arms
    together. The draw is divided by the cost, as in budgeted Thompson sampling (Xia et al. 2015).
    """
    successes = 1.0 + sum(record.successes for record in records.values())
    failures = 1.0 + sum(record.failures for record in records.values())
    prior = _PRIOR / (successes + failures)
    drawn = {
        arm: rng.beta(prior * successes + record.successes, prior * failures + record.failures)
        / record.cost
        for arm, record in records.items()
    }
    return max(drawn, key=lambda arm: drawn[arm])
