"""An encoder that knows two sentences, "high" and "low": how high warm colours stand in a picture.

It stands in for CLIP where a model cannot be had or takes too long, and is exact enough for
what it sees that a policy can learn from it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_WARM = 0.06  # by how much red is above blue, of 1; greys, floor and background have none


class WarmHeight:
    """Embeds the mean height of warm pixels, 0 to 1, as an angle of a quarter turn."""

    def pictures(self, pictures: np.ndarray) -> np.ndarray:
        """Return embeddings, (F, 2), of pictures, (F, H, W, 3) uint8."""
        warm = (pictures[..., 0].astype(np.float64) - pictures[..., 2]) / 255 > _WARM
        height = np.linspace(1.0, 0.0, pictures.shape[1])[:, None]
        count = np.maximum(warm.sum((1, 2)), 1)
        return _angle((warm * height).sum((1, 2)) / count)

    def sentences(self, sentences: Sequence[str]) -> np.ndarray:
        """Return embeddings, (n, 2): of what is high for "... high", else of what is low."""
        return _angle(np.array([float("high" in sentence) for sentence in sentences]))


def _angle(height: np.ndarray) -> np.ndarray:
    turn = 0.5 * np.pi * height
    return np.stack([np.cos(turn), np.sin(turn)], -1)
