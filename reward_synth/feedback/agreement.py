"""Whether the rungs of a race tell the better rewards from the worse: Kendall's tau.

A race ranks half-trained policies to decide which train on. Its order is worth what it shares
with the order at the end. Where it shares little, the rung comes too early.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from scipy import stats


@dataclass(frozen=True, slots=True)
class Finish:
    """A candidate that stood at a rung and trained to the end.

    Attributes:
      generation: only candidates of the same one are compared, as in the race.
      rung: 0 for the first.
      standing: what the cut went by.
      final: its fitness at the end.
      wildcard: whether it was to go on however it stood.
    """

    generation: int
    rung: int
    standing: float
    final: float
    wildcard: bool = False


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far a rung's order is that of the end.

    Attributes:
      rung: 0 for the first.
      tau: 1 for the same order, 0 for no relation, -1 for the reverse; NaN without pairs.
      pairs: of candidates whose order at the end is known.
      low, high: 95% interval; [-1, 1] without pairs.
    """

    rung: int
    tau: float
    pairs: int
    low: float
    high: float


def rung_agreement(finishes: Iterable[Finish], *, wildcards: bool = False) -> tuple[Agreement, ...]:
    """Return the agreement of each rung, pairs pooled over generations.

    Those that finished are those that the race let through: where that leaves only the good
    ones, tau over them is too low for the rung as a whole. Pairs with a wildcard, which was
    let through unseen, suffer less from that, but are few.

    Ties at the end have no order to be found and are left out; ties at the rung count as half
    right (Somers' d, which is tau where nothing ties).

    Args:
      finishes: in any order.
      wildcards: whether only pairs count of which at least one is a wildcard.
    """
    fields: defaultdict[int, defaultdict[int, list[Finish]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for finish in finishes:
        if math.isfinite(finish.standing) and math.isfinite(finish.final):
            fields[finish.rung][finish.generation].append(finish)
    return tuple(
        _agreement(rung, list(fields[rung].values()), wildcards) for rung in sorted(fields)
    )


def _agreement(rung: int, generations: Sequence[Sequence[Finish]], wildcards: bool) -> Agreement:
    right = pairs = touching = 0
    for field in generations:
        degrees: Counter[int] = Counter()
        for i, j in combinations(range(len(field)), 2):
            one, other = field[i], field[j]
            if one.final == other.final or (wildcards and not (one.wildcard or other.wildcard)):
                continue
            right += _sign(one.standing - other.standing) * _sign(one.final - other.final)
            degrees.update((i, j))
            pairs += 1
        touching += sum(math.comb(degree, 2) for degree in degrees.values())
    if not pairs:
        return Agreement(rung, math.nan, 0, -1.0, 1.0)
    tau = right / pairs
    low, high = _interval(tau, pairs, touching)
    return Agreement(rung, tau, pairs, low, high)


def _interval(tau: float, pairs: int, touching: int) -> tuple[float, float]:
    """Return Wilson's interval (1927) of the share of pairs in order, on the scale of tau.

    Pairs that touch, those that share a candidate, are not independent: of unrelated orders
    their signs have a covariance of 1/9, which gives Kendall's variance (1938), n (n - 1)
    (2n + 5) / 18 for all pairs of n. So many independent pairs are counted as have the same.
    """
    independent = pairs**2 / (pairs + 2 * touching / 9)
    share, z = (1 + tau) / 2, float(stats.norm.ppf(0.975))
    centre = (share + z * z / (2 * independent)) / (1 + z * z / independent)
    reach = math.sqrt(share * (1 - share) / independent + (z / (2 * independent)) ** 2)
    reach *= z / (1 + z * z / independent)
    return max(2 * (centre - reach) - 1, -1.0), min(2 * (centre + reach) - 1, 1.0)


def _sign(value: float) -> int:
    return int(value > 0) - int(value < 0)
