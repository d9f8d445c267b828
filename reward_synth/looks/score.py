"""From embeddings to a reward: goal-baseline regularised similarity.

Rocamonde et al. (2023), arXiv:2310.12921, definition 1 ("Goal-Baseline Regularization"). With
unit vectors g of the goal sentence, b of the baseline sentence and s of the picture, and L the
line through b and g,

    R(s) = 1 - 1/2 || alpha proj_L(s) + (1 - alpha) s - g ||^2

At alpha = 0 that is the cosine s . g; at alpha = 1 only the place along the line counts, so
that what a picture shows beside the point moves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class Goal:
    """What pictures are compared with.

    Attributes:
      goal: (D,) of length 1.
      direction: (D,) of length 1, from the baseline to the goal; zeros without a baseline.
      alpha: how far pictures are projected onto the line, from 0 to 1.
    """

    goal: np.ndarray
    direction: np.ndarray
    alpha: float

    @classmethod
    def of(cls, goal: np.ndarray, baseline: np.ndarray | None, alpha: float) -> Goal:
        """Prepare the comparison.

        Args:
          goal: (D,) embedding of the goal sentence, of any length but 0.
          baseline: (D,) that of the baseline sentence; None compares with the goal alone.
          alpha: how far pictures are projected onto the line, from 0 to 1.

        Raises:
          ValueError: an embedding is zero, or both are the same: there is no line.
        """
        g = unit(goal)
        if baseline is None:
            return cls(g, np.zeros_like(g), 0.0)
        return cls(g, unit(g - unit(baseline)), alpha)

    def scores(self, pictures: np.ndarray) -> np.ndarray:
        """Return R, (F,) float32 at most 1, of pictures' embeddings, (F, D)."""
        away = unit(pictures) - self.goal
        along = (away @ self.direction)[:, None] * self.direction
        # g lies on L, so proj_L(s) - g is the part of s - g along the line.
        rest = self.alpha * along + (1.0 - self.alpha) * away
        return (1.0 - 0.5 * np.square(rest).sum(1)).astype(np.float32)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return vectors, (..., D), in float64 and of length 1.

    Raises:
      ValueError: one of them has no direction, being zero or not finite.
    """
    vectors = np.asarray(vectors, np.float64)
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    if not np.all((length > 0.0) & np.isfinite(length)):
        raise ValueError("an embedding is zero or not finite, so it has no direction.")
    return vectors / length
