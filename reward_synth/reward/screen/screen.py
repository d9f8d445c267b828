"""All screens on one reward, cheapest first."""

from __future__ import annotations

from reward_synth.records import Finding
from reward_synth.reward.rewards import Reward
from reward_synth.reward.screen.evidence import Evidence, Payments
from reward_synth.reward.screen.living import living
from reward_synth.reward.screen.ordering import ranks, trajectories
from reward_synth.reward.screen.replay import replay
from reward_synth.reward.screen.scale import constant, dead_terms, one_term, size
from reward_synth.reward.screen.sound import finite, pure, shapes


def screen(reward: Reward, evidence: Evidence) -> tuple[Finding, ...]:
    """Return what is to be said against a reward; fatal findings first.

    The reward is run once over all of the evidence. What is not a sound function is not
    asked what it means: its numbers would mislead.
    """
    found = shapes(reward, evidence)
    if found:
        return found
    payments = Payments.of(reward, evidence)
    found = finite(payments) or pure(reward, evidence, payments)
    if found:
        return found
    order = ranks(evidence, payments)
    found = (
        *constant(evidence, payments),
        *dead_terms(evidence, payments),
        *size(payments),
        *one_term(payments),
        *living(evidence, payments),
        *trajectories(evidence, payments),
        *order,
        *replay(evidence, payments, reversed_order=bool(order)),
    )
    return tuple(sorted(found, key=lambda finding: not finding.fatal))
