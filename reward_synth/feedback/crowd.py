"""Whether annotators agree: with one another, models with people, each with themselves."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np

from reward_synth.feedback.annotations import Annotation, Comparison, Verdict, comparisons
from reward_synth.feedback.scores import share_interval

_RESAMPLES = 1000
_FEWEST = 2  # pairs that several judged, below which there is no interval

# pair, in alphabetical order -> annotator -> verdicts on it, in their order
Verdicts = dict[tuple[str, str], dict[str, list[Verdict]]]


@dataclass(frozen=True, slots=True)
class Concord:
    """How far annotators judge the same pairs alike.

    Attributes:
      alike: share of pairs of annotators, over all pairs of candidates that both judged, whose
        verdicts are the same. NaN where there are none.
      alpha: Krippendorff's: 1 for perfect agreement, 0 for what chance gives, below for less.
        NaN where nothing can be said.
      low, high: 95% interval of alpha, by resampling pairs of candidates; [-1, 1] with too few.
      pairs: of candidates that two or more judged.
    """

    alike: float
    alpha: float
    low: float
    high: float
    pairs: int


@dataclass(frozen=True, slots=True)
class Accord:
    """How often a model judges as people do.

    Attributes:
      model: its name.
      alike: pairs of candidates of which it says what most people say.
      pairs: that it and people judged.
    """

    model: str
    alike: int
    pairs: int

    @property
    def share(self) -> float:
        """Of pairs that are judged alike."""
        return self.alike / self.pairs

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95% interval of the share."""
        return share_interval(self.alike, self.pairs)


@dataclass(frozen=True, slots=True)
class Consistency:
    """How far somebody says the same of the same pair.

    Attributes:
      repeats: answers about a pair that the same annotator had judged before.
      contradictions: those that differ from the answer before; a tie against a winner counts half.
    """

    repeats: int
    contradictions: float

    @property
    def share(self) -> float:
        """Of repeats that agree; NaN without any."""
        return 1.0 - self.contradictions / self.repeats if self.repeats else math.nan


def concord(comparisons: Iterable[Comparison]) -> Concord:
    """Return the agreement among all annotators.

    A verdict is first, tie or second, as -1, 0 and 1 with squared differences between them
    (Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", interval metric): a tie
    against a winner is a quarter of the disagreement between two winners. Which of the two stands
    first means nothing, so each pair is counted both ways round, and chance has no side. Of
    somebody's repeated answers the last one counts.
    """
    judged = [
        np.array([_score(said[-1]) for said in by_whom.values()])
        for by_whom in _verdicts(comparisons).values()
        if len(by_whom) > 1
    ]
    if not judged:
        return Concord(math.nan, math.nan, -1.0, 1.0, 0)
    same = sum(int(one == other) for unit in judged for one, other in combinations(unit, 2))
    of = sum(math.comb(len(unit), 2) for unit in judged)
    parts = np.array([_parts(unit) for unit in judged])
    alpha = float(_alpha(parts.sum(0)))
    low, high = -1.0, 1.0
    if len(judged) >= _FEWEST:
        rng = np.random.default_rng(0)
        kinds, counts = np.unique(parts, axis=0, return_counts=True)  # few, of however many pairs
        drawn = rng.multinomial(len(parts), counts / len(parts), size=_RESAMPLES)
        values = _alpha((drawn @ kinds).T)
        values = values[np.isfinite(values)]
        if len(values):
            low, high = np.quantile(values, [0.025, 0.975]).tolist()
    return Concord(same / of, alpha, low, high, len(judged))


def concords(comparisons: Sequence[Comparison]) -> dict[tuple[str, str], Concord]:
    """Return the agreement of every two annotators who judged a pair in common."""
    said: defaultdict[str, list[Comparison]] = defaultdict(list)
    for one in comparisons:
        said[one.who].append(one)
    found = {
        (one, other): concord([*said[one], *said[other]])
        for one, other in combinations(sorted(said), 2)
    }
    return {two: agreement for two, agreement in found.items() if agreement.pairs}


def accords(said: Sequence[Annotation]) -> tuple[Accord, ...]:
    """Return how often each model judges as people do, of those that share a pair with anybody.

    Each pair counts once, however many people judged it, so that counts are of independent
    things: where no verdict has most of them, people call it a tie. A tie is a verdict like the
    others. Of somebody's repeated answers the last one counts.
    """
    models = sorted({one.who for one in said if one.prompt})
    found: dict[str, tuple[int, int]] = dict.fromkeys(models, (0, 0))
    for by_whom in _verdicts(comparisons(said)).values():
        last = {who: verdicts[-1] for who, verdicts in by_whom.items()}
        people = Counter(verdict for who, verdict in last.items() if who not in found)
        for model in found.keys() & last.keys() if people else ():
            alike, pairs = found[model]
            found[model] = alike + (last[model] == _most(people)), pairs + 1
    return tuple(Accord(model, *found[model]) for model in models if found[model][1])


def _most(votes: Counter[Verdict]) -> Verdict:
    (first, count), *others = votes.most_common()
    return Verdict.EQUAL if others and others[0][1] == count else first


def people_of(said: Sequence[Annotation]) -> list[Comparison]:
    """Return what people, who are asked without a prompt, have said of pairs."""
    models = {one.who for one in said if one.prompt}
    return [one for one in comparisons(said) if one.who not in models]


def consistency(comparisons: Iterable[Comparison]) -> Mapping[str, Consistency]:
    """Return for each annotator how often a repeated answer contradicts the one before."""
    repeats: defaultdict[str, int] = defaultdict(int)
    contradictions: defaultdict[str, float] = defaultdict(float)
    for by_whom in _verdicts(comparisons).values():
        for who, said in by_whom.items():
            repeats[who] += len(said) - 1
            contradictions[who] += sum(
                abs(_score(one) - _score(other)) / 2 for one, other in pairwise(said)
            )
    return {who: Consistency(repeats[who], contradictions[who]) for who in sorted(repeats)}


def _verdicts(comparisons: Iterable[Comparison]) -> Verdicts:
    found: Verdicts = {}
    for one in comparisons:
        ahead = one.first < one.second
        pair = (one.first, one.second) if ahead else (one.second, one.first)
        by_whom = found.setdefault(pair, {})
        by_whom.setdefault(one.who, []).append(one.verdict if ahead else one.verdict.turned)
    return found


def _score(verdict: Verdict) -> int:
    return {Verdict.FIRST: 1, Verdict.SECOND: -1, Verdict.EQUAL: 0}[verdict]


def _parts(unit: np.ndarray) -> tuple[float, float, float]:
    """Return what a pair adds to alpha: disagreement, verdicts, and verdicts that are no tie.

    The observed disagreement of m verdicts is the sum over ordered pairs of squared differences,
    divided by m - 1.
    """
    m = len(unit)
    squares = 2.0 * (m * float((unit**2).sum()) - float(unit.sum()) ** 2)
    return squares / (m - 1), m, float((unit**2).sum())


def _alpha(parts: np.ndarray) -> np.ndarray:
    """Return 1 - observed / expected disagreement, from sums of ``_parts``, (3, ...).

    Counted both ways round, n verdicts are 2 n with a mean of 0: their squared differences over
    ordered pairs sum to 2 (2 n) (2 w), w of them being no tie, divided by 2 n - 1.
    """
    observed, verdicts, decided = parts
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = 8.0 * verdicts * decided / (2.0 * verdicts - 1.0)
        return np.where(expected > 0.0, 1.0 - 2.0 * observed / expected, np.nan)
