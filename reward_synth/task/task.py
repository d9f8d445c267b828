"""The Task record: a robot, what a reward may read of it, and how success is judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mujoco
import numpy as np

from reward_synth.randomisation import Randomisation
from reward_synth.records import TaskDescription
from reward_synth.state import State
from reward_synth.task.fields import FieldLayout
from reward_synth.task.limits import Limit

if TYPE_CHECKING:
    import jax

    Array = jax.Array

Reset = Callable[["Array", "Array", "Array"], tuple["Array", "Array"]]
OfState = Callable[[State], "Array"]
OfStep = Callable[[State, "Array", State], "Array"]
RewardFunction = Callable[[State, "Array", State], tuple["Array", dict[str, "Array"]]]


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """A validated task folder.

    All functions are pure, take one unbatched state and are written with
    ``jax.numpy``. ``action`` is the normalised action, (A,), in [-1, 1].

    Attributes:
      description: the part that reward authors may see.
      model: the compiled MuJoCo model.
      layout: how state vectors are read from the simulation.
      frame_skip: physics steps per action.
      action_scale: (A,) ``ctrl = offset + scale * action``.
      action_offset: (A,).
      reset: ``(key, qpos, qvel) -> (qpos, qvel)``, a draw of the initial state
        given the model's home configuration.
      observe: ``state -> (O,)``, what the policy sees.
      terminated: ``state -> bool``, whether the episode ends here for good.
      success: ``state -> 0 or 1``, whether the goal holds in this state. An
        episode is a success if it holds in its last state.
      fitness: ``(state, action, next_state) -> scalar``, summed over an episode:
        what the search maximises.
      expert_reward: the published human-written reward, same signature as a
        reward program without weights; None if there is none.
      expert_source: where the expert reward was published.
      train_steps: environment steps after which a good reward shows.
      camera: name of the camera for videos, or None for MuJoCo's free camera.
      folder: where the task was loaded from.
      fingerprint: SHA-256 over the folder's files.
      randomisation: between which bounds the worlds that policies are trained in differ; None
        trains in the model as it is. Held-out episodes are in the model as it is.
      limits: what the robot must not exceed; held-out episodes count how often it does.
    """

    description: TaskDescription
    model: mujoco.MjModel
    layout: FieldLayout
    frame_skip: int
    action_scale: np.ndarray
    action_offset: np.ndarray
    reset: Reset
    observe: OfState
    terminated: OfState
    success: OfState
    fitness: OfStep
    expert_reward: RewardFunction | None
    expert_source: str
    train_steps: int
    camera: str | None
    folder: Path
    fingerprint: str
    randomisation: Randomisation | None = None
    limits: tuple[Limit, ...] = ()

    @property
    def name(self) -> str:
        """The task folder's name."""
        return self.description.name

    @property
    def unmeasured(self) -> Task:
        """The same without its measures, for a search that must not know them.

        Its fitness is NaN, nothing succeeds, and there is no expert's reward.
        """
        return replace(self, fitness=_unknown, success=_never, expert_reward=None)

    def view(self, vector: Any) -> State:  # noqa: ANN401 (numpy or a JAX tracer)
        """Wrap a flat state vector, (S,), so that its fields can be read by name."""
        return State(self.description.fields, vector)


def _unknown(state: State, action: Array, next_state: State) -> Any:  # noqa: ANN401
    return np.full((), np.nan, np.float32)


def _never(state: State) -> Any:  # noqa: ANN401
    return np.zeros((), np.float32)
