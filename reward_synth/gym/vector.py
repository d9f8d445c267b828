"""Many simulations of a task as a Gymnasium vector environment, on native threads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from reward_synth.gym import spaces
from reward_synth.gym.outcome import Outcome, outcome
from reward_synth.gym.resolve import resolve_reward, resolve_task
from reward_synth.reward.rewards import Reward
from reward_synth.sim.cpu import CpuBackend
from reward_synth.sim.vector import Step, VectorEnv
from reward_synth.task import Task, batched


class TaskVectorEnv(gymnasium.vector.VectorEnv[np.ndarray, np.ndarray, np.ndarray]):
    """n simulations of a task, stepped together.

    Gives the numbers that n ``TaskEnv`` give in Gymnasium's SyncVectorEnv with
    autoreset in the same step, for the same seed, and infos of the same form: where an
    episode ended, ``final_obs`` and ``final_info`` have its last step's.

    Args:
      num_envs: n.
      task, reward, render_mode, width, height: see ``TaskEnv``.
      threads: physics threads; 0 for all cores. Results do not depend on it.

    Raises:
      TaskError, ConfigError: see ``TaskEnv``.
    """

    def __init__(
        self,
        num_envs: int = 1,
        task: str | Path | Task = "hopper",
        reward: str | Path | Reward = "expert",
        *,
        threads: int = 0,
        render_mode: str | None = None,
        width: int = 480,
        height: int = 360,
    ) -> None:
        self.num_envs = num_envs
        self.task = resolve_task(task)
        self.reward = resolve_reward(reward, self.task)
        self.single_observation_space = spaces.observation_space(self.task)
        self.single_action_space = spaces.action_space(self.task)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.metadata = spaces.metadata(self.task) | {"autoreset_mode": AutoresetMode.SAME_STEP}
        self.render_mode = render_mode
        self._painter = spaces.Painter(self.task, width, height)
        self._threads = threads
        self._backend: CpuBackend | None = None
        self._envs: VectorEnv | None = None

    def reset(
        self, *, seed: int | Sequence[int] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start an episode in each; an int seeds them with seed, seed + 1, ..."""
        if isinstance(seed, int):
            super().reset(seed=seed)
            seeds: Sequence[int] = range(seed, seed + self.num_envs)
        elif seed is not None:
            seeds = seed
        elif self._backend is None:
            seeds = self.np_random.integers(2**31, size=self.num_envs).tolist()
        else:
            seeds = ()
        if seeds:
            self._backend = CpuBackend(self.task, spaces.keys_of(seeds), threads=self._threads)
        assert self._backend is not None
        self._envs = VectorEnv(self.task, self._backend)
        return self._observe(), {}

    def step(
        self, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Apply actions, (n, A); what lies beyond [-1, 1] is cut off."""
        if self._envs is None:
            raise gymnasium.error.ResetNeeded("call reset() before step().")
        applied = np.clip(np.asarray(actions, np.float32), -1.0, 1.0)
        before = self._envs.state
        step = self._envs.step(applied)
        result = outcome(self.task, self.reward, before, applied, step.next_state)
        done = step.done
        infos = _masked(self._values(result, step), ~done)
        observation = result.observation
        if done.any():
            last = np.full(self.num_envs, None, object)
            for i in np.flatnonzero(done):
                last[i] = observation[i].copy()
            infos |= {"final_obs": last, "_final_obs": done.copy()}
            infos |= _masked({"final_info": self._values(result, step)}, done)
            observation = np.where(done[:, None], self._observe(), observation)
        reward = result.reward.astype(np.float64)
        return np.array(observation), reward, step.terminated, step.truncated, infos

    def render(self) -> tuple[np.ndarray, ...] | None:
        """Return a picture of each, (height, width, 3) uint8.

        Raises:
          RewardSynthError: this process cannot draw.
        """
        if self.render_mode is None or self._backend is None:
            return None
        return tuple(self._painter.draw(posture) for posture in self._backend.qpos)

    def close_extras(self, **kwargs: Any) -> None:  # noqa: ANN401
        """Give back what drawing took."""
        self._painter.close()

    def _observe(self) -> np.ndarray:
        assert self._envs is not None
        return np.array(batched.observe(self.task, self._envs.state), np.float32)

    def _values(self, result: Outcome, step: Step) -> dict[str, Any]:
        """What ``TaskEnv`` has in the info of a step, (n,) each."""
        return {
            "reward_terms": dict(zip(self.reward.terms, result.terms.T.astype(float), strict=True)),
            "fitness": result.fitness.astype(float),
            "success": result.success,
            "diverged": step.diverged,
        }


def _masked(values: Mapping[str, Any], mask: np.ndarray) -> dict[str, Any]:
    """Return values as Gymnasium's infos have them: zero where the mask, ``_<name>``, is False."""
    if not mask.any():
        return {}
    infos: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            infos[name] = _masked(value, mask)
        else:
            infos[name] = np.where(mask, value, np.zeros((), value.dtype))
        infos[f"_{name}"] = mask.copy()
    return infos
