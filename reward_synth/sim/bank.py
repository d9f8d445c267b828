"""What simulations draw at the start of an episode, drawn some episodes ahead."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import numpy as np

# Episodes are drawn this many ahead, so that a reset is usually a memory copy, and for this many
# simulations at once, so that drawing compiles once whatever their number.
_EPISODES_AHEAD = 16
_DRAWN_AT_ONCE = 32

# (simulations (b,), numbers of episodes (b, e)) -> arrays (b, e, ...)
Draw = Callable[[np.ndarray, np.ndarray], Sequence[jax.Array | np.ndarray]]


class EpisodeBank:
    """Keeps what n simulations draw for their coming episodes.

    Args:
      n: number of simulations.
      draw: draws; for the same simulation and episode always the same.
    """

    def __init__(self, n: int, draw: Draw) -> None:
        self._n = n
        self._draw = draw
        self._block = np.full(n, -1)
        self._drawn: list[np.ndarray] = []

    def take(self, ids: np.ndarray, episodes: np.ndarray) -> list[np.ndarray]:
        """Return what was drawn for one episode of each simulation, arrays (len(ids), ...)."""
        block, slot = np.divmod(episodes, _EPISODES_AHEAD)
        used_up = ids[block != self._block[ids]]
        self._block[ids] = block
        chunks = -(-len(used_up) // _DRAWN_AT_ONCE)
        for chunk in np.resize(used_up, (chunks, _DRAWN_AT_ONCE)):  # repeats some to fill up
            numbers = self._block[chunk, None] * _EPISODES_AHEAD + np.arange(_EPISODES_AHEAD)
            found = [np.asarray(array) for array in self._draw(chunk, numbers)]
            if not self._drawn:
                self._drawn = [np.zeros((self._n, *x.shape[1:]), x.dtype) for x in found]
            for kept, new in zip(self._drawn, found, strict=True):
                kept[chunk] = new
        return [kept[ids, slot] for kept in self._drawn]
