"""Whether a reward and its terms move, how much, and whether one of them drowns the rest."""

from __future__ import annotations

import numpy as np

from reward_synth.records import Finding
from reward_synth.reward.screen.evidence import Evidence, Payments
from reward_synth.reward.screen.words import number

# What moves by less than this is noise of float32, or lost when the variance of returns is
# kept from zero by 1e-8 (``train.normalize``).
_RELATIVE_NOISE, _ABSOLUTE_NOISE = 1e-6, 1e-8
_LARGE, _SMALL = 1e3, 1e-5  # a step's size and spread between which a reward is of no concern
_OFFSET = 100.0  # standard deviations from zero at which a mean drowns what moves
_LEADS = 0.99  # a term's share of the variance; published expert rewards have up to 0.98


def constant(evidence: Evidence, payments: Payments) -> tuple[Finding, ...]:
    """Whether the reward moves at all in states that a robot has been in.

    Zero throughout random exploration is fatal only while nothing else is known: where some
    policy has found steps that pay, others may. A positive constant is honest where episodes
    can be lost, since it pays for not losing them.
    """
    reward = payments.everything.reward
    if _moves(payments.explored.reward):
        return ()
    value = number(payments.explored.reward[0])
    shaped = (
        "Add a term that changes with every step towards the goal, such as a distance or a speed."
    )
    if _moves(reward):
        words = (
            f"the reward is {value} in every step of random exploration and moves only where "
            f"trained policies have been: nothing draws an untrained robot there. {shaped}"
        )
        return (Finding("constant", False, words),)
    if reward[0] > 0 and evidence.description.terminates:
        words = (
            f"the reward is {value} in every step that was tried: it pays for nothing but episodes "
            f"that last. {shaped}"
        )
        return (Finding("constant", False, words),)
    words = (
        f"the reward is {value} in all {len(reward):,} steps that were tried, so that nothing can "
        f"be learned from it. {shaped}"
    )
    return (Finding("constant", True, words),)


def dead_terms(evidence: Evidence, payments: Payments) -> tuple[Finding, ...]:
    """Which terms never move; a constant one has its use where episodes can be lost."""
    if len(payments.names) == 1:
        return ()  # then the term is the reward
    found = []
    for name, values in zip(payments.names, payments.everything.terms.T, strict=True):
        if _moves(values):
            continue
        if np.abs(values).max() <= _ABSOLUTE_NOISE:
            words = (
                f"term {name!r} is 0 in all {len(values):,} steps that were tried: its condition "
                "is never met or its width is too narrow. Widen it, or leave it out."
            )
        elif evidence.description.terminates:
            continue
        else:
            words = (
                f"term {name!r} is always {number(values[0])}, and episodes cannot end early "
                "here: it teaches nothing. Make it depend on next_state, or leave it out."
            )
        found.append(Finding("dead term", False, words))
    return tuple(found)


def size(payments: Payments) -> tuple[Finding, ...]:
    """Whether steps pay so much, so little or so evenly that normalisation suffers."""
    reward = payments.explored.reward.astype(np.float64)
    if not _moves(reward):
        return ()
    mean, spread = float(reward.mean()), float(reward.std())
    typical = float(np.sqrt((reward**2).mean()))
    largest = payments.names[int((payments.explored.terms**2).mean(0).argmax())]
    if typical > _LARGE:
        words = (
            f"the reward is of size {number(typical)} a step, mostly from term {largest!r}: "
            "bring it to order 1 by a smaller weight, so that float32 keeps its small terms."
        )
    elif spread < _SMALL:
        words = (
            f"the reward moves by only {number(spread)} (standard deviation) from step to step: "
            "bring it to order 1 by larger weights, or it is lost in rounding."
        )
    elif abs(mean) > _OFFSET * spread:
        words = (
            f"the reward is {number(mean)} on average and moves by only {number(spread)} (standard "
            f"deviation): make the constant part, mostly term {largest!r}, smaller beside the "
            "terms that are to teach something."
        )
    else:
        return ()
    return (Finding("scale", False, words),)


def one_term(payments: Payments) -> tuple[Finding, ...]:
    """Whether one of the terms that move has nearly all of their variance, wherever they do."""
    if sum(_moves(values) for values in payments.everything.terms.T) < 2:
        return ()
    sources = [paid for paid in (payments.explored, payments.trained) if paid is not None]
    shares = []
    for paid in sources:
        variance = paid.terms.astype(np.float64).var(0)
        if variance.sum() == 0.0:
            return ()
        shares.append(variance / variance.sum())
    least = np.min(shares, axis=0)
    leader = int(least.argmax())
    if least[leader] <= _LEADS:
        return ()
    name = payments.names[leader]
    words = (
        f"term {name!r} has over {_LEADS:.0%} of the variance of all terms: the others hardly "
        f"count. If they are to matter, raise their weights or lower that of {name!r}."
    )
    return (Finding("one term", False, words),)


def _moves(values: np.ndarray) -> bool:
    noise = max(_RELATIVE_NOISE * float(np.abs(values).max()), _ABSOLUTE_NOISE)
    return float(np.ptp(values)) > noise
