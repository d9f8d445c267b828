"""Episodes on top of a backend: termination, truncation and automatic reset."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import numpy as np

from reward_synth.sim.backend import Backend
from reward_synth.task.task import Task


@dataclass(frozen=True, slots=True)
class Step:
    """One control step of n simulations.

    Attributes:
      next_state: (n, S) the true next states; at the end of an episode this is
        its last state, not the first of the next one.
      terminated: (n,) bool, the task ended the episode: no value beyond it.
      truncated: (n,) bool, the time limit or a simulation that diverged cut the
        episode short: the value of ``next_state`` still counts.
      diverged: (n,) bool, MuJoCo could not continue; a subset of ``truncated``.
      length: (n,) int, steps of the episode so far, this one included.
    """

    next_state: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    diverged: np.ndarray
    length: np.ndarray

    @property
    def done(self) -> np.ndarray:
        """(n,) bool, the episode is over."""
        return self.terminated | self.truncated


class VectorEnv:
    """n environments that start a new episode by themselves when one ends.

    Attributes:
      state: (n, S) the states to act in; after a step, already those of the new episodes.
    """

    def __init__(self, task: Task, backend: Backend) -> None:
        self._task = task
        self._backend = backend
        self._steps = np.zeros(backend.n, np.int64)
        self._terminated = jax.jit(jax.vmap(lambda vector: task.terminated(task.view(vector))))
        self.state = backend.reset().copy()

    @property
    def n(self) -> int:
        """Number of environments."""
        return self._backend.n

    def step(self, action: np.ndarray) -> Step:
        """Apply actions, (n, A) in [-1, 1], and start new episodes where one ended."""
        state, diverged = self._backend.step(action)
        next_state = state.copy()
        self._steps += 1
        terminated = np.asarray(self._terminated(next_state)).reshape(-1) & ~diverged
        limit = self._steps >= self._task.description.episode_steps
        truncated = (limit | diverged) & ~terminated
        length = self._steps.copy()
        ended = np.flatnonzero(terminated | truncated)
        if len(ended):
            state = self._backend.reset(ended)
            self._steps[ended] = 0
        self.state = state.copy()
        return Step(next_state, terminated, truncated, diverged, length)
