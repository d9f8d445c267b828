"""Which steps are looked at, and the scores of all of them.

Drawing is dear, so of an episode its first state, every k-th after it and its last are drawn,
and a score is held until the next. What is drawn for the last step of an episode is the state
that it ended in, never that of the episode which began by itself in its place; and a new
episode begins with its own picture, not with the last of the episode before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from reward_synth.errors import TaskError
from reward_synth.records import CLIP_SCORE, Field
from reward_synth.sim.cpu import CpuBackend
from reward_synth.task.task import Task

# Postures, (F, nq), MuJoCo's positions, to scores, (F,).
Score = Callable[[np.ndarray], np.ndarray]


def with_clip_score(task: Task, field: Field) -> Task:
    """Return the task with a last field that no simulation fills: what pictures look like.

    Raises:
      TaskError: the task has a field of this name itself.
    """
    if any(known.name == CLIP_SCORE for known in task.description.fields):
        raise TaskError(
            f"{task.name} declares a field {CLIP_SCORE!r}, the name of the reward from pixels: "
            "rename it, or run without looks.model."
        )
    fields = (*task.description.fields, field)
    return replace(
        task,
        description=replace(task.description, fields=fields),
        layout=replace(task.layout, fields=fields),
    )


class WatchedBackend(CpuBackend):
    """A CPU backend that remembers the postures before new episodes take their place.

    Attributes:
      stepped: (n, nq) float32 of the states that the last ``step`` returned.
      posture: (n, nq) float32 of the states returned last, by whatever.
    """

    posture: np.ndarray
    stepped: np.ndarray

    def reset(self, ids: np.ndarray | None = None) -> np.ndarray:
        """Start new episodes; see ``Backend.reset``."""
        state = super().reset(ids)
        self.posture = self.qpos.astype(np.float32)
        return state

    def step(self, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Apply one action; see ``Backend.step``. What diverged keeps its last finite posture."""
        state, diverged = super().step(action)
        fresh = self.qpos.astype(np.float32)
        fresh[diverged] = self.posture[diverged]
        self.posture = self.stepped = fresh
        return state, diverged

    def restore(self, saved: dict[str, np.ndarray]) -> np.ndarray:
        """Continue from ``checkpoint``; see ``Backend.restore``."""
        state = super().restore(saved)
        self.posture = self.qpos.astype(np.float32)
        return state


@dataclass(frozen=True, slots=True, eq=False)
class Watched:
    """T steps of N environments, as far as pictures go.

    Attributes:
      before: (T, N, nq) postures acted in.
      after: (T, N, nq) postures acted into, also where an episode ended.
      length: (T, N) steps of the episode so far, this one included; 0 where there is none.
      ended: (T, N) bool, the episode is over after this step.
    """

    before: np.ndarray
    after: np.ndarray
    length: np.ndarray
    ended: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """Who scores pictures, and how often one is drawn.

    Attributes:
      score: postures, (F, nq), to scores, (F,); the same postures in the same order give the
        same bits.
      every: steps from one picture to the next of an episode.
    """

    score: Score
    every: int

    def of_steps(self, steps: Watched, held: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Score the states before and after each step.

        Args:
          steps: T steps of N environments.
          held: (N,) scores that the environments came with; brought up to date in place.

        Returns:
          Scores of the states acted in and of those acted into, (T, N) each.
        """
        begun = steps.length == 1
        shown = (steps.length > 0) & (steps.length % self.every == 0) | steps.ended
        postures = np.concatenate([steps.before[begun], steps.after[shown]])
        scores = self.score(postures) if len(postures) else np.zeros(0, np.float32)
        first, last = (np.zeros(begun.shape, np.float32) for _ in range(2))
        first[begun], last[shown] = np.split(scores, [np.count_nonzero(begun)])
        for t in range(len(begun)):
            first[t] = np.where(begun[t], first[t], held)
            last[t] = np.where(shown[t], last[t], first[t])
            held[:] = last[t]
        return first, last
