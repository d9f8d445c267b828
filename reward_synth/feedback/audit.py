"""How often screens turn down what would have done well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reward_synth.feedback.scores import share_interval

_AUDITED = 0.1


@dataclass(frozen=True, slots=True)
class FalseRejects:
    """The share of turned down rewards that would have done well.

    Attributes:
      audited: turned down rewards that were trained all the same.
      wrong: those of them that did well.
      rate: wrong / audited, None if none were audited.
      low, high: Wilson's 95% interval of the rate; (0, 1) if none were audited.
    """

    audited: int
    wrong: int
    rate: float | None
    low: float
    high: float


def audited(seed: int, share: float = _AUDITED) -> bool:
    """Decide whether a reward that was turned down is trained all the same.

    Each is drawn by itself, so that it does not matter which others were turned down or
    whether the run was continued.

    Args:
      seed: of this candidate alone.
      share: of the turned down that are trained.
    """
    return bool(np.random.default_rng(seed).random() < share)


def did_well(fitness: float | None, trained: Sequence[float]) -> bool:
    """Return whether an audited reward was at least as fit as the median of its generation.

    Args:
      fitness: of the audited reward; None if its training was given up.
      trained: fitness of the generation's candidates that passed the screens; if there are
        none, whatever could be trained did well.
    """
    if fitness is None:
        return False
    return not trained or fitness >= float(np.median(trained))


def false_rejects(outcomes: Sequence[bool]) -> FalseRejects:
    """Estimate how often a rejection was wrong, given of each audited one whether it did well.

    Half of all rewards are as fit as the median: screens that know nothing have a rate of
    one half, and good ones come close to none. Wilson's (1927) interval keeps its coverage
    for the few audits of a run, also at zero, where a normal one has no width.
    """
    count, wrong = len(outcomes), sum(outcomes)
    if not count:
        return FalseRejects(0, 0, None, 0.0, 1.0)
    return FalseRejects(count, wrong, wrong / count, *share_interval(wrong, count))
