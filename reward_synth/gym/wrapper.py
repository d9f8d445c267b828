"""Reward programs on Gymnasium environments from elsewhere.

    fields, read = mujoco_fields(env, [joint_velocities("velocity", "rootx", meaning="forward")])
    env = RewardProgramWrapper(env, "reward.py", fields, read)

What MuJoCo does not hold is declared with ``records.Field`` and read by a function of one's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, SupportsFloat

import gymnasium
import numpy as np

from reward_synth.errors import ConfigError, TaskError, did_you_mean
from reward_synth.gym.resolve import program
from reward_synth.records import Field, TaskDescription
from reward_synth.reward.rewards import Reward
from reward_synth.task.fields import LAST_ACTION, FieldSource, check_name, last_action, resolve

# (environment, its observation) -> the value of each field by name
Read = Callable[[gymnasium.Env, Any], Mapping[str, Any]]


def describe(
    env: gymnasium.Env,
    fields: Sequence[Field],
    *,
    sentence: str = "",
    notes: str = "",
    timestep: float | None = None,
    episode_steps: int | None = None,
) -> TaskDescription:
    """Return the task description of an environment, for which programs can be written and traced.

    Args:
      env: with a bounded Box as action space; its actions are called action_0, action_1, ...
      fields: what reward programs may read, besides the built-in ``last_action``.
      sentence: what the robot should do.
      notes: what a proposer should know besides.
      timestep: seconds between two actions; by default the environment's ``dt``, or what its
        ``render_fps`` says.
      episode_steps: actions in a full episode; by default those of the environment's spec.

    Raises:
      ConfigError: the action space is none that can be normalised, or a number is not known.
      TaskError: a field's name cannot be used.
    """
    size = len(_bounds(env)[0])
    names: list[Field] = []
    for field in fields:
        check_name(field.name, names)
        names.append(field)
    if timestep is None:
        fps = env.metadata.get("render_fps")
        timestep = getattr(env.unwrapped, "dt", None) or (1 / fps if fps else None)
    if episode_steps is None and env.spec is not None:
        episode_steps = env.spec.max_episode_steps
    for name, value in (("timestep", timestep), ("episode_steps", episode_steps)):
        if value is None:
            raise ConfigError(f"{env} does not say its {name}: give describe({name}=...).")
    assert timestep is not None
    assert episode_steps is not None
    return TaskDescription(
        name=env.spec.id if env.spec else type(env.unwrapped).__name__,
        sentence=sentence,
        notes=notes,
        fields=(*names, last_action(size)),
        actions=tuple(f"action_{i}" for i in range(size)),
        timestep=float(timestep),
        episode_steps=episode_steps,
        terminates=True,
    )


def mujoco_fields(
    env: gymnasium.Env, sources: Sequence[FieldSource] | None = None
) -> tuple[tuple[Field, ...], Read]:
    """Return the fields of one of Gymnasium's MuJoCo environments, and what reads them.

    Positions and velocities are those after the step; sensors are as the environment's last
    physics step left them.

    Args:
      env: with MuJoCo's ``model`` and ``data``.
      sources: as in a task's FIELDS; None for every named joint and sensor.

    Raises:
      ConfigError: the environment is not one of MuJoCo's.
      TaskError: a joint or sensor is unknown, with those that are known.
    """
    model = getattr(env.unwrapped, "model", None)
    if model is None or not hasattr(env.unwrapped, "data"):
        raise ConfigError(f"{env} has no MuJoCo model and data: declare its fields yourself.")
    layout = resolve(model, sources)
    fields = layout.fields[:-1]
    unused = np.zeros((1, model.nu))  # last_action, which the wrapper keeps itself

    def read(env: gymnasium.Env, observation: Any) -> dict[str, np.ndarray]:  # noqa: ANN401
        data: Any = env.unwrapped.data  # type: ignore[attr-defined]
        vector = layout.read(
            {
                "qpos": data.qpos[None],
                "qvel": data.qvel[None],
                "sensordata": data.sensordata[None],
                "last_action": unused,
            },
            np.empty((1, layout.size)),
        )[0]
        ends = np.cumsum([field.size for field in fields])
        return dict(zip((f.name for f in fields), np.split(vector, ends)[:-1], strict=True))

    return fields, read


class RewardProgramWrapper(gymnasium.Wrapper):
    """Replaces an environment's reward by a reward program's.

    A program sees the actions normalised to [-1, 1] by the bounds of the action space, which
    itself stays as it is. The info of a step has ``reward_terms``, name to value, and
    ``original_reward``.

    Args:
      env: with a bounded Box as action space.
      reward: a ``reward.py``, whose Python runs in the sandbox only; a candidate's folder, if
        its task has the same fields; or a Reward for ``description``.
      fields: what the program may read, besides the built-in ``last_action``.
      read: gives the value of each field from the wrapped environment and its observation.
      description: of the environment as a task; by default ``describe(env, fields)``.

    Attributes:
      description: the same.

    Raises:
      ConfigError: the program cannot be used, in words; or see ``describe``.
    """

    def __init__(
        self,
        env: gymnasium.Env,
        reward: str | Path | Reward,
        fields: Sequence[Field],
        read: Read,
        *,
        description: TaskDescription | None = None,
    ) -> None:
        super().__init__(env)
        self.description = description or describe(env, fields)
        if isinstance(reward, Reward):
            self._reward = reward
        else:
            self._reward = program(reward, self.description)
        self._read = read
        self._low, self._high = _bounds(env)
        self._state = np.zeros(self.description.state_size, np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start an episode; ``last_action`` is zero."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._state = self._vector(observation, np.zeros(len(self._low), np.float32))
        return observation, info

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:  # noqa: ANN401
        """Apply an action and evaluate the program on what it led to."""
        observation, original, terminated, truncated, info = self.env.step(action)
        share = (np.asarray(action, np.float64).ravel() - self._low) / (self._high - self._low)
        normal = np.clip(2.0 * share - 1.0, -1.0, 1.0).astype(np.float32)
        before, self._state = self._state, self._vector(observation, normal)
        value, terms = self._reward.function(
            before[None], normal[None], self._state[None], self._reward.weights
        )
        named = dict(zip(self._reward.terms, np.asarray(terms)[0].tolist(), strict=True))
        info = {**info, "reward_terms": named, "original_reward": float(original)}
        return observation, float(np.asarray(value)[0]), terminated, truncated, info

    def _vector(self, observation: Any, last: np.ndarray) -> np.ndarray:  # noqa: ANN401
        """Return the state vector, (S,) float32."""
        values = {**self._read(self.env, observation), LAST_ACTION: last}
        known = [field.name for field in self.description.fields]
        unknown = [name for name in values if name not in known]
        missing = [name for name in known if name not in values]
        if unknown or missing:
            problem = (
                f"gives an unknown field {unknown[0]!r}.{did_you_mean(unknown[0], known)}"
                if unknown
                else f"does not give field {missing[0]!r}."
            )
            raise TaskError(f"read() {problem} Fields: {', '.join(known)}.")
        parts = []
        for field in self.description.fields:
            part = np.asarray(values[field.name], np.float32)
            if part.size != field.size:
                raise TaskError(
                    f"read() gives field {field.name!r} the shape {part.shape}; it is declared as "
                    f"{field.shape}."
                )
            parts.append(part.ravel())
        return np.concatenate(parts)


def _bounds(env: gymnasium.Env) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and highest actions, (A,) each."""
    space = env.action_space
    if not isinstance(space, gymnasium.spaces.Box) or not space.is_bounded():
        raise ConfigError(
            f"the action space is {space}; reward programs see actions in [-1, 1], for which it "
            "must be a Box with finite bounds."
        )
    return space.low.ravel().astype(np.float64), space.high.ravel().astype(np.float64)
