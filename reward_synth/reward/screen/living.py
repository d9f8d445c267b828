"""Whether a reward pays for losing the episode early."""

from __future__ import annotations

import numpy as np
from scipy import stats

from reward_synth.records import Finding
from reward_synth.reward.screen.evidence import Evidence, Payments
from reward_synth.reward.screen.words import number

_FEWEST_LOSSES = 5
_BLOCKS = 20
_BEST = 0.01  # of the steps


def living(evidence: Evidence, payments: Payments) -> tuple[Finding, ...]:
    """Compare losing the episode now with going on for ever, both discounted.

    Losing pays a step's reward r once; going on at u a step is worth u / (1 - gamma), also
    beyond the time limit, since training does not take that for an end. Nobody knows what
    the best policy will earn, so

    - it is fatal if going on is worth less than losing even at the mean of the best
      hundredth of all steps ever tried, of random actions and of trained policies: a policy
      that beats them would have to be better at every step than these were at their best;
    - it is only said if that holds for the mean step of random actions, or rather for the
      upper end of its 95% interval, by batch means since steps follow each other (Law &
      Kelton, "Simulation Modeling and Analysis", section 9.5.3). There an untrained policy
      is drawn to the end, but honest rewards, such as minus a distance, are like this too.

    Ends in which the goal is reached count as going on, so tasks that end with success
    are left alone, and so are those in which nothing was lost yet.
    """
    going, losing, terms = _split(evidence, payments)
    if len(losing) < _FEWEST_LOSSES or len(going[0]) < 2 * _BLOCKS:
        return ()
    horizon = 1.0 / (1.0 - evidence.discount)
    end = float(losing.mean())
    best = max(_best(steps) for steps in going)
    costly = payments.names[int(terms.mean(0).argmin())]
    if best < 0.0 and best * horizon < end:
        words = (
            f"surviving costs and losing the episode pays: even the best hundredth of the steps "
            f"that were tried earns {number(best)} a step, which over the discount's horizon of "
            f"{horizon:.0f} steps is less than the {number(end)} of a step that ends the episode. "
            f"Most of the cost is term {costly!r}. Pay for every step survived, by more than "
            f"{number(-best)}, or turn that term round: jnp.exp(-x) pays for small x where -x "
            "punishes large x."
        )
        return (Finding("living reward", True, words),)
    upper = _upper_mean(going[0])
    if upper < 0.0 and upper * horizon < end:
        words = (
            f"an untrained robot is paid for losing the episode: going on earns "
            f"{number(going[0].mean())} a step on average, a step that ends the episode "
            f"{number(end)} and nothing after it. Most of the cost is term {costly!r}. If "
            f"episodes get short, pay about {number(-going[0].mean())} for every step survived."
        )
        return (Finding("living reward", False, words),)
    return ()


def _split(
    evidence: Evidence, payments: Payments
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Return what is paid for going on, by source, for losing, and the terms of going on."""
    lost = evidence.lost
    going = [payments.explored.reward[~lost].astype(np.float64)]
    losing = [payments.explored.reward[lost]]
    if evidence.trained is not None and payments.trained is not None:
        lost_later = evidence.trained.lost
        going.append(payments.trained.reward[~lost_later].astype(np.float64))
        losing.append(payments.trained.reward[lost_later])
    return going, np.concatenate(losing), payments.explored.terms[~lost]


def _best(steps: np.ndarray) -> float:
    if not len(steps):
        return -np.inf
    count = max(1, int(_BEST * len(steps)))
    return float(np.partition(steps, len(steps) - count)[-count:].mean())


def _upper_mean(steps: np.ndarray) -> float:
    """Return the upper end of the mean's 95% t-interval over consecutive blocks of steps."""
    blocks = np.array([block.mean() for block in np.array_split(steps, _BLOCKS)])
    error = float(stats.sem(blocks))
    return float(blocks.mean() + stats.t.ppf(0.975, _BLOCKS - 1) * error)
