"""Whether a reward is what training takes it for: a pure function of single steps.

Rewards that came through the sandbox are by construction; those from elsewhere are not.
"""

from __future__ import annotations

import numpy as np

from reward_synth.records import Finding
from reward_synth.reward.parse import LARGEST_REWARD
from reward_synth.reward.rewards import Reward
from reward_synth.reward.screen.evidence import Evidence, Paid, Payments
from reward_synth.reward.transitions import STEPS_AT_ONCE, Transitions

_OTHER_COMPANY = 64  # steps: few enough for their mean to differ from the batch's
_TOLERANCE = 1e-4  # of the largest value: compilers may round differently by place


def shapes(reward: Reward, evidence: Evidence) -> tuple[Finding, ...]:
    """Whether there is a value, and one of each term, for each step."""
    found = _run(reward, _batch(evidence))
    wanted = (STEPS_AT_ONCE,), (STEPS_AT_ONCE, len(reward.terms))
    shape = found.reward.shape, found.terms.shape
    if shape == wanted:
        return ()
    return (
        _fatal(
            "shapes",
            f"for {STEPS_AT_ONCE} steps the reward has shape {shape[0]} and its terms {shape[1]}; "
            f"they must be {wanted[0]} and {wanted[1]}: one number a step and term.",
        ),
    )


def finite(payments: Payments) -> tuple[Finding, ...]:
    """Whether all values are finite, and small enough, in states that a robot has been in."""
    reward, terms = payments.everything
    broken = ~np.isfinite(terms)
    if broken.any():
        worst = int(broken.sum(0).argmax())
        share = _percent(broken[:, worst].mean())
        where = "random exploration" if _in_exploration(broken, payments) else "trained policies"
        return (
            _fatal(
                "finite",
                f"term {payments.names[worst]!r} is infinite or NaN in {share} of the steps that "
                f"were tried, among them steps of {where}: guard divisions, square roots, "
                "logarithms, fractional powers and arccos/arcsin, and bound exponentials.",
            ),
        )
    if not np.isfinite(reward).all():
        share = _percent((~np.isfinite(reward)).mean())
        return (
            _fatal(
                "finite",
                f"the reward is infinite or NaN in {share} of the steps that were tried although "
                "each of its terms is finite: guard what combines them.",
            ),
        )
    largest = float(np.abs(reward).max())
    if largest > LARGEST_REWARD:
        worst = int(np.abs(terms).max(0).argmax())
        return (
            _fatal(
                "finite",
                f"the reward reaches {largest:.1e} in states that a robot gets into, mostly from "
                f"term {payments.names[worst]!r}; training stops beyond {LARGEST_REWARD:.0e}. "
                "Bound that term, with jnp.clip or jnp.tanh, and keep the reward of order 1 a "
                "step.",
            ),
        )
    return ()


def pure(reward: Reward, evidence: Evidence, payments: Payments) -> tuple[Finding, ...]:
    """Whether values repeat bit by bit, and go along when steps are moved and get other company."""
    batch = _batch(evidence)
    count = min(len(evidence.everything), STEPS_AT_ONCE)
    again = _run(reward, batch)
    before = Paid(*(values[:count] for values in payments.everything))
    if not all(np.array_equal(a[:count], b) for a, b in zip(again, before, strict=True)):
        return (
            _fatal(
                "determinism",
                "the reward gives other numbers when it is asked again about the same steps: it "
                "must depend on nothing but state, action, next_state and weights.",
            ),
        )
    drawn = np.random.default_rng(0).integers(_OTHER_COMPANY, size=STEPS_AT_ONCE)
    shuffled = _run(reward, batch.take(drawn))
    for values, moved in zip(again, shuffled, strict=True):
        tolerance = _TOLERANCE * float(np.abs(values).max())
        if not np.allclose(values[drawn], moved, rtol=_TOLERANCE, atol=tolerance):
            return (
                _fatal(
                    "batch",
                    "a step's reward depends on its place in the batch or on the steps beside "
                    "it: it must be computed from that step alone, without means, maxima or "
                    "ranks over the batch.",
                ),
            )
    return ()


def _batch(evidence: Evidence) -> Transitions:
    """Return a batch of the size that the reward is compiled for, repeating steps to fill it."""
    return evidence.everything.take(np.resize(np.arange(len(evidence.everything)), STEPS_AT_ONCE))


def _run(reward: Reward, batch: Transitions) -> Paid:
    found = reward.function(batch.state, batch.action, batch.next_state, reward.weights)
    return Paid(*(np.asarray(values) for values in found))


def _in_exploration(broken: np.ndarray, payments: Payments) -> bool:
    return bool(broken[: len(payments.explored.reward)].any())


def _percent(share: float) -> str:
    return "under 1%" if share < 0.01 else f"{share:.0%}"


def _fatal(screen: str, words: str) -> Finding:
    return Finding(screen, True, words)
