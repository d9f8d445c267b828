"""Hyperparameters of training; JAX-free, so that the text side can read them."""

from __future__ import annotations

from dataclasses import dataclass

TRANSFORMS = ("none", "par", "carl", "caps")


@dataclass(frozen=True, slots=True)
class PPOConfig:
    """Hyperparameters of one training.

    Attributes:
      envs: environments for each candidate, N.
      horizon: steps of each environment between updates, T.
      epochs: passes over each batch.
      minibatches: parts that a batch is cut into.
      learning_rate: of Adam, annealed linearly to zero [37, 4].
      discount: gamma.
      smoothing: lambda of GAE.
      clip: of the probability ratio.
      value_coefficient: weight of the value loss.
      entropy_coefficient: weight of the entropy bonus.
      max_gradient_norm: global norm at which gradients are clipped [37, 11].
      hidden: widths of the hidden layers.
      log_std: initial log standard deviation of the actions.
      transform: how the terms of a found reward are composed for training: "none" as it is
        written; "par" as a bounded preference over random steps; "carl" as progress times
        penalties; "caps" with caps on terms of which more brought no more fitness in earlier
        generations. See ``reward.transforms``.
    """

    envs: int = 32
    horizon: int = 64
    epochs: int = 10
    minibatches: int = 16
    learning_rate: float = 1e-3
    discount: float = 0.99
    smoothing: float = 0.95
    clip: float = 0.2
    value_coefficient: float = 0.5
    entropy_coefficient: float = 0.0
    max_gradient_norm: float = 0.5
    hidden: tuple[int, ...] = (64, 64)
    log_std: float = 0.0
    transform: str = "none"

    @property
    def batch(self) -> int:
        """Environment steps between updates."""
        return self.envs * self.horizon

    def iterations(self, steps: int) -> int:
        """Number of updates that ``steps`` environment steps are enough for, at least 1."""
        return max(1, steps // self.batch)
