"""Several tastes in one crowd: groups of annotators who rank differently, each for good reasons.

A mixture of Bradley-Terry models, as in MiCRo (Shen et al. 2025, "MiCRo: Mixture Modeling and
Context-aware Routing for Personalized Preference Learning", arXiv:2505.24846). There a comparison's
group follows from its text, by a network; here what is known of a comparison is who made it, so
that annotators belong to groups. Averaged into one ranking, two tastes make a third that nobody
has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp, softmax

from reward_synth.feedback.annotations import Comparison
from reward_synth.feedback.ranking import Data, Ranking, probabilities, rank

_SPREAD = 2.0  # standard deviation of skills within a group
_RELIABILITIES = np.array([0.03, 0.3, 1.0, 2.0])  # that an annotator may have,
_CHANCES = np.log([0.1, 0.2, 0.5, 0.2])  # and how probable each is
_STARTS = 6
_ROUNDS = 40
_FOLDS = 10
_SURE = 1.0  # standard error by which one more group must predict better


@dataclass(frozen=True, slots=True)
class Tastes:
    """Which annotators share a taste.

    Attributes:
      groups: of each annotator, from 0; the largest group is 0, then by who spoke first.
      membership: probability of each annotator's group.
      predictions: mean log-likelihood of answers that were held out, with 1, 2, ... groups, up to
        the first number that did no better and was not believed.
      comparisons: what all this is from.
    """

    groups: Mapping[str, int]
    membership: Mapping[str, tuple[float, ...]]
    predictions: tuple[float, ...]
    comparisons: tuple[Comparison, ...]

    @property
    def count(self) -> int:
        """How many tastes there are; 0 without annotators."""
        return len(set(self.groups.values()))

    def ranking_for(self, who: str, ids: Sequence[str]) -> Ranking:
        """Rank as ``who`` would: by all that annotators of the same group said.

        Of somebody unknown nothing is known: everybody's answers count.
        """
        if who not in self.groups:
            return rank(self.comparisons, ids)
        return self.ranking_of(self.groups[who], ids)

    def ranking_of(self, group: int, ids: Sequence[str]) -> Ranking:
        """Rank by what a group said."""
        return rank([one for one in self.comparisons if self.groups[one.who] == group], ids)


def find_tastes(
    comparisons: Sequence[Comparison], rng: np.random.Generator, *, most: int = 4
) -> Tastes:
    """Find how many tastes there are, and who has which.

    One more group is believed in where it predicts held-out answers better, by a standard error.
    Each annotator has a reliability as well, so that who flips coins, whose answers fit any taste
    badly, is not taken for a taste.

    Args:
      comparisons: of several annotators; some 40 answers by each tell two tastes apart.
      rng: of the folds and of where the search for groups begins.
      most: groups there can be; never more than annotators.
    """
    said = tuple(comparisons)
    if not said:
        return Tastes({}, {}, (), ())
    ids = tuple(dict.fromkeys(id for one in said for id in (one.first, one.second)))
    data, ties = Data.of(said, ids), rank(said, ids).ties
    folds = _folds(data, rng)
    count, held_out = 1, _held_out(data, ties, folds, 1, rng)
    predictions = [float(held_out.mean())]
    while count < min(most, len(data.sources)):
        more = _held_out(data, ties, folds, count + 1, rng)
        predictions.append(float(more.mean()))
        gain = more - held_out
        if not gain.sum() > _SURE * np.sqrt(len(gain)) * gain.std():
            break
        count, held_out = count + 1, more
    mixture = _best(data, ties, np.ones(len(said), bool), count, rng)
    return _named(data, mixture, tuple(predictions), said)


@dataclass(frozen=True, slots=True, eq=False)
class _Mixture:
    """K groups among s annotators.

    Attributes:
      skills: (K, n).
      shares: (K,) logarithms of the groups' sizes.
      responsibility: (s, K, 4) probability of an annotator's group and reliability.
      evidence: log-probability of the answers and the skills.
    """

    skills: np.ndarray
    shares: np.ndarray
    responsibility: np.ndarray
    evidence: float


def _folds(data: Data, rng: np.random.Generator) -> np.ndarray:
    """Return (m,) folds: each annotator's answers are spread over all of them."""
    folds = np.empty(len(data.who), int)
    for source in range(len(data.sources)):
        own = np.flatnonzero(data.who == source)
        folds[rng.permutation(own)] = (np.arange(len(own)) + source) % _FOLDS
    return folds


def _held_out(
    data: Data, ties: float, folds: np.ndarray, count: int, rng: np.random.Generator
) -> np.ndarray:
    """Return (m,) log-probabilities of answers to groups that were found without them."""
    found = np.empty(len(folds))
    for fold in range(_FOLDS):
        out = folds == fold
        if not out.any():
            continue
        mixture = _best(data, ties, ~out, count, rng)
        logs = _log_likelihoods(data, mixture.skills, ties)[out]  # (., K, 4)
        weights = mixture.responsibility[data.who[out]]
        found[out] = logsumexp(logs, axis=(1, 2), b=weights)
    return found


