"""A task with a reward as a Gymnasium environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from reward_synth.gym import spaces
from reward_synth.gym.outcome import outcome
from reward_synth.gym.resolve import resolve_reward, resolve_task
from reward_synth.reward.rewards import Reward
from reward_synth.sim.cpu import CpuBackend
from reward_synth.task import Task, batched


class TaskEnv(gymnasium.Env[np.ndarray, np.ndarray]):
    """One simulation of a task.

    An episode is truncated after the task's own number of steps, and when the simulation
    diverges. The info of a step has

    - ``reward_terms``: name to value of each term of the reward;
    - ``fitness``: what the search sums over an episode and maximises;
    - ``success``: whether the goal holds now;
    - ``diverged``: whether MuJoCo could not continue.

    Args:
      task: a bundled task's name, a task folder, or a Task.
      reward: ``"expert"``, the task's human-written one; ``"sparse"``, one for every step that
        ends in success; a candidate's folder of a run, or a ``reward.py``, whose Python runs in
        the sandbox only; or a Reward.
      render_mode: ``"rgb_array"``, or None for no pictures.
      width, height: of pictures, in pixels.

    Raises:
      TaskError: there is no such task, it cannot be used, or it has no expert reward.
      ConfigError: there is no such reward, or it is none for this task.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 50}  # noqa: RUF012 (Gymnasium's)

    def __init__(
        self,
        task: str | Path | Task = "hopper",
        reward: str | Path | Reward = "expert",
        *,
        render_mode: str | None = None,
        width: int = 480,
        height: int = 360,
    ) -> None:
        self.task = resolve_task(task)
        self.reward = resolve_reward(reward, self.task)
        self.observation_space = spaces.observation_space(self.task)
        self.action_space = spaces.action_space(self.task)
        self.metadata = spaces.metadata(self.task)
        self.render_mode = render_mode
        self._painter = spaces.Painter(self.task, width, height)
        self._backend: CpuBackend | None = None
        self._state = np.zeros((1, self.task.layout.size), np.float32)
        self._steps = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start an episode; one seed always gives the same sequence of initial states."""
        super().reset(seed=seed)
        if self._backend is None and seed is None:
            seed = int(self.np_random.integers(2**31))
        if seed is not None:
            self._backend = CpuBackend(self.task, spaces.keys_of([seed]), threads=1)
        assert self._backend is not None
        self._state = self._backend.reset().copy()
        self._steps = 0
        return np.array(batched.observe(self.task, self._state)[0], np.float32), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Apply an action, (A,), for one control step; what lies beyond [-1, 1] is cut off."""
        if self._backend is None:
            raise gymnasium.error.ResetNeeded("call reset() before step().")
        applied = np.clip(np.asarray(action, np.float32), -1.0, 1.0)[None]
        state, diverged = self._backend.step(applied)
        before, self._state = self._state, state.copy()
        result = outcome(self.task, self.reward, before, applied, self._state)
        self._steps += 1
        terminated = bool(result.terminated[0] and not diverged[0])
        limit = self._steps >= self.task.description.episode_steps
        info = {
            "reward_terms": dict(zip(self.reward.terms, result.terms[0].tolist(), strict=True)),
            "fitness": float(result.fitness[0]),
            "success": bool(result.success[0]),
            "diverged": bool(diverged[0]),
        }
        truncated = bool((limit or diverged[0]) and not terminated)
        return np.array(result.observation[0]), float(result.reward[0]), terminated, truncated, info

    def render(self) -> np.ndarray | None:  # type: ignore[override] (one picture, not a list)
        """Return a picture of the present posture, (height, width, 3) uint8.

        Raises:
          RewardSynthError: this process cannot draw.
        """
        if self.render_mode is None or self._backend is None:
            return None
        return self._painter.draw(self._backend.qpos[0])

    def close(self) -> None:
        """Give back what drawing took."""
        self._painter.close()
