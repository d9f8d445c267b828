"""Episodes on top of a backend: termination, truncation and automatic reset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from reward_synth.sim.backend import Backend
from reward_synth.task import batched
from reward_synth.task.task import Task

Bools = TypeVar("Bools", bound=Any)  # of NumPy or of JAX


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


def how_ended(
    task: Task,
    terminated: Bools,
    diverged: Bools,
    length: Any,  # noqa: ANN401
) -> tuple[Bools, Bools]:
    """Return which episodes end here, terminated and truncated, (n,) bool each.

    Args:
      task: the task.
      terminated: (n,) bool, what the task says of the states.
      diverged: (n,) bool; the last finite state says nothing about how the episode would end.
      length: (n,) int, steps of the episodes so far.
    """
    terminated = terminated & ~diverged
    limit = length >= task.description.episode_steps
    return terminated, (limit | diverged) & ~terminated


class VectorEnv:
    """n environments that start a new episode by themselves when one ends.

    Attributes:
      state: (n, S) the states to act in; after a step, already those of the new episodes.
    """

    def __init__(self, task: Task, backend: Backend) -> None:
        self._task = task
        self._backend = backend
        self._steps = np.zeros(backend.n, np.int64)
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
        length = self._steps.copy()
        terminated = np.zeros(self.n, bool)
        if self._task.description.terminates:
            terminated = np.asarray(batched.terminated(self._task, next_state))
        terminated, truncated = how_ended(self._task, terminated, diverged, length)
        self.state = next_state
        ended = np.flatnonzero(terminated | truncated)
        if len(ended):
            self.state = self._backend.reset(ended).copy()
            self._steps[ended] = 0
        return Step(next_state, terminated, truncated, diverged, length)

    def checkpoint(self) -> dict[str, np.ndarray]:
        """Return what ``restore`` needs to continue bit-identically."""
        return {"steps": self._steps.copy(), **self._backend.checkpoint()}

    def restore(self, saved: dict[str, np.ndarray]) -> None:
        """Continue from ``checkpoint``, in environments of the same task and keys."""
        self._steps[:] = saved["steps"]
        self.state = self._backend.restore(saved).copy()
