"""Caps on terms: more of a term than was ever good for fitness is not paid for.

Moskovitz et al. (2023), "Confronting Reward Model Overoptimization with Constrained RLHF",
arXiv:2310.04373, find for each component of a reward a proxy point, theta_i, beyond which more of
it brings no more of what it stands for, and train under the constraints E[term_i] <= theta_i. The
Lagrangian, max_policy min_mu>=0 E[r] - sum_i mu_i (E[term_i] - theta_i), is solved by PPO for the
policy and a projected gradient step for each multiplier after each update:

    r'(s, a, s') = r(s, a, s') - sum_i mu_i term_i(s, a, s')
    mu_i <- clip(mu_i + rate * (mean term_i - theta_i) / span_i, 0, 1)

What differs:

- They learn a value function for each component and mix their advantages. Advantages are
  linear in rewards, so here the rewards are mixed, and one value function follows them.
- E[term_i] is the mean over an iteration's steps, as in metrics.jsonl, where proxy points
  come from; they constrain values, which are expected returns.
- Terms have units: a step is measured in how far the term moved in trainings, span_i.
- A multiplier ends at 1, where its term is worth nothing. So a proxy point that was put too
  low costs a term and no more; an unbounded multiplier would turn the term around, and grow
  for ever where the other terms ask for the same thing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reward_synth.reward.rewards import Reward
from reward_synth.reward.transitions import Transitions, measure

_RATE = 0.5
_FEWEST_POINTS = 12
_FEWEST_ON_A_SIDE = 4
_EVIDENCE = 10.0  # "very strong", Kass & Raftery (1995), "Bayes Factors"
_JOINTS = 50  # quantiles at which lines are tried to be broken
_STILL_RISING = 0.1  # of the slope before
_SAME = 1e-3  # how exactly two terms must be proportional to be the same


@dataclass(frozen=True, slots=True, eq=False)
class Caps:
    """How much of each of a reward's terms is paid for.

    Its state, one multiplier in [0, 1] for each term and zero at the start, is kept by whoever
    trains.

    Attributes:
      limits: (T,) the mean over steps, theta; infinite for a term without a cap.
      spans: (T,) how far each mean moved in trainings, above 0; 1 for a term without a cap.
      rate: how fast multipliers move.
    """

    limits: np.ndarray
    spans: np.ndarray
    rate: float = _RATE

    def paid(self, reward: np.ndarray, terms: np.ndarray, multipliers: np.ndarray) -> np.ndarray:
        """Return what a policy is to learn from.

        Args:
          reward: (...) as the program has it.
          terms: (..., T) its terms.
          multipliers: (T,).
        """
        return reward - terms @ multipliers.astype(terms.dtype)

    def step(self, multipliers: np.ndarray, mean: np.ndarray) -> np.ndarray:
        """Return the multipliers, (T,), after an update from steps with mean terms, (T,)."""
        violation = (mean - self.limits) / self.spans
        return np.clip(multipliers + self.rate * violation, 0.0, 1.0)

    def named(self, terms: Sequence[str], multipliers: np.ndarray) -> dict[str, float]:
        """Return the multipliers of the terms that are capped, by the terms' names."""
        of_all = zip(terms, multipliers, self.limits, strict=True)
        return {name: float(mu) for name, mu, limit in of_all if np.isfinite(limit)}

    def words(self, terms: Sequence[str]) -> str:
        """Return a sentence on what is not paid for, with the terms' names."""
        limits = ", ".join(
            f"{name} {limit:.3g}"
            for name, limit in zip(terms, self.limits, strict=True)
            if np.isfinite(limit)
        )
        return f"A term is not paid for beyond a mean per step of {limits}."


@dataclass(frozen=True, slots=True)
class ProxyPoint:
    """Where fitness stops rising with a term, or why no such place can be told.

    Attributes:
      value: of the term's mean; None if none can be told.
      span: between the smallest and the largest mean seen.
      reason: what was found, in words.
    """

    value: float | None
    span: float
    reason: str


