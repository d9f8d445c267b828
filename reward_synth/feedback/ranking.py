"""Who is better, and how sure that is, from answers that contradict each other.

Bradley & Terry (1952) with Davidson's ties (1970). evalica and choix fit the same likelihood, the
one with ties and the other with a posterior, but neither knows how much each source is worth;
the tests hold what is alike in the three against each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import linalg, stats

from reward_synth.feedback.annotations import Comparison, Verdict
from reward_synth.feedback.estimates import Estimate

# Mean and standard deviation of the logarithms of what is learned besides skills.
_SPREAD = (np.log(2.0), 0.7)  # the standard deviation of skills
_TIES = (np.log(0.3), 1.0)  # Davidson's nu
_RELIABILITY = (0.0, 1.0)
_ROUNDS = 100
_TOLERANCE = 5e-3  # of logarithms
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(9)
WEIGHTS = WEIGHTS / WEIGHTS.sum()
_REACH = float(stats.norm.ppf(0.975))


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """What comparisons say of n candidates.

    Attributes:
      estimates: of the skill of each: by how much the log-odds of being preferred exceed those
        of the candidates' average, to a source of reliability 1. Normal posteriors.
      covariance: (n, n) of the skills, in the order of ``estimates``, given their spread. That
        the spread is uncertain stretches all skills at once and turns no order; it is part of
        the estimates' deviations alone.
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
    estimates. Reliabilities are log-normal around 1. Skills are integrated over (a normal
    distribution is fitted to their posterior), and spread, reliabilities and nu are those that
    are most probable then (EM): maximised together with the skills, they would take their errors
    for structure.

    Intervals hold the truth 91 to 98% of the time where one source gives 20 answers or more about
    8 to 30 candidates and skills are spread by 0.5 to 2, 86 to 97% where one of three sources flips
    coins; fewer where nearly every answer is certain (spread 4: 86 to 92%), or where there are many
    sources of half a dozen answers each (81 to 88%).

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
    data = Data.of(comparisons, tuple(dict.fromkeys((*ids, *others))))
    fit = _fit(data)
    n = len(ids)
    centre = np.eye(n) - 1.0 / max(n, 1)
    means = centre @ fit.skills[:n]
    covariance = centre @ _widened(data, fit)[:n, :n] @ centre
    stretch = centre @ _stretch(fit)[:n]
    deviations = np.sqrt(np.clip(np.diag(covariance) + stretch**2, 0.0, None))
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
class Data:
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
    def of(cls, comparisons: Sequence[Comparison], ids: Sequence[str]) -> Data:
        """Number candidates as in ``ids``, and sources as they first speak."""
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

    @property
    def logs(self) -> np.ndarray:
        """(s + 2,) of all but the skills."""
        return np.log([self.spread, *self.reliability, self.ties])


def _fit(data: Data) -> _Fit:
    fit = _Fit(
        skills=np.zeros(data.size),
        covariance=np.exp(2.0 * _SPREAD[0]) * np.eye(data.size),
        spread=float(np.exp(_SPREAD[0])),
        reliability=np.ones(len(data.sources)),
        ties=float(np.exp(_TIES[0])),
    )
    if not len(data.first):
        return fit
    for _ in range(_ROUNDS):
        before = fit
        fit = _sources(data, _climb(data, fit, steps=1))
        if np.abs(fit.logs - before.logs).max() < _TOLERANCE:
            break
    return _climb(data, fit, steps=50)


def _climb(data: Data, fit: _Fit, steps: int) -> _Fit:
    """Go towards the normal distribution that is nearest to the skills' posterior.

    Its mean is where the gradient is zero on average over it, and its precision is the average
    curvature (Opper & Archambeau 2009): Newton's method with both averaged.
    """
    scale = fit.reliability[data.who]
    n, first, second = data.size, data.first, data.second
    for _ in range(steps):
        average = _averages(data, fit)
        pull, weight = scale * average.pull, scale**2 * average.weight
        gradient = np.bincount(first, pull, n) - np.bincount(second, pull, n)
        off = np.bincount(first * n + second, weight, n * n).reshape(n, n)
        off = off + off.T
        covariance = linalg.inv(
            np.diag(off.sum(1) + fit.spread**-2) - off, assume_a="pos", check_finite=False
        )
        step = covariance @ (gradient - fit.skills / fit.spread**2)
        # The posterior is concave, but its curvature vanishes far out: no step leaps there.
        size = float(np.abs(step).max())
        step = step * min(1.0, 2.0 * fit.spread / max(size, 1e-12))
        fit = replace(fit, skills=fit.skills + step, covariance=covariance)
        if size < 1e-3 * fit.spread:
            break
    return fit


