"""Our simulations as Stable-Baselines3's VecEnv: n of them on native threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from stable_baselines3.common.vec_env import VecEnv

from reward_synth.gym import spaces
from reward_synth.gym.outcome import Outcome, outcome
from reward_synth.reward.rewards import Reward
from reward_synth.sim.cpu import CpuBackend
from reward_synth.sim.vector import Step, VectorEnv
from reward_synth.task import Task, batched


class SimVecEnv(VecEnv):
    """n simulations of a task that start a new episode by themselves when one ends.

    Where one ended, the info has what Stable-Baselines3 looks for there:
    ``terminal_observation`` and ``TimeLimit.truncated``.

    Args:
      task: the task.
      reward: the reward.
      keys: (n,) JAX random keys, one stream of initial states a simulation.
      threads: physics threads; 0 for all cores.
      on_step: hears of each step and what it was worth; what it raises ends the step.
    """

    def __init__(
        self,
        task: Task,
        reward: Reward,
        keys: jax.Array,
        *,
        threads: int = 0,
        on_step: Callable[[Step, Outcome], None] = lambda step, result: None,
    ) -> None:
        self.render_mode = None
        self._task = task
        self._reward = reward
        self._backend = CpuBackend(task, keys, threads=threads)
        self._envs: VectorEnv | None = None
        self._action = np.zeros((len(keys), task.description.action_size), np.float32)
        self._on_step = on_step
        super().__init__(len(keys), spaces.observation_space(task), spaces.action_space(task))

    def reset(self) -> np.ndarray:
        """Start new episodes in all; return observations, (n, O)."""
        self._envs = VectorEnv(self._task, self._backend)
        return self._observe()

    def step_async(self, actions: np.ndarray) -> None:
        """Take note of actions, (n, A) in [-1, 1]."""
        self._action = np.asarray(actions, np.float32)

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Step; return observations, (n, O), rewards, (n,), ends, (n,) bool, and n infos."""
        assert self._envs is not None
        before = self._envs.state
        step = self._envs.step(self._action)
        result = outcome(self._task, self._reward, before, self._action, step.next_state)
        self._on_step(step, result)
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        observation = result.observation
        ended = np.flatnonzero(step.done)
        for i in ended:
            infos[i]["terminal_observation"] = result.observation[i].copy()
            infos[i]["TimeLimit.truncated"] = bool(step.truncated[i])
        if len(ended):
            observation = self._observe()
        return np.array(observation), np.array(result.reward), step.done, infos

    def close(self) -> None:
        """Nothing to give back."""

    def _observe(self) -> np.ndarray:
        assert self._envs is not None
        return np.array(batched.observe(self._task, self._envs.state), np.float32)

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:  # noqa: ANN401
        """Return an attribute of this object for each of the simulations asked for."""
        return [getattr(self, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:  # noqa: ANN401
        """Refuse: simulations have no attributes of their own."""
        raise AttributeError(f"{attr_name} cannot be set in single simulations.")

    def env_method(
        self,
        method_name: str,
        *method_args: Any,  # noqa: ANN401
        indices: Any = None,  # noqa: ANN401
        **method_kwargs: Any,  # noqa: ANN401
    ) -> list[Any]:
        """Refuse: simulations have no methods of their own."""
        raise AttributeError(f"{method_name}() cannot be called in single simulations.")

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> Sequence[bool]:  # noqa: ANN401
        """Return that none of the simulations asked for is wrapped."""
        return [False] * len(list(self._get_indices(indices)))