def proxy_point(means: np.ndarray, fitness: np.ndarray) -> ProxyPoint:
    """Find where fitness stops rising with a term: the joint of a line broken once.

    Fitness is fitted by two straight lines that meet, the joint being wherever they fit best
    (segmented regression; Muggeo 2003, "Estimating regression models with unknown
    break-points"). No point is told if

    - there are fewer than 12 points, or the term does not move;
    - one line fits as well: the Bayesian information criterion does not fall by 10;
    - fitness does not rise before the joint, or goes on rising behind it by more than a tenth
      of the slope before.

    Where fitness stops rising because training has run its course, the term stops too, so
    that the points behind the joint are missing, and no point is told either.

    Args:
      means: (n,) of the term over an iteration's steps, from trainings of the same term.
      fitness: (n,) mean of the episodes that ended in it; NaN where none did.
    """
    known = np.isfinite(means) & np.isfinite(fitness)
    x, y = np.asarray(means, float)[known], np.asarray(fitness, float)[known]
    span = float(np.ptp(x)) if len(x) else 0.0
    if len(x) < _FEWEST_POINTS:
        return ProxyPoint(None, span, f"{len(x)} points are too few: {_FEWEST_POINTS} are needed.")
    if not span > 1e-6 * np.abs(x).max() or not np.ptp(y) > 0.0:
        return ProxyPoint(None, span, "the term or fitness does not move.")
    # In units of their ranges, for the arithmetic's sake.
    u, v = (x - x.min()) / span, (y - y.min()) / np.ptp(y)
    error, slope_before, slope_behind, joint = min(_broken_lines(u, v), default=(np.inf, 0, 0, 0))
    gain = len(u) * np.log((_line_error(u, v) + 1e-9) / (error + 1e-9)) - 2 * np.log(len(u))
    if not gain > _EVIDENCE:
        return ProxyPoint(None, span, "one straight line fits as well as a broken one.")
    if slope_before <= 0.0:
        return ProxyPoint(None, span, "fitness does not rise with the term to begin with.")
    if slope_behind > _STILL_RISING * slope_before:
        return ProxyPoint(None, span, "fitness still rises where the term is largest.")
    value = float(x.min() + joint * span)
    return ProxyPoint(value, span, f"fitness stops rising at {value:.3g}.")


def caps_from(
    reward: Reward,
    references: Transitions,
    trained: Sequence[tuple[Reward, Sequence[Mapping[str, Any]]]],
) -> Caps | None:
    """Return caps on the terms of a reward whose proxy points trainings so far tell.

    Rewards share a term if it has the same name and, over the references, proportional values:
    its weight may have changed, not what it measures.

    Args:
      reward: to be trained on.
      references: steps to compare terms on.
      trained: other rewards, and the lines of their ``metrics.jsonl``.

    Returns:
      None if no term has a proxy point.
    """
    _, mine = measure(reward, references)
    pooled: list[list[tuple[float, float]]] = [[] for _ in reward.terms]  # (mean, fitness)
    for other, curve in trained:
        _, theirs = measure(other, references)
        for i, name in enumerate(reward.terms):
            if name not in other.terms:
                continue
            factor = _proportion(mine[:, i], theirs[:, other.terms.index(name)])
            pooled[i] += [
                (factor * line["terms"][name], line["fitness"])
                for line in curve
                if factor > 0.0 and line["fitness"] is not None
            ]
    points = [proxy_point(*np.array(pairs, float).reshape(-1, 2).T) for pairs in pooled]
    if all(point.value is None for point in points):
        return None
    return Caps(
        limits=np.array([np.inf if p.value is None else p.value for p in points]),
        spans=np.array([1.0 if p.value is None else p.span for p in points]),
    )


def _broken_lines(u: np.ndarray, v: np.ndarray) -> list[tuple[float, float, float, float]]:
    """Return (squared error, slope before, slope behind, joint) of the best fit for each joint."""
    fits = []
    for joint in np.unique(np.quantile(u, np.linspace(0.0, 1.0, _JOINTS))):
        before, behind = np.minimum(u - joint, 0.0), np.maximum(u - joint, 0.0)
        if min(np.count_nonzero(before), np.count_nonzero(behind)) >= _FEWEST_ON_A_SIDE:
            error, (_, *slopes) = _least_squares(v, before, behind)
            fits.append((error, float(slopes[0]), float(slopes[1]), float(joint)))
    return fits


def _line_error(u: np.ndarray, v: np.ndarray) -> float:
    return _least_squares(v, u)[0]


def _least_squares(v: np.ndarray, *columns: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the squared error and the coefficients, the constant first."""
    design = np.stack([np.ones_like(v), *columns], axis=-1)
    coefficients = np.linalg.lstsq(design, v)[0]
    return float(np.square(v - design @ coefficients).sum()), coefficients


def _proportion(mine: np.ndarray, theirs: np.ndarray) -> float:
    """Return c > 0 with ``mine`` = c * ``theirs``, or 0 if there is none."""
    mine, theirs = np.asarray(mine, float), np.asarray(theirs, float)
    if not (np.isfinite(mine).all() and np.isfinite(theirs).all() and mine.any() and theirs.any()):
        return 0.0
    factor = float(mine @ theirs / (theirs @ theirs))
    same = np.abs(mine - factor * theirs).max() <= _SAME * np.abs(mine).max()
    return factor if same and factor > 0.0 else 0.0
