"""A trained policy: the network and the statistics that its inputs are normalised with."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from reward_synth.files import atomic_write, save_arrays
from reward_synth.train import networks
from reward_synth.train.networks import Layer, Network
from reward_synth.train.normalize import RunningStatistics
from reward_synth.train.ppo import Learner


class Policy(NamedTuple):
    """What acts: everything else that training keeps is left behind."""

    network: Network
    observations: RunningStatistics

    @classmethod
    def of(cls, learner: Learner) -> Policy:
        """Take the policy out of a learner."""
        return cls(learner.network, learner.observations)

    def act(self, observation: jax.Array) -> jax.Array:
        """Return the action without noise, (..., A) in [-1, 1], for raw observations, (..., O)."""
        mean = networks.action_mean(self.network, self.observations.normalize(observation))
        return jnp.clip(mean, -1.0, 1.0)

    def save(self, path: Path) -> None:
        """Write an npz of named arrays, in one piece or not at all."""
        arrays = {
            "observation_mean": self.observations.mean,
            "observation_variance": self.observations.variance,
            "observation_count": self.observations.count,
            "log_std": self.network.log_std,
        }
        for part in ("actor", "critic"):
            for i, layer in enumerate(getattr(self.network, part)):
                arrays[f"{part}_{i}_weight"] = layer.weight
                arrays[f"{part}_{i}_bias"] = layer.bias
        with atomic_write(path) as file:
            save_arrays(file, {name: np.asarray(value) for name, value in arrays.items()})

    @classmethod
    def load(cls, path: Path) -> Policy:
        """Read what ``save`` wrote."""
        with path.open("rb") as file, np.load(file) as arrays:
            layers = {
                part: tuple(
                    Layer(
                        jnp.asarray(arrays[f"{part}_{i}_weight"]),
                        jnp.asarray(arrays[f"{part}_{i}_bias"]),
                    )
                    for i in range(sum(name.startswith(f"{part}_") for name in arrays) // 2)
                )
                for part in ("actor", "critic")
            }
            statistics = RunningStatistics(
                *(jnp.asarray(arrays[f"observation_{x}"]) for x in ("mean", "variance", "count"))
            )
            network = Network(layers["actor"], layers["critic"], jnp.asarray(arrays["log_std"]))
        return cls(network, statistics)
