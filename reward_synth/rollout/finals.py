"""The trainings of a run's final comparison, and which of them stands for a reward."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np


def final_trainings(run: Path, name: str = "found") -> list[Path]:
    """Return the folders of a reward's final trainings, the least fit first.

    A training that failed, or whose files are gone, is not among them.

    Args:
      run: the run folder.
      name: of the reward, as the comparison calls it.
    """
    fitness = {
        policy.parent: _fitness(rollout)
        for policy in (run / "final" / name).glob("seed_*/policy.npz")
        if (rollout := policy.with_name("rollout.npz")).is_file()
    }
    return sorted(fitness, key=lambda folder: (fitness[folder], folder.name))


def median_training(run: Path, name: str = "found") -> Path | None:
    """Return the one in the middle, which stands for a reward; None if there is none.

    It is neither the luckiest nor the unluckiest.
    """
    order = final_trainings(run, name)
    return order[len(order) // 2] if order else None


def _fitness(rollout: Path) -> float:
    """Return the mean fitness of recorded episodes; without JAX, so that any process may ask."""
    with np.load(rollout) as arrays:
        mean = float(arrays["fitness"].sum(0).mean())
    return -math.inf if math.isnan(mean) else mean
