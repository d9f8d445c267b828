"""The CPU backend: mujoco.Batch on native threads."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from mujoco.batch import Batch, SimulationError

from reward_synth.randomisation import Randomisation
from reward_synth.sim.bank import EpisodeBank
from reward_synth.sim.perturb import Perturbations
from reward_synth.sim.worlds import bounds_of
from reward_synth.task.fields import Block
from reward_synth.task.limits import Measured
from reward_synth.task.models import DIVERGENCE
from reward_synth.task.task import Task

Array = jax.Array | np.ndarray


class CpuBackend:
    """n simulations on native threads; implements ``Backend``.

    Bit-identical at any thread count, because simulations share nothing. Positions,
    velocities and the sensors that follow from them are those of the state after the step;
    sensors of forces and accelerations are those of its last physics step.

    Args:
      task: the task.
      keys: (n,) JAX random keys, one stream of initial states a simulation.
      threads: physics threads; 0 for all cores.
      dtype: of the state vectors; float64 where rounding would show.
      randomisation: between which bounds the worlds of episodes differ, for all simulations or
        for each one; each episode draws its own. None leaves all as the model says.
    """

    def __init__(
        self,
        task: Task,
        keys: jax.Array,
        *,
        threads: int = 0,
        dtype: type = np.float32,
        randomisation: Randomisation | Sequence[Randomisation] | None = None,
    ) -> None:
        self.n = len(keys)
        self._task = task
        model = task.model
        self._batch = Batch(model, self.n, threads)
        self._last_action = np.zeros((self.n, model.nu))
        self._arrays: dict[Block, np.ndarray] = {
            "qpos": self._batch.bind("qpos"),
            "qvel": self._batch.bind("qvel"),
            "sensordata": self._batch.bind("sensordata"),
            "last_action": self._last_action,
        }
        self._ctrl = self._batch.bind("ctrl")
        self._state = np.zeros((self.n, task.layout.size), dtype)
        self._diverged = np.zeros(self.n, bool)
        self._episode = np.zeros(self.n, np.int64)
        self._bank = EpisodeBank(self.n, lambda ids, episodes: _draw(task, keys[ids], episodes))
        self._perturbations = None
        if randomisation:
            bounds = bounds_of(randomisation, self.n)
            self._perturbations = Perturbations(task, self._batch, keys, bounds)
        self._running: np.ndarray | None = None  # which are stepped; None for all

    @property
    def qpos(self) -> np.ndarray:
        """(n, nq) MuJoCo's positions, a live view."""
        return self._arrays["qpos"]

    @property
    def qvel(self) -> np.ndarray:
        """(n, nv) MuJoCo's velocities, a live view."""
        return self._arrays["qvel"]

    @property
    def noise(self) -> np.ndarray:
        """(n,) of the observations in the present episodes, see ``Worlds``."""
        return np.zeros(self.n) if self._perturbations is None else self._perturbations.noise

    def reset(self, ids: np.ndarray | None = None) -> np.ndarray:
        """Start new episodes; see ``Backend.reset``."""
        chosen = np.arange(self.n) if ids is None else np.asarray(ids)
        qpos, qvel = self._bank.take(chosen, self._episode[chosen])
        self._batch.reset(chosen, stage=mujoco.mjtStage.mjSTAGE_NONE)
        if self._perturbations is not None:
            self._perturbations.begin(chosen, self._episode[chosen])
        self._episode[chosen] += 1
        self.qpos[chosen] = qpos
        self.qvel[chosen] = qvel
        self._last_action[chosen] = 0.0
        self._diverged[chosen] = False
        self._batch.forward(chosen)
        return self._read()

    def step(self, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Apply one action for ``frame_skip`` physics steps; see ``Backend.step``.

        An action that is not finite counts as divergence: MuJoCo would take zero in its place.
        """
        task = self._task
        self._diverged |= ~np.isfinite(action).all(axis=1)
        rows = slice(None) if self._running is None else self._running
        self._last_action[rows] = action[rows]
        self._last_action[self._diverged] = 0.0
        arrived = self._last_action
        if self._perturbations is not None:
            arrived = self._perturbations.act(arrived)
        np.multiply(arrived, task.action_scale, out=self._ctrl)
        self._ctrl += task.action_offset
        try:
            # Sensors are made current at the new state: mj_step alone leaves them a substep behind.
            stage = mujoco.mjtStage.mjSTAGE_VEL
            self._batch.step(self._running, nstep=task.frame_skip, stage=stage)
        except SimulationError as error:
            self._diverged[error.ids] = True
        self._diverged |= self._batch.warning[:, DIVERGENCE, 1].any(axis=1)
        self._diverged |= ~np.isfinite(self._batch.state).all(axis=1)
        return self._read(), self._diverged.copy()

    def measured(self, block: Measured) -> np.ndarray:
        """Return one of MuJoCo's arrays, (n, m), a live view; zeros until the next step."""
        return self._batch.bind(block)

    def retire(self, ids: np.ndarray) -> None:
        """Step simulations ``ids`` no more: they keep their state, and cost nothing."""
        running = np.arange(self.n) if self._running is None else self._running
        self._running = np.setdiff1d(running, ids)

    def checkpoint(self) -> dict[str, np.ndarray]:
        """Return copies of all that changes; see ``Backend.checkpoint``."""
        own = {
            "simulation": self._batch.state.copy(),
            "last_action": self._last_action.copy(),
            "state": self._state.copy(),
            "diverged": self._diverged.copy(),
            "episode": self._episode.copy(),
        }
        return own | (self._perturbations.checkpoint() if self._perturbations else {})

    def restore(self, saved: dict[str, np.ndarray]) -> np.ndarray:
        """Continue from ``checkpoint``; see ``Backend.restore``."""
        self._batch.state[:] = saved["simulation"]
        self._last_action[:] = saved["last_action"]
        self._state[:] = saved["state"]
        self._diverged[:] = saved["diverged"]
        self._episode[:] = saved["episode"]
        if self._perturbations is not None:
            self._perturbations.restore(saved, self._episode - 1)
        # Sensors are not part of the checkpoint. Up to velocities their computation leaves
        # the simulation's own state alone, solver warm start included.
        self._batch.forward(stage=mujoco.mjtStage.mjSTAGE_VEL)
        return self._state

    def _read(self) -> np.ndarray:
        """Refresh the states, except where the simulation diverged."""
        if not self._diverged.any():
            return self._task.layout.read(self._arrays, self._state)
        frozen = self._state[self._diverged].copy()
        self._task.layout.read(self._arrays, self._state)
        self._state[self._diverged] = frozen
        return self._state


@partial(jax.jit, static_argnums=0)
def _draw(task: Task, keys: jax.Array, episodes: Array) -> tuple[jax.Array, jax.Array]:
    """Draw positions, (b, e, nq), and velocities, (b, e, nv), of e episodes of b simulations."""
    data = mujoco.MjData(task.model)
    home = jnp.asarray(data.qpos), jnp.asarray(data.qvel)
    reset = jax.vmap(task.reset, (0, None, None))

    def drawn(key: jax.Array, numbers: Array) -> tuple[jax.Array, jax.Array]:
        return reset(jax.vmap(jax.random.fold_in, (None, 0))(key, numbers), *home)

    return jax.vmap(drawn)(keys, episodes)
