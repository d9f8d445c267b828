"""Whether a reward orders episodes that are known to be good and bad as they should be."""

from __future__ import annotations

import numpy as np
from scipy import stats

from reward_synth.records import Finding
from reward_synth.reward.screen.evidence import Evidence, Payments
from reward_synth.reward.screen.words import number

_FEWEST = 10  # successes, and as many failures
_IN_ORDER = 0.8
_FEWEST_RANKED = 20
_CHANCE = 1e-3  # episodes of one policy are alike: fewer are independent than are counted


def trajectories(evidence: Evidence, payments: Payments) -> tuple[Finding, ...]:
    """At least 80% of the successes must beat the best-paid failure.

    The test of Sun et al. (2025), "A Large Language Model-Driven Reward Design Framework via
    Dynamic Feedback" (CARD), on the mean reward per step. Here a reward that passes it on
    the sum over the episode is only told: a robot that falls within moments of a good start
    has a high mean, but no learner that counts sums prefers it.
    """
    if evidence.trained is None or payments.trained is None:
        return ()
    episodes, success = evidence.trained, evidence.trained.success
    if success.sum() < _FEWEST or (~success).sum() < _FEWEST:
        return ()
    mean, total = episodes.means(payments.trained.reward), episodes.sums(payments.trained.reward)
    share = float((mean[success] > mean[~success].max()).mean())
    share_by_sum = float((total[success] > total[~success].max()).mean())
    if share >= _IN_ORDER:
        return ()
    terms = episodes.means(payments.trained.terms)
    best_failure = int(np.flatnonzero(~success)[mean[~success].argmax()])
    excess = terms[best_failure] - terms[success].mean(0)
    worst = int(excess.argmax())
    median = float(np.median(mean[success]))
    words = (
        f"of {success.sum()} recorded episodes that reached the goal only {share:.0%} are paid "
        f"more a step than the best-paid of the {(~success).sum()} that did not "
        f"({number(mean[best_failure])} a step, against {number(median)} in the median success). "
        f"Term {payments.names[worst]!r} pays that failure {number(excess[worst])} a step more "
        "than successes: bound it, lower its weight, or pay it only together with progress "
        "towards the goal."
    )
    return (Finding("episode order", share_by_sum < _IN_ORDER, words),)


def ranks(evidence: Evidence, payments: Payments) -> tuple[Finding, ...]:
    """Whether fitter episodes are paid less: Spearman's rank correlation, clearly negative.

    Only said, since a reward can be right at the goal and wrong about bad episodes.
    """
    if evidence.trained is None or payments.trained is None:
        return ()
    mean = evidence.trained.means(payments.trained.reward)
    fitness = evidence.trained.fitness
    if len(mean) < _FEWEST_RANKED or np.ptp(mean) == 0.0 or np.ptp(fitness) == 0.0:
        return ()
    rank, chance = np.asarray(stats.spearmanr(mean, fitness, alternative="less"))
    if chance >= _CHANCE:
        return ()
    terms = evidence.trained.means(payments.trained.terms)
    unfit, fit = np.array_split(np.argsort(fitness), 2)
    worst = int((terms[unfit].mean(0) - terms[fit].mean(0)).argmax())
    words = (
        f"over {len(mean)} recorded episodes this reward pays less a step the fitter the episode "
        f"was (rank correlation {rank:.2f}); term {payments.names[worst]!r} pays unfit "
        "episodes most beside fit ones. Check its sign, and that it grows when the task is done "
        "better."
    )
    return (Finding("rank", False, words),)
