"""Who gets the next trial: Thompson sampling on successes, discounted and cost-aware."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

Arm = TypeVar("Arm", bound=Hashable)


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


def thompson(records: Mapping[Arm, Record], rng: np.random.Generator) -> Arm:
    """Draw an arm with the probability that it gives the most successes for its cost.

    Beta posteriors under a uniform prior (Thompson 1933; Chapelle & Li 2011, "An Empirical
    Evaluation of Thompson Sampling"); the draw is divided by the cost, as in budgeted
    Thompson sampling (Xia et al. 2015).
    """
    drawn = {
        arm: rng.beta(1.0 + record.successes, 1.0 + record.failures) / record.cost
        for arm, record in records.items()
    }
    return max(drawn, key=lambda arm: drawn[arm])
