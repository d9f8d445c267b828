"""A run's reward from pixels: who scores pictures for its trainings. Imports JAX."""

from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np

from reward_synth.looks.scorer import make_scorer
from reward_synth.looks.steps import Looks, with_clip_score
from reward_synth.search.config import RunConfig
from reward_synth.search.training_process import OnProgress
from reward_synth.search.worker import Worker
from reward_synth.task.task import Task

LOG = "looks.log"


class Eyes:
    """Scores pictures in a process of its own, which starts with the first that is asked for.

    Attributes:
      task: the task with ``clip_score`` as its last field.
      looks: for those who train.

    Args:
      task: without ``clip_score`` among its fields.
      config: the run's settings, with ``looks`` on.
      folder: the run's.
      on_progress: told how far a training is, and told so again while pictures of it are
        scored: a silent training counts as hung.

    Raises:
      RewardSynthError: nothing can be drawn, or there is no such model or camera.
    """

    def __init__(
        self, task: Task, config: RunConfig, folder: Path, on_progress: OnProgress
    ) -> None:
        args = (task.folder, config.looks, config.threads)
        self._worker = Worker(make_scorer, args, stall_s=config.stall_s, log=folder / LOG)
        self._on_progress = on_progress
        self._told: tuple[int, float] | None = None
        # Rounded: the number stands in prompts, and tells the registries of exploits apart.
        home = round(float(self._score(_home(task))[0]), 3)
        self.task = with_clip_score(task, config.looks.field(home))
        self.looks = Looks(self._score, config.looks.every)

    def progress(self, done: int, fitness: float) -> None:
        """Hear how far a training is, and pass it on."""
        self._told = done, fitness
        self._on_progress(done, fitness)

    def close(self) -> None:
        """End the process."""
        self._worker.close()

    def _score(self, postures: np.ndarray) -> np.ndarray:
        return self._worker.call("score", postures, on_progress=self._alive)

    def _alive(self) -> None:
        if self._told is not None:
            self._on_progress(*self._told)


def _home(task: Task) -> np.ndarray:
    """Return the posture, (1, nq), that the model is written in."""
    return np.asarray(mujoco.MjData(task.model).qpos, np.float32)[None]
