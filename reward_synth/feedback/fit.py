"""Numbers in WEIGHTS from preferences: no proposer and no training is asked."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import jax
import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from reward_synth.feedback.annotations import Verdict
from reward_synth.reward.rewards import Reward
from reward_synth.reward.transitions import batches
from reward_synth.reward.verify import BatchedReward
from reward_synth.rollout.segments import Segments

FEWEST_PAIRS = 10
_FOLDS = 5
_PRIOR = 1.0  # standard deviation of a weight's log ratio to what it was: a factor of e
_RATIONALITY_PRIOR = 2.0  # of the logarithm of the teacher's rationality
_MOST = math.log(1000.0)  # either way, for both


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict on two segments, by their places in ``Segments``."""

    first: int
    second: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Fit:
    """Weights that explain preferences.

    Attributes:
      weights: W of them, in the reward's order.
      rationality: of the teacher, as it appears: what differences between segments' sums of
        rewards, divided by their standard deviation under the old weights, are multiplied by.
      log_likelihood: of all answers under the new weights; pairs x log 0.5 is what coin flips
        have.
      accuracy: share of the pairs that weights which were fitted to the others order as the
        teacher does; ties left out. NaN where there are too few, or there is nothing to fit.
      accuracy_before: that of the old weights. NaN without any pair.
      pairs: that were not called equal.
      believed: whether there are enough of them, and the new weights order more of those that
        they have not seen than the old weights do, and more than half.
    """

    weights: tuple[float, ...]
    rationality: float
    log_likelihood: float
    accuracy: float
    accuracy_before: float
    pairs: int
    believed: bool


