"""Who is better, and how sure that is, from answers that contradict each other.

Bradley & Terry (1952) with Davidson's ties (1970). evalica and choix fit the same likelihood, the
one with ties and the other with a posterior, but neither knows how much each source is worth;
the tests hold what is alike in the three against each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import linalg, stats

from reward_synth.feedback.annotations import Comparison, Verdict
from reward_synth.feedback.estimates import Estimate

_SPREAD = 1.5  # standard deviation of skills that is expected before anything is known,
_SPREAD_WORTH = 2.0  # and the number of candidates that this expectation counts as
_TIES = (np.log(0.3), 1.0)  # mean and standard deviation of the logarithm of Davidson's nu
_RELIABILITY = 1.0  # standard deviation of a reliability's logarithm
_ROUNDS = 200
_TOLERANCE = 1e-3
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(9)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
_REACH = float(stats.norm.ppf(0.975))


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """What comparisons say of n candidates.

    Attributes:
      estimates: of the skill of each: by how much the log-odds of being preferred exceed those
        of the candidates' average, to a source of reliability 1. Normal posteriors.
      covariance: (n, n) of the skills, in the order of ``estimates``.
      reliability: of each source that said anything: what differences in skill are multiplied by
        before it answers. 0 flips coins; 1 is the average over sources, weighted by what their
        answers tell (answers times reliability), and what a source without answers is taken for.
      ties: Davidson's nu: two of the same skill are called equal with probability nu / (2 + nu).
    """

    estimates: Mapping[str, Estimate]
    covariance: np.ndarray
    reliability: Mapping[str, float]
    ties: float

    @property
    def ids(self) -> tuple[str, ...]:
        """All candidates, in the order of the covariance's rows."""
        return tuple(self.estimates)

    @property
    def order(self) -> tuple[str, ...]:
        """All candidates, the best first; of equals, whichever comes first in ``ids``."""
        return tuple(sorted(self.estimates, key=lambda id: -self.estimates[id].mean))

    @property
    def means(self) -> np.ndarray:
        """(n,) posterior means."""
        return np.array([estimate.mean for estimate in self.estimates.values()])

    def better(self, one: str, other: str) -> float:
        """Return the probability that one is more skilled than the other; 0.5 for itself.

        Raises:
          KeyError: it is not ranked.
        """
        if one == other:
            return 0.5
        i, j = (self.ids.index(id) if id in self.estimates else _unknown(id) for id in (one, other))
        variance = self.covariance[i, i] + self.covariance[j, j] - 2 * self.covariance[i, j]
        gap = self.estimates[one].mean - self.estimates[other].mean
        return float(stats.norm.cdf(gap / np.sqrt(max(variance, 1e-12))))

    def draws(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Return (count, n) draws of all skills from the posterior."""
        values, vectors = np.linalg.eigh(self.covariance)
        # Centred skills have no spread along their sum: one eigenvalue is zero, or just below.
        root = vectors * np.sqrt(np.clip(values, 0.0, None))
        return self.means + rng.standard_normal((count, len(self.ids))) @ root.T


def rank(comparisons: Sequence[Comparison], ids: Sequence[str]) -> Ranking:
    """Estimate skills, the reliability of each source, and how often anybody calls a tie.

    The log-odds that a source of reliability r prefers i to j are r (skill of i - skill of j);
    P(equal) is nu times the geometric mean of the other two. Skills are normal around 0, with a
    standard deviation that is learned, so that whoever never won or was never shown has finite
    estimates. Reliabilities are log-normal around 1. Skills are integrated over (Laplace's
    approximation), and spread, reliabilities and nu are those that are most probable then (EM):
    maximised together with the skills, they would take their errors for structure.

    Comparisons are taken to be independent. They are not where somebody is asked the same twice.

    Args:
      comparisons: of any candidates; those with others than ``ids`` tell of sources, and connect.
      ids: whom to rank, each once.

    Raises:
      ValueError: an id appears twice.
    """
    if len(set(ids)) < len(ids):
        raise ValueError("each candidate is ranked once; an id appears twice.")
    others = dict.fromkeys(id for one in comparisons for id in (one.first, one.second))
    data = _Data.of(comparisons, tuple(dict.fromkeys((*ids, *others))))
    fit = _fit(data)
    n = len(ids)
    centre = np.eye(n) - 1.0 / max(n, 1)
    means = fit.skills[:n] - fit.skills[:n].mean() if n else fit.skills[:0]
    covariance = centre @ fit.covariance[:n, :n] @ centre
    deviations = np.sqrt(np.clip(np.diag(covariance), 0.0, None))
    counts = np.bincount(np.concatenate([data.first, data.second]), minlength=n)
    return Ranking(
        estimates={
            id: Estimate(mean, sd, mean - _REACH * sd, mean + _REACH * sd, count)
            for id, mean, sd, count in zip(
                ids, means.tolist(), deviations.tolist(), counts[:n].tolist(), strict=True
            )
        },
        covariance=covariance,
        reliability=dict(zip(data.sources, fit.reliability.tolist(), strict=True)),
        ties=fit.ties,
    )


def probabilities(gap: np.ndarray, ties: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return how probable each verdict is: on the first, on the second, and that they are equal.

    Args:
      gap: of any shape: reliability times (skill of the first - skill of the second).
      ties: Davidson's nu.
    """
    half = np.abs(gap) / 2
    # All three are divided by the larger of exp(gap / 2) and exp(-gap / 2), which overflow.
    total = 1.0 + np.exp(-2 * half) + ties * np.exp(-half)
    winner, loser = 1.0 / total, np.exp(-2 * half) / total
    ahead = gap >= 0
    return np.where(ahead, winner, loser), np.where(ahead, loser, winner), 1.0 - winner - loser


@dataclass(frozen=True, slots=True, eq=False)
class _Data:
    """m comparisons of n candidates by s sources.

    Attributes:
      first, second: (m,) places of candidates.
      who: (m,) places of sources.
      score: (m,) 1/2 for the first, -1/2 for the second, 0 for neither.
      sources: names.
      size: n.
    """

    first: np.ndarray
    second: np.ndarray
    who: np.ndarray
    score: np.ndarray
    sources: tuple[str, ...]
    size: int

    @classmethod
    def of(cls, comparisons: Sequence[Comparison], ids: Sequence[str]) -> _Data:
        places = {id: place for place, id in enumerate(ids)}
        sources = tuple(dict.fromkeys(one.who for one in comparisons))
        seats = {who: seat for seat, who in enumerate(sources)}
        scores = {Verdict.FIRST: 0.5, Verdict.SECOND: -0.5, Verdict.EQUAL: 0.0}
        return cls(
            first=np.array([places[one.first] for one in comparisons], int),
            second=np.array([places[one.second] for one in comparisons], int),
            who=np.array([seats[one.who] for one in comparisons], int),
            score=np.array([scores[one.verdict] for one in comparisons], float),
            sources=sources,
            size=len(ids),
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    """What is known after some rounds; see ``rank``.

    Attributes:
      skills: (n,).
      covariance: (n, n) of them.
      spread: standard deviation of skills.
      reliability: (s,).
      ties: nu.
    """

    skills: np.ndarray
    covariance: np.ndarray
    spread: float
    reliability: np.ndarray
    ties: float


def _fit(data: _Data) -> _Fit:
    skills, spread = np.zeros(data.size), _SPREAD
    reliability, ties = np.ones(len(data.sources)), float(np.exp(_TIES[0]))
    skills, covariance = _posterior(data, skills, spread, reliability, ties)
    if not len(data.first):
        return _Fit(skills, covariance, spread, reliability, ties)
    for _ in range(_ROUNDS):
        before = np.array([np.log(spread), *np.log(reliability), np.log(ties)])
        # MacKay's update (1992) of the prior's variance: by the number of skills that are known.
        known = data.size - np.trace(covariance) / spread**2
        squares = float(skills @ skills) + _SPREAD_WORTH * _SPREAD**2
        spread = float(np.sqrt(squares / (known + _SPREAD_WORTH)))
        reliability, ties = _sources(data, skills, covariance, reliability, ties)
        # A common factor of all reliabilities is one of skills: it is theirs.
        counts = np.bincount(data.who)
        factor = float(counts @ reliability**2 / (counts @ reliability))
        skills, spread, reliability = skills * factor, spread * factor, reliability / factor
        skills, covariance = _posterior(data, skills, spread, reliability, ties)
        after = np.array([np.log(spread), *np.log(reliability), np.log(ties)])
        if np.abs(after - before).max() < _TOLERANCE:
            break
    return _Fit(skills, covariance, spread, reliability, ties)


def _posterior(
    data: _Data, skills: np.ndarray, spread: float, reliability: np.ndarray, ties: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the most probable skills, by Newton's method from those given, and the covariance."""
    scale = reliability[data.who]
    n, first, second = data.size, data.first, data.second
    for _ in range(50):
        win, lose, _ = probabilities(scale * (skills[first] - skills[second]), ties)
        pull = scale * (data.score - (win - lose) / 2)
        weight = scale**2 * ((win + lose) - (win - lose) ** 2) / 4
        gradient = np.bincount(first, pull, n) - np.bincount(second, pull, n) - skills / spread**2
        off = np.bincount(first * n + second, weight, n * n).reshape(n, n)
        off = off + off.T
        hessian = np.diag(off.sum(1) + spread**-2) - off
        factor = linalg.cho_factor(hessian)
        step = linalg.cho_solve(factor, gradient)
        # The posterior is concave, but its curvature vanishes far out: no step leaps there.
        skills = skills + step * min(1.0, 2.0 * spread / max(float(np.abs(step).max()), 1e-12))
        if np.abs(step).max() < 1e-4 * spread:
            break
    return skills, linalg.cho_solve(factor, np.eye(n))


def _sources(
    data: _Data, skills: np.ndarray, covariance: np.ndarray, reliability: np.ndarray, ties: float
) -> tuple[np.ndarray, float]:
    """Take a scoring step for the logarithms of reliabilities and nu, over the skills' posterior.

    A gap between two skills is normal: expectations are over Gauss-Hermite's nodes.
    """
    variance = np.diag(covariance)
    first, second = data.first, data.second
    spread = np.sqrt(variance[first] + variance[second] - 2 * covariance[first, second])
    gaps = (skills[first] - skills[second])[:, None] + spread[:, None] * _NODES  # (m, nodes)
    scaled = reliability[data.who][:, None] * gaps
    win, lose, equal = probabilities(scaled, ties)
    slope = ((data.score[:, None] - (win - lose) / 2) * scaled) @ _WEIGHTS
    curve = (((win + lose) - (win - lose) ** 2) / 4 * scaled**2) @ _WEIGHTS
    logs = np.log(reliability)
    prior = _RELIABILITY**-2
    step = (np.bincount(data.who, slope) - prior * logs) / (np.bincount(data.who, curve) + prior)
    mean, deviation = _TIES
    tied = np.count_nonzero(data.score == 0.0) - float((equal @ _WEIGHTS).sum())
    bend = float(((equal * (1 - equal)) @ _WEIGHTS).sum())
    lift = (tied - (np.log(ties) - mean) / deviation**2) / (bend + deviation**-2)
    return (
        np.exp(logs + np.clip(step, -1.0, 1.0)),
        float(np.exp(np.log(ties) + np.clip(lift, -1.0, 1.0))),
    )


def _unknown(id: str) -> int:
    raise KeyError(f"{id} is not ranked.")
