"""What the single and the vector environment have in common: spaces, seeds, pictures."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.utils import seeding
from PIL import Image

from reward_synth.errors import RewardSynthError
from reward_synth.rollout.picture import draw
from reward_synth.task import Task


def observation_space(task: Task) -> gymnasium.spaces.Box:
    """Return the space of a task's observations: (O,) float32 without bounds."""
    state = jax.ShapeDtypeStruct((task.layout.size,), jnp.float32)
    shape = jax.eval_shape(lambda vector: task.observe(task.view(vector)), state).shape
    return gymnasium.spaces.Box(-np.inf, np.inf, shape, np.float32)


def action_space(task: Task) -> gymnasium.spaces.Box:
    """Return the space of a task's actions: (A,) float32 in [-1, 1]."""
    return gymnasium.spaces.Box(-1.0, 1.0, (task.description.action_size,), np.float32)


def metadata(task: Task) -> dict[str, object]:
    """Return Gymnasium's metadata; pictures of all steps are shown at the pace of real time."""
    fps = max(1, round(1 / task.description.timestep))
    return {"render_modes": ["rgb_array"], "render_fps": fps}


def keys_of(seeds: Sequence[int]) -> jax.Array:
    """Return the JAX keys, (n,), of n seeds.

    A key follows from Gymnasium's random generator of that seed, so that seeds of any size do.
    """
    words = [seeding.np_random(seed)[0].integers(2**32) for seed in seeds]
    return jax.vmap(jax.random.key)(jnp.asarray(np.array(words, np.uint32)))


class Painter:
    """Draws postures of a task, keeping the GL context between pictures.

    Args:
      task: the task.
      width, height: in pixels.
    """

    def __init__(self, task: Task, width: int, height: int) -> None:
        self._task = task
        self._size = width, height
        self._posture = np.zeros(task.model.nq)
        self._pictures: Generator[Image.Image, None, None] | None = None

    def draw(self, posture: np.ndarray) -> np.ndarray:
        """Return a picture, (height, width, 3) uint8, of MuJoCo's positions, (nq,).

        Raises:
          RewardSynthError: this process cannot draw.
        """
        self._posture[:] = posture
        if self._pictures is None:
            self._pictures = draw(
                self._task.model, self._task.camera, self._postures(), *self._size
            )
        try:
            picture = next(self._pictures)
        except Exception as error:
            self._pictures = None
            raise RewardSynthError(
                "render_mode='rgb_array' cannot draw here: install the system package libegl1 and "
                f"set the environment variable MUJOCO_GL=egl before Python starts ({error})."
            ) from error
        return np.asarray(picture)

    def close(self) -> None:
        """Give back the GL context."""
        if self._pictures is not None:
            self._pictures.close()
            self._pictures = None

    def _postures(self) -> Iterator[np.ndarray]:
        while True:
            yield self._posture
