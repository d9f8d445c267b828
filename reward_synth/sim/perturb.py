"""Domain randomisation of ``mujoco.Batch``: what makes the worlds of its simulations differ."""

from __future__ import annotations

import jax
import mujoco
import numpy as np
from mujoco.batch import Batch

from reward_synth.sim.bank import EpisodeBank
from reward_synth.sim.worlds import Worlds, draw_worlds, push_force, pushed, varies
from reward_synth.task.task import Task

# The model's arrays that each factor multiplies.
SCALED = {
    "mass": ("body_mass", "body_inertia"),
    "friction": ("geom_friction", "pair_friction", "dof_frictionloss"),
    "gain": ("actuator_gainprm", "actuator_biasprm"),
}
_PARAMETERS = 3  # of a gain or bias, that are proportional to the force; not so of muscles


class Perturbations:
    """The worlds of a batch's n simulations, each drawn anew when an episode begins.

    Only what has a range costs anything: its model fields become per-simulation, actions pass
    a queue, or forces are written.

    Args:
      task: the task.
      batch: whose model fields are made to differ.
      keys: (n,) the simulations' JAX random keys.
      bounds: (n, 6, 2) between which worlds are drawn, see ``Randomisation.bounds``.
    """

    def __init__(self, task: Task, batch: Batch, keys: jax.Array, bounds: np.ndarray) -> None:
        self._batch = batch
        self._pushed = target = pushed(task)
        self._varies = varies(bounds)
        self._fields = {
            name: {field: batch.expand(field) for field in fields}
            for name, fields in SCALED.items()
            if self._varies[name]
        }
        self._parts = scalable(task.model)
        self._sent = np.zeros((len(keys), int(bounds[:, 3, 1].max()) + 1, task.model.nu))
        self._steps = np.zeros(len(keys), np.int64)
        self._force = batch.bind("xfrc_applied")[:, target.body, :2]
        steps = task.description.episode_steps

        def draw(ids: np.ndarray, episodes: np.ndarray) -> Worlds:
            return draw_worlds(steps, target.movable, bounds[ids], keys[ids], episodes)

        self._bank = EpisodeBank(len(keys), draw)
        everyone = np.arange(len(keys))
        self._worlds = Worlds(*self._bank.take(everyone, np.zeros(len(keys), np.int64)))

    @property
    def noise(self) -> np.ndarray:
        """(n,) of observations, in the present episodes; see ``Worlds``."""
        return np.asarray(self._worlds.noise)

    def begin(self, ids: np.ndarray, episodes: np.ndarray) -> None:
        """Let simulations ``ids`` begin their episodes of these numbers."""
        self._enter(ids, episodes)
        self._sent[ids] = 0.0
        self._steps[ids] = 0

    def _enter(self, ids: np.ndarray, episodes: np.ndarray) -> None:
        """Give simulations the worlds of their episodes."""
        found = Worlds(*self._bank.take(ids, episodes))
        for mine, new in zip(self._worlds, found, strict=True):
            mine[ids] = new
        for name, fields in self._fields.items():
            factor = getattr(found, name)
            for field, values in fields.items():
                fixed, scaled = self._parts[field]
                by = factor.astype(np.float64).reshape(-1, *[1] * scaled.ndim)
                values[ids] = fixed + scaled * by
        if "mass" in self._fields:
            self._batch.set_const(ids)

    def act(self, action: np.ndarray) -> np.ndarray:
        """Return what arrives of the actions that are sent, (n, A), and push where it is time."""
        arrived = action
        if self._varies["delay"]:
            self._sent[:, 1:] = self._sent[:, :-1]
            self._sent[:, 0] = action
            arrived = self._sent[np.arange(len(action)), self._worlds.delay]
        if self._varies["push"]:
            self._force[:] = push_force(self._worlds, self._pushed, self._steps)
            self._steps += 1
        return arrived

    def checkpoint(self) -> dict[str, np.ndarray]:
        """Return what does not follow from the numbers of the episodes."""
        return {"sent": self._sent.copy(), "world_steps": self._steps.copy()}

    def restore(self, saved: dict[str, np.ndarray], episodes: np.ndarray) -> None:
        """Continue from ``checkpoint`` in episodes of these numbers, (n,)."""
        self._enter(np.arange(len(episodes)), episodes)
        self._sent[:] = saved["sent"]
        self._steps[:] = saved["world_steps"]


def scalable(model: mujoco.MjModel) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return each field in ``SCALED`` as two summands: what stays, and what a factor multiplies."""
    parts = {}
    muscles = model.actuator_gaintype == mujoco.mjtGain.mjGAIN_MUSCLE
    for name, fields in SCALED.items():
        for field in fields:
            values = getattr(model, field)
            scaled = np.ones_like(values)
            if name == "gain":
                scaled[:, _PARAMETERS:] = scaled[muscles] = 0.0
            parts[field] = values * (1.0 - scaled), values * scaled
    return parts
