"""Running statistics for observations and returns."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

CLIP = 10.0
EPSILON = 1e-8  # in a variance, so that what never varied can be divided by


class RunningStatistics(NamedTuple):
    """Mean and variance of everything seen so far, by Chan et al. (1979)'s parallel update."""

    mean: jax.Array
    variance: jax.Array
    count: jax.Array  # ()

    @classmethod
    def start(cls, shape: tuple[int, ...]) -> RunningStatistics:
        """Zero mean, unit variance, (almost) nothing seen."""
        # The count has the type that updates leave it in, or every program would compile twice.
        return cls(jnp.zeros(shape), jnp.ones(shape), jnp.asarray(1e-4, jnp.float32))

    def update(self, batch: jax.Array) -> RunningStatistics:
        """Take in a batch, (..., *shape)."""
        batch = batch.reshape(-1, *self.mean.shape)
        count = jnp.asarray(batch.shape[0], self.count.dtype)
        total = self.count + count
        delta = batch.mean(0) - self.mean
        mean = self.mean + delta * count / total
        squares = (
            self.variance * self.count
            + batch.var(0) * count
            + delta**2 * self.count * count / total
        )
        return RunningStatistics(mean, squares / total, total)

    def normalize(self, batch: jax.Array) -> jax.Array:
        """Standardise and clip to [-10, 10]; Huang et al. (2022), continuous details 5, 6."""
        return jnp.clip((batch - self.mean) / jnp.sqrt(self.variance + EPSILON), -CLIP, CLIP)

    def scale(self, batch: jax.Array) -> jax.Array:
        """Divide by the standard deviation without centring, and clip; ibid., 7, 8."""
        return jnp.clip(batch / jnp.sqrt(self.variance + EPSILON), -CLIP, CLIP)


def discounted_sums(
    reward: jax.Array, done: jax.Array, discount: float, carry: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Backward-looking discounted sums of rewards, whose variance scales the reward.

    Args:
      reward: (T, N).
      done: (T, N) bool, the episode ended with this step.
      discount: gamma.
      carry: (N,) the sums so far.

    Returns:
      The sums at each step, (T, N), and the carry for the next batch, (N,).
    """

    def step(total: jax.Array, now: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        total = total * discount + now[0]
        return jnp.where(now[1], 0.0, total), total

    carry, sums = jax.lax.scan(step, carry, (reward, done))
    return sums, carry
