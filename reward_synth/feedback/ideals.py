"""Tastes as places: everybody prefers what is nearest to their own ideal.

The ideal-point model (Coombs 1950) as PAL has it (Chen et al. 2024, "PAL: Pluralistic Alignment
Framework for Learning from Heterogeneous Preferences", arXiv:2406.08469): an annotator's ideal is a
mixture of a few prototypes that all share. PAL learns a map from features of what is compared; here
candidates are few and judged often, so their places themselves are learned. Where ``tastes`` puts
each annotator into one group, this also has those between two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from reward_synth.feedback.annotations import Comparison
from reward_synth.feedback.ranking import Data, probabilities, rank

_MIXTURE = 2.0  # standard deviation of the logits of mixtures, before centring
_STARTS = 6


@dataclass(frozen=True, slots=True, eq=False)
class Ideals:
    """Places of candidates and annotators in a space of tastes.

    Attributes:
      places: (d,) of each candidate.
      ideals: (d,) of each annotator: what they would like best.
      mixtures: (K,) of each annotator: shares of the prototypes in the ideal; they sum to 1.
      ties: Davidson's nu.
    """

    places: Mapping[str, np.ndarray]
    ideals: Mapping[str, np.ndarray]
    mixtures: Mapping[str, np.ndarray]
    ties: float

    @property
    def groups(self) -> dict[str, int]:
        """The prototype that each annotator is made of most."""
        return {who: int(np.argmax(mixture)) for who, mixture in self.mixtures.items()}

    def order_for(self, who: str) -> tuple[str, ...]:
        """Return all candidates, those first that are nearest to the ideal of ``who``.

        Raises:
          KeyError: of ``who`` nothing is known.
        """
        return tuple(sorted(self.places, key=lambda id: -self._liking(who, id)))

    def likelihood(self, comparison: Comparison) -> float:
        """Return how probable it was that ``who`` would say so.

        Raises:
          KeyError: of ``who``, or of a candidate, nothing is known.
        """
        one = comparison
        gap = self._liking(one.who, one.first) - self._liking(one.who, one.second)
        first, second, equal = probabilities(np.array(gap), self.ties)
        score = Data.of([one], (one.first, one.second)).score[0]
        return float(first if score > 0 else second if score < 0 else equal)

    def _liking(self, who: str, id: str) -> float:
        return -float(((self.places[id] - self.ideals[who]) ** 2).sum())


def find_ideals(
    comparisons: Sequence[Comparison],
    rng: np.random.Generator,
    *,
    prototypes: int = 2,
    dimensions: int = 2,
) -> Ideals:
    """Fit places, prototypes and mixtures: the most probable ones, all with normal priors.

    The log-odds that w prefers i to j are |x_j - u_w|^2 - |x_i - u_w|^2, with x places and u_w the
    ideal; ties as in ``ranking``. Only what lies between matters: turned or mirrored, places are
    as good, so that they are drawn from several beginnings and mean nothing by themselves.

    Args:
      comparisons: of several annotators.
      rng: of where fits begin.
      prototypes: K.
      dimensions: d.

    Raises:
      ValueError: there are no comparisons, or no prototypes or dimensions.
    """
    if not comparisons or prototypes < 1 or dimensions < 1:
        raise ValueError("ideals are found from comparisons, in a dimension or more.")
    ids = tuple(dict.fromkeys(id for one in comparisons for id in (one.first, one.second)))
    data, ties = Data.of(comparisons, ids), rank(comparisons, ids).ties
    problem = _Problem(data, ties, prototypes, dimensions)
    fits = [
        minimize(problem.loss, rng.standard_normal(problem.size), jac=True, method="L-BFGS-B")
        for _ in range(_STARTS)
    ]
    places, points, logits = problem.parts(min(fits, key=lambda fit: float(fit.fun)).x)
    mixtures = softmax(logits, axis=1)
    return Ideals(
        places=dict(zip(ids, places, strict=True)),
        ideals=dict(zip(data.sources, mixtures @ points, strict=True)),
        mixtures=dict(zip(data.sources, mixtures, strict=True)),
        ties=ties,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Problem:
    """A fit as an optimisation over n d + K d + s K numbers; see ``find_ideals``."""

    data: Data
    ties: float
    prototypes: int
    dimensions: int

    @property
    def size(self) -> int:
        columns = self.data.size + self.prototypes
        return columns * self.dimensions + len(self.data.sources) * self.prototypes

    def parts(self, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return (n, d) places, (K, d) prototypes and (s, K) logits of mixtures."""
        n, k, d = self.data.size, self.prototypes, self.dimensions
        places, points, logits = np.split(parameters, [n * d, (n + k) * d])
        return places.reshape(n, d), points.reshape(k, d), logits.reshape(-1, k)

    def loss(self, parameters: np.ndarray) -> tuple[float, np.ndarray]:
        """Return minus the log-posterior, and its gradient."""
        places, points, logits = self.parts(parameters)
        data, mixtures = self.data, softmax(logits, axis=1)
        one, other = places[data.first], places[data.second]  # (m, d)
        ideal = (mixtures @ points)[data.who]
        gap = ((other - ideal) ** 2).sum(1) - ((one - ideal) ** 2).sum(1)
        log_chances = log_softmax(
            np.stack([gap / 2, -gap / 2, np.full_like(gap, np.log(self.ties))]), axis=0
        )
        verdict = np.where(data.score > 0, 0, np.where(data.score < 0, 1, 2))
        said = log_chances[verdict, np.arange(len(gap))].sum()
        win, lose, _ = np.exp(log_chances)
        pull = (data.score - (win - lose) / 2)[:, None]

        by_place, by_ideal = np.zeros_like(places), np.zeros((len(mixtures), self.dimensions))
        np.add.at(by_place, data.first, -2 * pull * (one - ideal))
        np.add.at(by_place, data.second, 2 * pull * (other - ideal))
        np.add.at(by_ideal, data.who, 2 * pull * (one - other))
        by_mixture = by_ideal @ points.T  # (s, K)
        by_logit = mixtures * (by_mixture - (mixtures * by_mixture).sum(1, keepdims=True))
        gradient = np.concatenate(
            [
                (by_place - places).ravel(),
                (mixtures.T @ by_ideal - points).ravel(),
                (by_logit - logits / _MIXTURE**2).ravel(),
            ]
        )
        prior = (places**2).sum() + (points**2).sum() + (logits**2).sum() / _MIXTURE**2
        return float(prior / 2 - said), -gradient
