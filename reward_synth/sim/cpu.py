"""The CPU backend: mujoco.Batch on native threads."""

from __future__ import annotations

import jax
import mujoco
import numpy as np
from mujoco.batch import Batch, SimulationError

from reward_synth.task.fields import Block
from reward_synth.task.task import Task

# Initial states are drawn this many episodes ahead, so that a reset is usually a memory copy.
_EPISODES_AHEAD = 8


class CpuBackend:
    """n simulations on native threads; implements ``Backend``.

    Bit-identical at any thread count, because simulations share nothing.

    Args:
      task: the task.
      keys: (n,) JAX random keys, one stream of initial states a simulation.
      threads: physics threads; 0 for all cores.
      dtype: of the state vectors; float64 where rounding would show.
    """

    def __init__(
        self, task: Task, keys: jax.Array, *, threads: int = 0, dtype: type = np.float32
    ) -> None:
        self.n = len(keys)
        self._task = task
        model = task.model
        self._batch = Batch(model, self.n, threads)
        self._arrays: dict[Block, np.ndarray] = {
            "qpos": self._batch.bind("qpos"),
            "qvel": self._batch.bind("qvel"),
            "sensordata": self._batch.bind("sensordata"),
            "last_action": np.zeros((self.n, model.nu)),
        }
        self._ctrl = self._batch.bind("ctrl")
        self._state = np.zeros((self.n, task.layout.size), dtype)
        self._episode = np.zeros(self.n, np.int64)
        self._bank = _ResetBank(task, keys)

    @property
    def qpos(self) -> np.ndarray:
        """(n, nq) MuJoCo's positions, a live view."""
        return self._arrays["qpos"]

    def reset(self, ids: np.ndarray | None = None) -> np.ndarray:
        """Start new episodes; see ``Backend.reset``."""
        chosen = np.arange(self.n) if ids is None else np.asarray(ids)
        qpos, qvel = self._bank.draw(chosen, self._episode[chosen])
        self._episode[chosen] += 1
        self._batch.reset(chosen, stage=mujoco.mjtStage.mjSTAGE_NONE)
        self._arrays["qpos"][chosen] = qpos
        self._arrays["qvel"][chosen] = qvel
        self._arrays["last_action"][chosen] = 0.0
        self._batch.forward(chosen)
        return self._read()

    def step(self, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Apply one action for ``frame_skip`` physics steps; see ``Backend.step``."""
        task = self._task
        self._arrays["last_action"][:] = action
        self._ctrl[:] = task.action_offset + task.action_scale * action
        failed = np.zeros(self.n, bool)
        try:
            # Sensors are made current at the new state: mj_step alone leaves them a substep behind.
            self._batch.step(nstep=task.frame_skip, stage=mujoco.mjtStage.mjSTAGE_VEL)
        except SimulationError as error:
            failed[error.ids] = True
        before = self._state.copy()
        state = self._read()
        diverged = failed | ~np.isfinite(state).all(axis=1)
        if diverged.any():
            state[diverged] = before[diverged]
        return state, diverged

    def checkpoint(self) -> dict[str, np.ndarray]:
        """Return what is needed to continue bit-identically with ``restore``."""
        state = self._batch.bind("qpos").base
        assert state is not None
        return {
            "rows": np.array(state),
            "episode": self._episode.copy(),
            "last_action": self._arrays["last_action"].copy(),
            "state": self._state.copy(),
        }

    def restore(self, saved: dict[str, np.ndarray]) -> np.ndarray:
        """Continue from ``checkpoint``; returns the states, (n, S)."""
        state = self._batch.bind("qpos").base
        assert state is not None
        state[:] = saved["rows"]
        self._episode[:] = saved["episode"]
        self._arrays["last_action"][:] = saved["last_action"]
        self._state[:] = saved["state"]
        return self._state

    def _read(self) -> np.ndarray:
        return self._task.layout.read(self._arrays, self._state)


class _ResetBank:
    """Initial states, drawn some episodes ahead.

    Episode e of simulation i always starts from the draw of key ``fold_in(keys[i], e)``.
    """

    def __init__(self, task: Task, keys: jax.Array) -> None:
        data = mujoco.MjData(task.model)
        home = np.array(data.qpos), np.array(data.qvel)
        self._keys = keys
        self._block = np.full(len(keys), -1)

        def draw(key: jax.Array, block: jax.Array) -> tuple[jax.Array, jax.Array]:
            episodes = block * _EPISODES_AHEAD + jax.numpy.arange(_EPISODES_AHEAD)
            folded = jax.vmap(jax.random.fold_in, (None, 0))(key, episodes)
            return jax.vmap(task.reset, (0, None, None))(folded, *home)

        self._draw = jax.jit(jax.vmap(draw))
        self._qpos = np.zeros((len(keys), _EPISODES_AHEAD, task.model.nq))
        self._qvel = np.zeros((len(keys), _EPISODES_AHEAD, task.model.nv))

    def draw(self, ids: np.ndarray, episodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return positions, (len(ids), nq), and velocities, (len(ids), nv)."""
        block, slot = np.divmod(episodes, _EPISODES_AHEAD)
        if (block != self._block[ids]).any():
            self._block[ids] = block
            # Always the full batch: one compiled shape, and a draw costs less than a dispatch.
            qpos, qvel = self._draw(self._keys, np.maximum(self._block, 0))
            self._qpos, self._qvel = np.asarray(qpos), np.asarray(qvel)
        return self._qpos[ids, slot], self._qvel[ids, slot]
