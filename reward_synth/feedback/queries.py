"""What to ask next, and how much there is left to ask."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, xlogy

from reward_synth.feedback.annotations import Comparison, Verdict
from reward_synth.feedback.ranking import NODES, WEIGHTS, Ranking, probabilities

_ELITES = 4  # whose order is asked about first
_POOL = 32  # candidates that a simulated future is about: those that may yet be the best
_FUTURES = 24
_NOTICEABLE = 0.4  # log-odds: of two that are closer, the better is preferred 60% of the time
_NOISE = 1e-9  # decides between pairs of which nothing tells one from another

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class AnswersLeft:
    """How many more answers settle who is best, over futures drawn from what is known.

    Attributes:
      median, low, high: the middle of all futures, and the interval that holds 80% of them. A
        future that nothing settles counts with all its answers.
      settles: share of futures in which it is settled before there is nothing new to ask, or
        ``most`` have been answered.
    """

    median: int
    low: int
    high: int
    settles: float


def next_pair(
    ranking: Ranking,
    comparisons: Sequence[Comparison],
    who: str,
    rng: np.random.Generator,
    *,
    passed: Collection[Pair] = (),
    elites: int = _ELITES,
) -> Pair | None:
    """Return the pair of candidates that ``who`` is best asked about next.

    That is the one whose answer is expected to tell most about which of the two is better
    (mutual information of the answer and the gap between their skills; Houlsby et al. 2011),
    weighted by the geometric mean of the probabilities that either is an elite. Who is surely no
    elite is not asked about, who has hardly been seen may yet be one, and the leader is asked
    about while others may be better. A pair that has been judged differently counts for more, up
    to twice as much: others' disagreement says that it is less clear than a common ranking shows.

    The same arguments, and the same state of ``rng``, have the same answer.

    Args:
      ranking: of those that may be asked about.
      comparisons: all there are; whoever judged a pair is not asked about it again.
      who: is asked; how reliable that source is, is known from ``ranking``.
      rng: decides which of the two comes first, and between pairs that tell equally much.
      passed: pairs that ``who`` skipped, either way round; they are not asked again.
      elites: how many of the best are sought.

    Returns:
      The two, in the order in which they are to be shown; None where nothing new is left.
    """
    ids = ranking.ids
    first, second = _new_pairs(ids, comparisons, who, passed)
    if not len(first):
        return None
    belief = _Belief(
        ranking.means, ranking.covariance, ranking.reliability.get(who, 1.0), ranking.ties
    )
    gains = belief.gains(first, second, elites)
    split = _disagreement(comparisons)
    if split:
        pairs = zip(first, second, strict=True)
        gains *= [1.0 + split.get(frozenset((ids[i], ids[j])), 0.0) for i, j in pairs]
    place = int(np.argmax(gains + _NOISE * rng.random(len(gains))))
    pair = ids[first[place]], ids[second[place]]
    return pair if rng.random() < 0.5 else pair[::-1]


def settled(ranking: Ranking) -> float:
    """Return the probability, at least, that nobody is noticeably better than the leader.

    Two are taken for alike where the better one is preferred less than 60% of the time.
    """
    return _Belief(ranking.means, ranking.covariance, 1.0, ranking.ties).settled


def answers_left(
    ranking: Ranking,
    comparisons: Sequence[Comparison],
    who: str,
    rng: np.random.Generator,
    *,
    passed: Collection[Pair] = (),
    sure: float = 0.8,
    most: int = 200,
) -> AnswersLeft:
    """Estimate how many more answers by ``who`` settle who is best: see ``settled``.

    Futures are drawn: skills from the posterior, answers from the model, questions as
    ``next_pair`` chooses them. If the model holds, the estimate does; a person's taste that no
    ranking can show is not in it.

    Args:
      ranking: of those that may be asked about; no more than the 32 that may yet be best count.
      comparisons: all there are.
      who: is asked.
      rng: of the futures.
      passed: see ``next_pair``.
      sure: how probable it must be that nobody is noticeably better.
      most: answers after which a future is given up.
    """
    if settled(ranking) >= sure or len(ranking.ids) < 2:
        return AnswersLeft(0, 0, 0, 1.0)
    bounds = ranking.means + 2.0 * np.sqrt(np.diag(ranking.covariance))
    pool = np.sort(np.argsort(-bounds, kind="stable")[:_POOL])
    first, second = _new_pairs([ranking.ids[place] for place in pool], comparisons, who, passed)
    start = _Belief(
        ranking.means[pool],
        ranking.covariance[np.ix_(pool, pool)],
        ranking.reliability.get(who, 1.0),
        ranking.ties,
    )
    skills = ranking.draws(rng, _FUTURES)[:, pool]
    runs = [start.until_settled(first, second, row, rng, sure, most) for row in skills]
    counts = [count for count, _ in runs]
    low, median, high = np.quantile(counts, [0.1, 0.5, 0.9], method="higher").astype(int).tolist()
    return AnswersLeft(median, low, high, float(np.mean([done for _, done in runs])))


@dataclass(frozen=True, slots=True, eq=False)
class _Belief:
    """Normal skills, and a source of answers about them.

    Attributes:
      means: (n,).
      covariance: (n, n).
      reliability: of the source.
      ties: Davidson's nu.
    """

    means: np.ndarray
    covariance: np.ndarray
    reliability: float
    ties: float

    def gains(self, first: np.ndarray, second: np.ndarray, elites: int) -> np.ndarray:
        """Return (p,) what each pair's answer is worth, in nats; see ``next_pair``."""
        gaps = self._gaps(first, second)
        chances = np.stack(probabilities(gaps, self.ties))  # (3, p, nodes)
        told = _entropy(chances @ WEIGHTS) - _entropy(chances) @ WEIGHTS
        among = self._among(elites)
        return told * np.sqrt(among[first] * among[second])

    @property
    def settled(self) -> float:
        """At least the probability that the leader is the best; see ``settled``."""
        if len(self.means) < 2:
            return 1.0
        leader = int(np.argmax(self.means))
        variances = np.diag(self.covariance)
        apart = variances + variances[leader] - 2.0 * self.covariance[leader]
        behind = self.means[leader] - self.means + _NOTICEABLE
        better = ndtr(-behind / np.sqrt(np.maximum(apart, 1e-12)))
        better[leader] = 0.0
        return max(1.0 - float(better.sum()), 0.0)

    def told(self, first: int, second: int, score: float) -> _Belief:
        """Return what is believed after an answer: 1/2 for the first, -1/2 the second, 0 a tie.

        One Newton step from the prior of the gap, averaged over it as in ``ranking``.
        """
        gaps = self._gaps(np.array([first]), np.array([second]))[0]
        win, lose, _ = probabilities(gaps, self.ties)
        pull = self.reliability * (score - float((win - lose) @ WEIGHTS) / 2)
        curve = ((win + lose) - (win - lose) ** 2) / 4
        weight = self.reliability**2 * float(curve @ WEIGHTS)
        moved = self.covariance[:, first] - self.covariance[:, second]
        scale = 1.0 / (1.0 + weight * float(moved[first] - moved[second]))
        return _Belief(
            self.means + moved * (pull * scale),
            self.covariance - np.outer(moved, moved) * (weight * scale),
            self.reliability,
            self.ties,
        )

    def until_settled(
        self,
        first: np.ndarray,
        second: np.ndarray,
        skills: np.ndarray,
        rng: np.random.Generator,
        sure: float,
        most: int,
    ) -> tuple[int, bool]:
        """Ask about pairs, each once, in a world of these skills.

        Returns:
          How many answers were given, and whether they settled it.
        """
        belief, left = self, np.ones(len(first), bool)
        for count in range(min(most, len(first))):
            if belief.settled >= sure:
                return count, True
            gains = belief.gains(first, second, _ELITES) + _NOISE * rng.random(len(first))
            place = int(np.argmax(np.where(left, gains, -np.inf)))
            left[place] = False
            i, j = int(first[place]), int(second[place])
            win, lose, _ = probabilities(self.reliability * (skills[i] - skills[j]), self.ties)
            draw = rng.random()
            belief = belief.told(i, j, 0.5 if draw < win else -0.5 if draw < win + lose else 0.0)
        return min(most, len(first)), belief.settled >= sure

    def _gaps(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return (p, nodes) gaps between skills, times the reliability."""
        variances = np.diag(self.covariance)
        apart = variances[first] + variances[second] - 2.0 * self.covariance[first, second]
        deviations = np.sqrt(np.maximum(apart, 0.0))[:, None]
        means = (self.means[first] - self.means[second])[:, None]
        return self.reliability * (means + deviations * NODES)

    def _among(self, elites: int) -> np.ndarray:
        """Return (n,) about the probability that each is above the last elite's place."""
        if elites >= len(self.means):
            return np.ones(len(self.means))
        ordered = np.sort(self.means)[::-1]
        edge = (ordered[elites - 1] + ordered[elites]) / 2
        return ndtr((self.means - edge) / np.sqrt(np.maximum(np.diag(self.covariance), 1e-12)))


def _entropy(chances: np.ndarray) -> np.ndarray:
    """Return the entropy over the first axis, in nats; rounding may leave a chance below 0."""
    chances = np.maximum(chances, 0.0)
    return -xlogy(chances, chances).sum(0)


def _new_pairs(
    ids: Sequence[str], comparisons: Iterable[Comparison], who: str, passed: Iterable[Pair]
) -> tuple[np.ndarray, np.ndarray]:
    """Return (p,) and (p,) places of the pairs that somebody neither judged nor skipped."""
    places = {id: place for place, id in enumerate(ids)}
    new = np.triu(np.ones((len(ids), len(ids)), bool), 1)
    judged = [(one.first, one.second) for one in comparisons if one.who == who]
    for one, other in (*judged, *passed):
        if one in places and other in places:
            new[places[one], places[other]] = new[places[other], places[one]] = False
    first, second = np.nonzero(new)
    return first, second


def _disagreement(comparisons: Iterable[Comparison]) -> dict[frozenset[str], float]:
    """Return the share of verdicts on each pair that are not the most frequent one, if any."""
    verdicts: defaultdict[frozenset[str], Counter[Verdict]] = defaultdict(Counter)
    for one in comparisons:
        ahead = one.first < one.second
        verdicts[frozenset((one.first, one.second))][
            one.verdict if ahead else one.verdict.turned
        ] += 1
    shares = {
        pair: 1.0 - max(counts.values()) / counts.total() for pair, counts in verdicts.items()
    }
    return {pair: share for pair, share in shares.items() if share}
