"""Draws postures and scores the pictures; it lives in a process of its own.

There the GL library can be chosen before MuJoCo is imported, torch never meets JAX, and a
driver that crashes takes no training along.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from reward_synth.errors import ConfigError, RewardSynthError, did_you_mean
from reward_synth.looks.config import LooksConfig

if TYPE_CHECKING:
    import numpy as np

    from reward_synth.looks.encoders import Encoder
    from reward_synth.looks.score import Goal
    from reward_synth.task.task import Task

# Pictures go through the model so many at a time; the last batch is filled up, since the bits
# of a matrix product depend on its shape.
_AT_ONCE = 32
_GL_PROBE = "import mujoco; mujoco.GLContext(64, 64).free()"


def make_scorer(
    folder: Path, config: LooksConfig, threads: int, on_progress: Callable[[], None]
) -> Scorer:
    """Make a scorer, in its process.

    Args:
      folder: the task's.
      config: what pictures are scored by.
      threads: of the processor for the model; 0 for its own choice.
      on_progress: called with every batch, as a sign of life.

    Raises:
      RewardSynthError: nothing can be drawn here, there is no such camera, or no such model.
    """
    choose_gl()
    os.environ.setdefault("JAX_PLATFORMS", "cpu")  # task.py imports JAX; the GPU is training's
    from reward_synth.looks.encoders import load_encoder
    from reward_synth.looks.score import Goal
    from reward_synth.task import load_task

    task = load_task(folder)
    camera = config.camera or task.camera
    cameras = [task.model.camera(i).name for i in range(task.model.ncam)]
    if camera is not None and camera not in cameras:
        raise ConfigError(
            f"looks.camera={camera} is not in the model of {task.name}."
            f"{did_you_mean(camera, cameras)} Cameras: {', '.join(cameras) or 'none'}."
        )
    assert config.model is not None
    encoder = load_encoder(config.model, threads)
    sentences = [config.goal, *([config.baseline] if config.baseline else [])]
    goal, *baseline = encoder.sentences(sentences)
    try:
        compared = Goal.of(goal, baseline[0] if baseline else None, config.alpha)
    except ValueError as error:
        raise ConfigError(
            f"looks.model={config.model} cannot tell looks.goal from looks.baseline: {error}"
        ) from error
    return Scorer(task, encoder, compared, camera, config.size, on_progress)


def choose_gl() -> None:
    """Choose the GL library, before MuJoCo is imported: EGL, or OSMesa where EGL does not work.

    ``MUJOCO_GL`` overrides.

    Raises:
      RewardSynthError: neither works.
    """
    if not sys.platform.startswith("linux"):
        return
    chosen = os.environ.get("MUJOCO_GL")
    for library in (chosen,) if chosen else ("egl", "osmesa"):
        environment = {**os.environ, "MUJOCO_GL": library}
        environment.pop("PYOPENGL_PLATFORM", None)
        command = [sys.executable, "-c", _GL_PROBE]
        if subprocess.run(command, env=environment, capture_output=True, check=False).returncode:
            continue
        os.environ["MUJOCO_GL"] = library
        return
    raise RewardSynthError(
        "looks.model needs pictures, and neither EGL nor OSMesa works on this machine: install the "
        "system package libegl1 (with libgl1-mesa-dri) or libosmesa6."
    )


class Scorer:
    """Scores postures by their pictures.

    Args:
      task: whose model is drawn.
      encoder: embeds pictures.
      goal: what their embeddings are compared with.
      camera: one of the model's; None for MuJoCo's free camera.
      size: width and height of a picture, in pixels.
      on_progress: called with every batch.
    """

    def __init__(
        self,
        task: Task,
        encoder: Encoder,
        goal: Goal,
        camera: str | None,
        size: int,
        on_progress: Callable[[], None] = lambda: None,
    ) -> None:
        from reward_synth.rollout.picture import draw

        self._encoder = encoder
        self._goal = goal
        self._on_progress = on_progress
        self._next: np.ndarray | None = None
        # One renderer for all calls: it takes longer to make than ten pictures.
        self._drawn = draw(task.model, camera, self._postures(), size, size)

    def _postures(self) -> Iterator[np.ndarray]:
        while self._next is not None:
            yield self._next

    def score(self, postures: np.ndarray) -> np.ndarray:
        """Return the scores, (F,) float32, of F > 0 postures, (F, nq).

        Raises:
          RewardSynthError: the encoder gave a vector without direction.
        """
        import numpy as np

        found = []
        for start in range(0, len(postures), _AT_ONCE):
            pictures = np.stack([self._draw(q) for q in postures[start : start + _AT_ONCE]])
            count = len(pictures)
            filled = np.resize(pictures, (_AT_ONCE, *pictures.shape[1:]))
            try:
                found.append(self._goal.scores(self._encoder.pictures(filled))[:count])
            except ValueError as error:
                raise RewardSynthError(f"looks.model cannot score a picture: {error}") from error
            self._on_progress()
        return np.concatenate(found)

    def _draw(self, posture: np.ndarray) -> np.ndarray:
        import numpy as np

        self._next = posture
        return np.asarray(next(self._drawn))