def _best(
    data: Data, ties: float, used: np.ndarray, count: int, rng: np.random.Generator
) -> _Mixture:
    """Return the most probable of some mixtures, found from different beginnings."""
    starts = 1 if count == 1 else _STARTS
    pull = np.zeros((len(data.sources), data.size))  # (s, n) what each has said for candidates
    np.add.at(pull, (data.who[used], data.first[used]), data.score[used])
    np.add.at(pull, (data.who[used], data.second[used]), -data.score[used])
    mixtures = []
    for _ in range(starts):
        # Annotators are cut into equal parts along a direction in which they differ much.
        along = pull @ (pull.T @ rng.standard_normal(len(pull)))
        parts = np.argsort(np.argsort(along)) * count // len(along)
        mixtures.append(_climbed(data, ties, used, np.eye(count)[parts]))
    return max(mixtures, key=lambda mixture: mixture.evidence)


def _climbed(data: Data, ties: float, used: np.ndarray, start: np.ndarray) -> _Mixture:
    """Find groups by EM from (s, K) first memberships."""
    sources, count = start.shape
    responsibility = start[:, :, None] * np.exp(_CHANCES)
    skills, shares = np.zeros((count, data.size)), np.full(count, -np.log(count))
    before = -np.inf
    for _ in range(_ROUNDS):
        skills = np.stack(
            [_step(data, ties, used, skills[k], responsibility[:, k]) for k in range(count)]
        )
        logs = np.zeros((sources, count, len(_RELIABILITIES)))
        np.add.at(logs, data.who[used], _log_likelihoods(data, skills, ties)[used])
        logs += shares[:, None] + _CHANCES
        each = np.asarray(logsumexp(logs, axis=(1, 2), keepdims=True))
        responsibility = np.exp(logs - each)
        evidence = float(each.sum()) - float((skills**2).sum()) / (2.0 * _SPREAD**2)
        sizes = responsibility.sum((0, 2)) + 1.0  # a group that loses all its members may regain
        shares = np.log(sizes / sizes.sum())
        if evidence - before < 1e-3:
            break
        before = evidence
    return _Mixture(skills, shares, responsibility, evidence)


def _step(
    data: Data, ties: float, used: np.ndarray, skills: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Take two Newton steps for a group's (n,) skills; ``weights``: (s, 4) of its members."""
    first, second, n = data.first[used], data.second[used], data.size
    share = weights[data.who[used]]  # (., 4)
    for _ in range(2):
        gaps = (skills[first] - skills[second])[:, None] * _RELIABILITIES
        win, lose, _ = probabilities(gaps, ties)
        pull = (share * (data.score[used][:, None] - (win - lose) / 2)) @ _RELIABILITIES
        curve = (share * ((win + lose) - (win - lose) ** 2) / 4) @ _RELIABILITIES**2
        gradient = np.bincount(first, pull, n) - np.bincount(second, pull, n)
        off = np.bincount(first * n + second, curve, n * n).reshape(n, n)
        off = off + off.T
        hessian = np.diag(off.sum(1) + _SPREAD**-2) - off
        step = np.linalg.solve(hessian, gradient - skills / _SPREAD**2)
        skills = skills + step * min(1.0, 2.0 * _SPREAD / max(float(np.abs(step).max()), 1e-12))
    return skills


def _log_likelihoods(data: Data, skills: np.ndarray, ties: float) -> np.ndarray:
    """Return (m, K, 4) log-probabilities of each answer, by group and reliability."""
    gaps = (skills[:, data.first] - skills[:, data.second]).T[:, :, None] * _RELIABILITIES
    win, lose, equal = probabilities(gaps, ties)
    score = data.score[:, None, None]
    chances = np.where(score > 0, win, np.where(score < 0, lose, equal))
    return np.log(np.maximum(chances, 1e-12))


def _named(
    data: Data, mixture: _Mixture, predictions: tuple[float, ...], said: tuple[Comparison, ...]
) -> Tastes:
    """Number the groups that have members, the largest first."""
    membership = mixture.responsibility.sum(2)  # (s, K)
    hard = membership.argmax(1).tolist()
    order = [group for group, _ in Counter(hard).most_common()]
    chances = membership[:, order]
    chances = softmax(np.log(np.maximum(chances, 1e-12)), axis=1)
    return Tastes(
        groups={who: order.index(g) for who, g in zip(data.sources, hard, strict=True)},
        membership={
            who: tuple(row) for who, row in zip(data.sources, chances.tolist(), strict=True)
        },
        predictions=predictions,
        comparisons=said,
    )
