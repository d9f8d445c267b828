"""How far rewards are from each other: EPIC, DARD and STARC, from their canonical forms.

What the forms are, where they come from and when not to believe them stands in
``reward.canonical``. On them all three distances are the same: with u and v the forms, centred and
of length one, half the distance from u to v, which is ``sqrt((1 - correlation) / 2)``: 0 for
rewards that want the same, 0.71 for unrelated ones, 1 for opposites. Gleave et al. define it so;
Skalse et al. leave the norm open, and the minimal form's mean is zero but for chance.

A form that does not vary wants nothing. Its distance is 0 to another such one, and 1 to any that
wants something; of the papers EPIC leaves it undefined, and STARC would make it 0.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from reward_synth.reward.canonical import Canonical

_RESAMPLES = 500
_LEVELS = (2.5, 97.5)  # per cent
_FEWEST = 3  # steps on which both rewards are numbers, to say anything


@dataclass(frozen=True, slots=True)
class Distance:
    """A distance between 0 and 1.

    Attributes:
      value: NaN if too few steps have a number for both rewards.
      low, high: 95% bootstrap interval over the steps. The steps of a trajectory resemble each
        other and the draws behind the forms are not drawn again: it is rather too narrow.
      constant: how many of the two forms do not vary; the value is a convention if any.
    """

    value: float
    low: float
    high: float
    constant: int = 0


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two rewards on the same steps.

    Attributes:
      epic, dard, starc: the distances.
      rank_correlation: Spearman's, of the rewards as they are; NaN if one does not vary.
      shaping: of either, the share of its variance that is potential shaping. Near 1 the
        distances compare a small rest; see ``reward.canonical``.
    """

    epic: Distance
    dard: Distance
    starc: Distance
    rank_correlation: float
    shaping: tuple[float, float]


def compare(a: Canonical, b: Canonical, seed: int = 0) -> Comparison:
    """Compare two rewards that were canonicalised on the same sample.

    Args:
      a: one.
      b: the other.
      seed: of the bootstrap.
    """
    return Comparison(
        epic=distance(a.epic, b.epic, seed),
        dard=distance(a.dard, b.dard, seed),
        starc=distance(a.starc, b.starc, seed),
        rank_correlation=_rank_correlation(a.values, b.values),
        shaping=(a.shaping, b.shaping),
    )


def pearson_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Return the distance of two forms, (n,), from 0 to 1; steps without a number do not count."""
    a, b = _both_known(a, b)
    if len(a) < _FEWEST:
        return float("nan")
    u, v = _unit(a), _unit(b)
    if u is None or v is None:
        return float((u is None) != (v is None))
    # Better for small distances than one minus the correlation.
    return float(min(np.linalg.norm(u - v) / 2.0, 1.0))


def angle_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Return the distance of two rewards' values, (n,), that a positive scale alone makes zero.

    As ``pearson_distance``, but not centred: where episodes end early a constant is no trifle.
    """
    a, b = _both_known(a, b)
    if len(a) < _FEWEST:
        return float("nan")
    lengths = np.linalg.norm(a), np.linalg.norm(b)
    if not all(lengths):
        return float(lengths[0] != lengths[1])
    return float(min(np.linalg.norm(a / lengths[0] - b / lengths[1]) / 2.0, 1.0))


def varies(form: np.ndarray) -> bool:
    """Return whether a form, (n,), is anything but one number wherever it is a number."""
    return _unit(form[np.isfinite(form)]) is not None


def distance_matrix(forms: Sequence[np.ndarray]) -> np.ndarray:
    """Return the distances, (N, N), of N rewards' forms of one kind."""
    matrix = np.zeros((len(forms), len(forms)))
    for i, a in enumerate(forms):
        for j, b in enumerate(forms[:i]):
            matrix[i, j] = matrix[j, i] = pearson_distance(a, b)
    return matrix


def distance(a: np.ndarray, b: np.ndarray, seed: int = 0) -> Distance:
    """Return the distance of two forms, (n,), with its bootstrap interval."""
    value = pearson_distance(a, b)
    a, b = _both_known(a, b)
    u, v = _unit(a), _unit(b)
    if u is None or v is None or len(a) < _FEWEST:
        return Distance(value, value, value, constant=(u is None) + (v is None))
    n = len(u)
    rng = np.random.default_rng(seed)
    places = rng.integers(n, size=(_RESAMPLES, n)) + n * np.arange(_RESAMPLES)[:, None]
    counts = np.bincount(places.ravel(), minlength=_RESAMPLES * n).reshape(_RESAMPLES, n)
    moments = counts.astype(np.float64) @ np.stack([u, v, u * u, v * v, u * v], axis=1) / n
    mean_u, mean_v, square_u, square_v, both = moments.T
    product = np.maximum(square_u - mean_u**2, 0.0) * np.maximum(square_v - mean_v**2, 0.0)
    together = both - mean_u * mean_v
    varies = product > 0.0  # a rare event can be in no resample
    correlations = together[varies] / np.sqrt(product[varies])
    distances = np.sqrt(np.clip((1.0 - correlations) / 2.0, 0.0, 1.0))
    if not len(distances):
        return Distance(value, value, value)
    low, high = np.percentile(distances, _LEVELS)
    return Distance(value, float(low), float(high))


def _both_known(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    known = np.isfinite(a) & np.isfinite(b)
    return a[known], b[known]


def _unit(a: np.ndarray) -> np.ndarray | None:
    """Return the form centred and of length one; None if it does not vary."""
    if len(a) == 0 or np.ptp(a) == 0.0:
        return None
    centred = (a - a.mean()) / np.ptp(a)  # so that squares do not overflow
    return centred / np.linalg.norm(centred)


def _rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    a, b = _both_known(a, b)
    if len(a) < _FEWEST or np.ptp(a) == 0.0 or np.ptp(b) == 0.0:
        return float("nan")
    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])
