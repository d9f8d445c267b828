"""Generalised advantage estimation."""

from __future__ import annotations

import jax
import jax.numpy as jnp


def gae(
    reward: jax.Array,
    value: jax.Array,
    next_value: jax.Array,
    terminated: jax.Array,
    truncated: jax.Array,
    discount: float,
    smoothing: float,
) -> jax.Array:
    """Estimate advantages; Schulman et al. (2016), "High-Dimensional Continuous Control", eq. 16.

    A terminated episode is worth nothing beyond its end. A truncated one is worth
    the value of its last state, which is why ``next_value`` must be that of the
    true next state and not of the first state of the next episode: Pardo et al.
    (2018), "Time Limits in Reinforcement Learning".

    Args:
      reward: (T, N).
      value: (T, N) of the states.
      next_value: (T, N) of the true next states.
      terminated: (T, N) bool.
      truncated: (T, N) bool.
      discount: gamma.
      smoothing: lambda.

    Returns:
      Advantages, (T, N).
    """
    delta = reward + discount * next_value * ~terminated - value
    decay = discount * smoothing * ~(terminated | truncated)

    def step(following: jax.Array, now: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        advantage = now[0] + now[1] * following
        return advantage, advantage

    start = jnp.zeros_like(reward[0])
    return jax.lax.scan(step, start, (delta, decay), reverse=True)[1]
