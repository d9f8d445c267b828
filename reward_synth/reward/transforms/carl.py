"""A reward as progress times penalties: violations are not outweighed, they devalue progress.

Jaeger et al. (2025), "CaRL: Learning Scalable Planning Policies with Simple Rewards",
arXiv:2504.17838, pay a car

    r = RC * prod_i p_i - T

for a step: the share of the route that it completed, RC >= 0, times soft penalties, p_i in
[0, 1], and less a terminal penalty, T, when an infraction ends the episode. Here RC and p_i
are made of a program's named terms, which are summed as they are written:

- A term that is never positive in the reference transitions, and sometimes negative, is a
  penalty; its factor is p_i = exp(min(term_i, 0) / scale).
- The sum of all other terms is the progress, P.
- The scale is P in a good reference step, its 95th percentile. So the author's balance is
  kept: where P = scale, P prod_i p_i = P + sum_i term_i to first order. Far beyond, a
  penalty grows with the progress that it devalues.
- There is no T: what ends an episode is the task's, and what is lost by it is all that
  would have been earned.

    r = max(P, 0) prod_i p_i + min(P, 0)

P can be negative here, as a velocity is when going back. That costs what it costs: were it
devalued too, violations would make going back cheaper; were it free, going to and fro would
earn. Where P >= 0, r >= 0, and ending an episode early never pays.

A program without progress, such as a distance and an effort, both negative, pays prod_i p_i:
for being there, P = 1, with the penalties' own typical size for a scale. A program whose
total is not the sum of its terms is composed already, and left as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from reward_synth.reward.rewards import Reward
from reward_synth.reward.transitions import Transitions, measure

_GOOD = 0.95  # the quantile of the references' progress that penalties are measured in


@dataclass(frozen=True, slots=True, eq=False)
class Roles:
    """What a program's terms are to it.

    Attributes:
      penalty: (T,) bool; the other terms are progress.
      scale: what penalties are measured in, in the reward's unit, above 0.
    """

    penalty: np.ndarray
    scale: float


def carl(reward: Reward, references: Transitions) -> Reward:
    """Return progress times penalties; the reward itself if it is not the sum of its terms.

    What is a penalty and the scale are decided once, with the reward's own weights: a weight
    that is doubled later squares its factor.

    Args:
      reward: any.
      references: steps in which its terms show themselves; a thousand or more.
    """
    found = roles(*measure(reward, references))
    if found is None or not found.penalty.any():
        return reward
    penalty, scale = found.penalty, found.scale

    def function(
        state: jax.Array, action: jax.Array, next_state: jax.Array, weights: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        _, terms = reward.function(state, action, next_state, weights)
        factors = jnp.exp(jnp.where(penalty, jnp.minimum(terms, 0.0), 0.0) / scale)
        progress = jnp.where(penalty, 0.0, terms).sum(-1) if not penalty.all() else 1.0
        paid = jnp.maximum(progress, 0.0) * factors.prod(-1) + jnp.minimum(progress, 0.0)
        return paid, terms

    return Reward(
        reward.terms, reward.weights, jax.jit(function), reward.looks, _words(reward.terms, found)
    )


def _words(terms: Sequence[str], roles: Roles) -> str:
    """Return a sentence on what is paid for."""
    of_both = list(zip(terms, roles.penalty, strict=True))
    progress = ", ".join(name for name, penalty in of_both if not penalty) or "1"
    penalties = ", ".join(name for name, penalty in of_both if penalty)
    return (
        f"A step pays its progress ({progress}) times exp(penalty / {roles.scale:.3g}) for each "
        f"penalty ({penalties}), in place of their sum."
    )


def roles(values: np.ndarray, terms: np.ndarray) -> Roles | None:
    """Tell penalties from progress.

    Args:
      values: (b,) rewards of reference steps, b >= 1.
      terms: (b, T) their terms.

    Returns:
      None if the reward is not the sum of its terms, or not finite.
    """
    if not np.isfinite(terms).all():
        return None
    total, terms = np.asarray(values, float), np.asarray(terms, float)
    if not np.allclose(total, terms.sum(-1), rtol=1e-4, atol=1e-5 * np.abs(terms).max()):
        return None
    penalty = np.asarray((terms.max(0) <= 0.0) & (terms.min(0) < 0.0))
    if penalty.all():
        scale = float(np.abs(terms.sum(-1)).mean())
    else:
        scale = float(np.quantile(terms[:, ~penalty].sum(-1), _GOOD))
    return Roles(penalty, scale if scale > 0.0 else 1.0)