def _sources(data: Data, fit: _Fit) -> _Fit:
    """Take a step up for the spread, the reliabilities and nu, over the skills' posterior."""
    # As MacKay (1992) reckons a prior's variance: by the number of skills that are known.
    squares = float(fit.skills @ fit.skills) / fit.spread**2
    spread = _stepped(fit.spread, squares - _known(fit), 2.0 * squares, _SPREAD)
    average = _averages(data, fit)
    slope, curve = (np.bincount(data.who, x) for x in (average.slope, average.curve))
    # The slope is part of the curvature of a logarithm: without it, sources that flip coins are
    # leapt over, to and fro.
    reliability = _stepped(fit.reliability, slope, curve + np.abs(slope), _RELIABILITY)
    equal = average.equal
    surplus = np.count_nonzero(data.score == 0.0) - equal.sum()
    ties = _stepped(fit.ties, surplus, (equal * (1.0 - equal)).sum(), _TIES)
    # A common factor of all reliabilities is one of skills: it is theirs.
    counts = np.bincount(data.who)
    factor = float(counts @ reliability**2 / (counts @ reliability))
    return _Fit(
        skills=fit.skills * factor,
        covariance=fit.covariance * factor**2,
        spread=float(spread * factor),
        reliability=reliability / factor,
        ties=float(ties),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Averages:
    """Of each of m answers over the skills' posterior; g is reliability times the gap in skill.

    Attributes:
      pull: derivative of the log-likelihood by g.
      weight: minus the second one, Fisher's information.
      slope: derivative by the logarithm of the reliability.
      curve: its Fisher's information.
      equal: P(equal).
    """

    pull: np.ndarray
    weight: np.ndarray
    slope: np.ndarray
    curve: np.ndarray
    equal: np.ndarray


def _averages(data: Data, fit: _Fit) -> _Averages:
    """Take them by Gauss's and Hermite's quadrature: a gap between normal skills is normal."""
    first, second = data.first, data.second
    variance = np.diag(fit.covariance)
    spread = np.sqrt(variance[first] + variance[second] - 2 * fit.covariance[first, second])
    gaps = (fit.skills[first] - fit.skills[second])[:, None] + spread[:, None] * NODES
    gaps *= fit.reliability[data.who][:, None]
    win, lose, equal = probabilities(gaps, fit.ties)
    pull = data.score[:, None] - (win - lose) / 2
    weight = ((win + lose) - (win - lose) ** 2) / 4
    return _Averages(*(x @ WEIGHTS for x in (pull, weight, pull * gaps, weight * gaps**2, equal)))


def _stepped(
    value: float | np.ndarray,
    slope: float | np.ndarray,
    curve: float | np.ndarray,
    prior: tuple[float, float],
) -> np.ndarray:
    """Take a Newton step for a logarithm with a normal prior, of a factor of e at most.

    Args:
      value: where it starts.
      slope: derivative of the log-likelihood by the value's logarithm.
      curve: minus its second derivative.
      prior: mean and standard deviation of the logarithm.
    """
    mean, deviation = prior
    logs = np.log(value)
    up = slope - (logs - mean) / deviation**2
    return np.exp(logs + np.clip(up / (np.asarray(curve) + deviation**-2), -1.0, 1.0))


def _known(fit: _Fit) -> float:
    """Return how many skills answers determine: n less the prior's share in the posterior."""
    return len(fit.skills) - float(np.trace(fit.covariance)) / fit.spread**2


def _widened(data: Data, fit: _Fit) -> np.ndarray:
    """Return the skills' covariance with what the reliabilities are uncertain by.

    To first order (Kass & Steffey 1989): skills move with each logarithm by covariance times
    the derivative of their gradient by it, and it is uncertain by its curvature, except for the
    common factor, which ``_sources`` fixes.
    """
    if len(data.sources) < 2:
        return fit.covariance
    first, second, n = data.first, data.second, data.size
    average = _averages(data, fit)
    scale = fit.reliability[data.who]
    gap = scale * (fit.skills[first] - fit.skills[second])
    pull = scale * (average.pull - average.weight * gap)
    derivatives = np.stack(
        [
            np.bincount(first, own, n) - np.bincount(second, own, n)
            for own in np.where(data.who == np.arange(len(data.sources))[:, None], pull, 0.0)
        ],
        axis=1,
    )
    variance = 1.0 / (np.bincount(data.who, average.curve) + _RELIABILITY[1] ** -2)
    fixed = np.bincount(data.who) * fit.reliability * (2.0 * fit.reliability - 1.0) * variance
    logs = np.diag(variance) - np.outer(fixed, fixed) / (fixed @ (fixed / variance))
    moved = fit.covariance @ derivatives
    return fit.covariance + moved @ logs @ moved.T


def _stretch(fit: _Fit) -> np.ndarray:
    """Return (n,) by how much skills move, all at once, with one deviation of their spread."""
    deviation = (2.0 * _known(fit) + _SPREAD[1] ** -2) ** -0.5  # of the spread's logarithm
    return fit.covariance @ fit.skills * (2.0 * deviation / fit.spread**2)


def _unknown(id: str) -> int:
    raise KeyError(f"{id} is not ranked.")
