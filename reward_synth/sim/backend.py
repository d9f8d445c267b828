"""The protocol that every simulator implements, and what it promises."""

from __future__ import annotations

from typing import Protocol

import numpy as np


class Backend(Protocol):
    """n simulations of one task, stepped together.

    Simulation i draws its initial states from its own random stream, so that
    what happens in it does not depend on its neighbours or on thread counts.
    Arrays that are returned belong to the backend and change with its next call.

    Attributes:
      n: number of simulations.
    """

    n: int

    def reset(self, ids: np.ndarray | None = None) -> np.ndarray:
        """Start new episodes in simulations ``ids`` (all if None); return all states, (n, S)."""
        ...

    def step(self, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Apply actions, (n, A) in [-1, 1], for one control step.

        Returns:
          States, (n, S), and whether each simulation diverged, (n,) bool. A
          diverged simulation keeps its last finite state until it is reset.
        """
        ...

    def checkpoint(self) -> dict[str, np.ndarray]:
        """Return what a backend of the same task and keys needs to continue bit-identically."""
        ...

    def restore(self, saved: dict[str, np.ndarray]) -> np.ndarray:
        """Continue from ``checkpoint``; return all states, (n, S)."""
        ...
