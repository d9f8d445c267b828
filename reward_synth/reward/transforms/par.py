"""A reward as how much better a step is than reference steps: bounded, so that no hole pays much.

Fu et al. (2025), "Reward Shaping to Mitigate Reward Hacking in RLHF", arXiv:2502.18770, call it
Preference As Reward. For a response y to a prompt x, a reward model r and M reference responses,

    r'(x, y) = 1/M sum_m sigmoid(r(x, y) - r(x, y_m)),

the mean probability that y is preferred to a reference, since r is the log-odds of a
Bradley-Terry model. Two things differ here:

- A response is judged once, a robot at every step. So steps are compared with steps: the
  references are transitions, of random actions or of a policy that is to be beaten.
- Our rewards are no log-odds but in units of their author's. So differences are measured in
  the spread of the references' rewards, s:

    r'(s, a, s') = 1/M sum_m sigmoid((r(s, a, s') - r_m) / s).

A step is paid between 0 and 1, more for more, steeply among the references and hardly any
more far above them. What follows:

- A step that finds a hole in the reward is worth two like the median reference, about, and
  not a thousand.
- No step is paid less than nothing: staying alive pays, and an episode that ends when the goal
  is reached had better not be trained on this.
- "As fast as possible" stops paying where all references are left behind: take those of a
  good policy then.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from reward_synth.reward.rewards import Reward
from reward_synth.reward.transitions import Transitions

_IQR_OF_NORMAL = 1.349  # of a normal distribution with standard deviation 1


def par(reward: Reward, references: Transitions) -> Reward:
    """Return the mean preference for a step over the references.

    The references' rewards are computed with the weights that the function is called with, so
    that a change of all weights in proportion changes nothing.

    Args:
      reward: any.
      references: M >= 1 steps; a hundred do, and more cost time in every call.
    """
    assert len(references), "there is nothing to compare with"

    def function(
        state: jax.Array, action: jax.Array, next_state: jax.Array, weights: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        values, terms = reward.function(
            jnp.concatenate([state, references.state]),
            jnp.concatenate([action, references.action]),
            jnp.concatenate([next_state, references.next_state]),
            weights,
        )
        steps = len(state)
        return preference(values[:steps], values[steps:]), terms[:steps]

    composition = (
        f"A step pays how probably it is preferred to {len(references)} reference steps, from 0 "
        "to 1: the mean of sigmoid((r - reference) / spread), r being what the program pays."
    )
    return Reward(reward.terms, reward.weights, jax.jit(function), reward.looks, composition)


def preference(values: jax.Array, references: jax.Array) -> jax.Array:
    """Return (b,) in [0, 1] for rewards, (b,), and those of the references, (M,)."""
    return jax.nn.sigmoid((values[:, None] - references) / spread(references)).mean(-1)


def spread(values: jax.Array) -> jax.Array:
    """Return the size of the differences among values, (M,), without minding a few extreme ones.

    That is the standard deviation that their quartiles suggest; their mean distance from the
    median if the quartiles are equal, as where a bonus is rarely earned; and 1, the reward's
    own unit, if all are equal.
    """
    low, median, high = jnp.quantile(values, jnp.array([0.25, 0.5, 0.75]))
    quartiles, distance = (high - low) / _IQR_OF_NORMAL, jnp.abs(values - median).mean()
    least = 1e-6 * jnp.maximum(jnp.abs(low), jnp.abs(high))  # float32 tells no less apart
    return jnp.where(quartiles > least, quartiles, jnp.where(distance > least, distance, 1.0))