def fit_weights(reward: Reward, segments: Segments, answers: Sequence[Judgement]) -> Fit:
    """Fit a reward's weights to what was preferred (Bradley & Terry 1952; Christiano et al. 2017).

    Maximises the sum over pairs of log sigmoid(b (R(winner) - R(loser))), R being the sum of
    rewards over a segment, less normal priors: on the logarithm of each weight's ratio to what
    it was, and on that of b, the teacher's rationality. A tie counts half each way. Signs and
    zeros stay. A common factor of all weights and b do the same: the priors settle how they
    share it, most of it being b's.

    Args:
      reward: its function is differentiated by the weights, forward, through any array program.
      segments: n of them.
      answers: about pairs of these.

    Returns:
      The fit; the reward's own weights where there is nothing to learn from or nothing to fit.

    Raises:
      ValueError: an answer is about a segment that does not exist, or about one alone.
    """
    for answer in answers:
        if answer.first == answer.second or not all(
            0 <= place < len(segments) for place in (answer.first, answer.second)
        ):
            raise ValueError(f"{answer} is about no two of the {len(segments)} segments.")
    old = np.asarray(reward.weights, float)
    if not answers:
        return Fit(tuple(old.tolist()), 1.0, 0.0, math.nan, math.nan, 0, believed=False)
    problem = _Problem.of(reward, segments, answers)
    decided = problem.shares != 0.5
    before = problem.right(np.zeros(problem.size))
    parameters = problem.solve(np.ones(len(answers), bool))
    pairs = int(decided.sum())
    accuracy_before = float(np.mean(before[decided])) if pairs else math.nan
    enough = pairs >= FEWEST_PAIRS and bool(old.any())
    accuracy = float(np.mean(problem.held_out()[decided])) if enough else math.nan
    return Fit(
        weights=tuple(problem.weights(parameters).tolist()),
        rationality=float(np.exp(parameters[-1])),
        log_likelihood=float(problem.log_likelihoods(parameters).sum()),
        accuracy=accuracy,
        accuracy_before=accuracy_before,
        pairs=pairs,
        believed=accuracy > max(accuracy_before, 0.5),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Problem:
    """m answers as an optimisation over (k + 1,) parameters, k being the weights not zero.

    Parameters are the logarithms of the weights' ratios to the old ones, and that of the
    teacher's rationality; all zero to begin with.

    Attributes:
      old: (W,) the weights.
      returns: (W,) weights -> (n,) sums of rewards over segments and (n, W) their derivatives.
      first, second: (m,) places of segments.
      shares: (m,) of each answer that is for the first: 1, 0, or 0.5 for a tie.
      scale: standard deviation of the differences under the old weights.
    """

    old: np.ndarray
    returns: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
    first: np.ndarray
    second: np.ndarray
    shares: np.ndarray
    scale: float

    @classmethod
    def of(cls, reward: Reward, segments: Segments, answers: Sequence[Judgement]) -> _Problem:
        shares = {Verdict.FIRST: 1.0, Verdict.SECOND: 0.0, Verdict.EQUAL: 0.5}
        first = np.array([answer.first for answer in answers])
        second = np.array([answer.second for answer in answers])
        returns = _returns(reward, segments)
        old = np.asarray(reward.weights, float)
        sums, _ = returns(old)
        spread = float(
            np.std(np.concatenate([sums[first] - sums[second], sums[second] - sums[first]]))
        )
        return cls(
            old=old,
            returns=returns,
            first=first,
            second=second,
            shares=np.array([shares[answer.verdict] for answer in answers]),
            scale=spread if math.isfinite(spread) and spread > 0.0 else 1.0,
        )

    @property
    def size(self) -> int:
        return int(np.count_nonzero(self.old)) + 1

    def weights(self, parameters: np.ndarray) -> np.ndarray:
        """Return (W,) weights."""
        found = self.old.copy()
        found[found != 0.0] *= np.exp(parameters[:-1])
        return found

    def gaps(self, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (m,) log-odds of the first and (m, k + 1) their derivatives."""
        weights, varied = self.weights(parameters), self.old != 0.0
        sums, slopes = self.returns(weights)
        factor = math.exp(parameters[-1]) / self.scale
        with np.errstate(over="ignore", invalid="ignore"):  # ``solve`` turns back from such
            odds = factor * (sums[self.first] - sums[self.second])
            by_weight = factor * (slopes[self.first] - slopes[self.second])[:, varied]
            return odds, np.column_stack([by_weight * weights[varied], odds])

    def log_likelihoods(self, parameters: np.ndarray) -> np.ndarray:
        """Return (m,) of the answers."""
        odds, _ = self.gaps(parameters)
        return self.shares * log_expit(odds) + (1.0 - self.shares) * log_expit(-odds)

    def right(self, parameters: np.ndarray) -> np.ndarray:
        """Return (m,) 1 where an answer is foreseen, 0 where it is not, 0.5 where none is."""
        odds, _ = self.gaps(parameters)
        return np.where(odds == 0.0, 0.5, (odds > 0.0) == (self.shares > 0.5))

    def solve(self, chosen: np.ndarray) -> np.ndarray:
        """Return the parameters of the highest posterior density, given the chosen answers."""
        deviations = np.append(np.full(self.size - 1, _PRIOR), _RATIONALITY_PRIOR)
        shares = self.shares[chosen]

        def objective(parameters: np.ndarray) -> tuple[float, np.ndarray]:
            odds, slopes = self.gaps(parameters)
            odds, slopes = odds[chosen], slopes[chosen]
            if not (np.isfinite(odds).all() and np.isfinite(slopes).all()):
                return 1e12, np.zeros_like(parameters)  # the reward overflows: turn back
            fit = shares * log_expit(odds) + (1.0 - shares) * log_expit(-odds)
            value = 0.5 * np.sum((parameters / deviations) ** 2) - fit.sum()
            slope = parameters / deviations**2 - (shares - expit(odds)) @ slopes
            return float(value), slope

        start = np.zeros(self.size)
        bounds = [(-_MOST, _MOST)] * self.size
        # Rewards are float32: a finer tolerance would be below their rounding.
        found = minimize(
            objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-6}
        )
        # Should the search go astray, what it began with is better.
        return found.x if found.fun <= objective(start)[0] else start

    def held_out(self) -> np.ndarray:
        """Return (m,) as ``right``, each by parameters that were fitted without it."""
        both = np.sort(np.column_stack([self.first, self.second]), axis=1)
        _, pair = np.unique(both, axis=0, return_inverse=True)  # asked twice, held out twice
        folds = pair % _FOLDS
        right = np.zeros(len(self.shares))
        for fold in np.unique(folds):
            out = folds == fold
            right[out] = self.right(self.solve(~out))[out]
        return right


def _returns(
    reward: Reward, segments: Segments
) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Return a function from (W,) weights to (n,) sums of rewards and (n, W) their derivatives."""
    parts, steps = list(batches(segments.transitions)), _with_slopes(reward.function)

    def returns(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values, slopes = [], []
        for some, count in parts:
            of_steps, by_weight = steps(
                some.state, some.action, some.next_state, weights.astype(np.float32)
            )
            values.append(np.asarray(of_steps, float)[:count])
            slopes.append(np.asarray(by_weight, float)[:count])
        shape = segments.state.shape[:2]
        # Where a program has no derivative, as of a root at zero, it counts as flat.
        flat = np.nan_to_num(np.concatenate(slopes), nan=0.0, posinf=0.0, neginf=0.0)
        with np.errstate(invalid="ignore"):
            sums = np.concatenate(values).reshape(shape).sum(1)
        return sums, flat.reshape(*shape, len(weights)).sum(1)

    return returns


@lru_cache(maxsize=8)  # a reward is fitted again as answers come in
def _with_slopes(function: BatchedReward) -> BatchedReward:
    """Return a compiled function to rewards (b,) and their derivatives by the weights (b, W)."""

    @jax.jit
    def steps(
        state: jax.Array, action: jax.Array, next_state: jax.Array, weights: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        def of(weights: jax.Array) -> tuple[jax.Array, jax.Array]:
            values = function(state, action, next_state, weights)[0]
            return values, values

        # Forward, since there are few weights, and loops have no derivative the other way.
        slopes, values = jax.jacfwd(of, has_aux=True)(weights)
        return values, slopes

    return steps
