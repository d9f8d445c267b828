"""Checks of a task folder: every problem in words, for our own tasks and for those of users.

The simulation here is a plain MuJoCo loop, so that a task is judged without any backend.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import mujoco
import numpy as np

from reward_synth.errors import TaskError
from reward_synth.task.fields import Block
from reward_synth.task.load import load_task, where
from reward_synth.task.models import DIVERGENCE
from reward_synth.task.task import Task

_RESETS = 64
_EPISODES = 8
_STEPS = 100
_CALLS = 3  # calls outside of jit, which are slow

Function = Callable[..., Any]


def check_task(folder: str | Path) -> tuple[str, ...]:
    """Return what is wrong with a task folder, in words; nothing if it can be used.

    Loads it, draws initial states, runs short episodes of random actions, and evaluates the
    task's functions on them, traced and plain.

    Args:
      folder: a task folder, or the name of a bundled task.
    """
    try:
        task = load_task(folder)
    except TaskError as error:
        return (str(error),)
    problems = list(_declarations(task))
    drawn, trouble = _draw(task)
    broken = [*trouble, *_signatures(task)]
    if not broken:  # else nothing below could run
        with _without_log_file():
            initial, steps = _initial_states(task, drawn), _random_steps(task, drawn)
        broken = [*_beginnings(task, initial), *_divergence(steps), *_fields(task, initial, steps)]
        if len(steps.state):
            results = _evaluate(task, steps)
            broken += [*_values(results), *_purity(task, steps, results)]
    return (*problems, *broken)


@dataclass(frozen=True, slots=True)
class _Steps:
    """M steps of random actions, up to where each episode terminated or diverged.

    Attributes:
      state: (M, S).
      action: (M, A).
      next_state: (M, S).
      diverged: for each episode that diverged, after how many steps.
    """

    state: np.ndarray
    action: np.ndarray
    next_state: np.ndarray
    diverged: tuple[int, ...]


def _functions(task: Task) -> dict[str, Function]:
    """The task's functions of flat vectors: of a state, (S,), or a step, (S,), (A,), (S,)."""

    def of_state(function: Function) -> Function:
        return lambda vector: function(task.view(vector))

    def of_step(function: Function) -> Function:
        return lambda vector, action, after: function(task.view(vector), action, task.view(after))

    functions = {
        "observe": of_state(task.observe),
        "terminated": of_state(task.terminated),
        "success": of_state(task.success),
        "fitness": of_step(task.fitness),
    }
    if task.expert_reward is not None:
        functions["expert_reward"] = of_step(task.expert_reward)
    return functions


def _inputs(name: str, steps: _Steps) -> tuple[np.ndarray, ...]:
    if name in ("fitness", "expert_reward"):
        return steps.state, steps.action, steps.next_state
    return (steps.next_state,)


def _declarations(task: Task) -> Iterator[str]:
    for field in task.description.fields:
        if not field.meaning.strip():
            yield f"field {field.name!r} has no meaning: say in a phrase what it is."
    if task.expert_reward is not None and not task.expert_source:
        yield "expert_reward() has no EXPERT_SOURCE: say where it was published."


def _home(task: Task) -> tuple[jax.Array, jax.Array]:
    data = mujoco.MjData(task.model)
    return jnp.asarray(data.qpos), jnp.asarray(data.qvel)


def _draw(task: Task) -> tuple[list[np.ndarray], list[str]]:
    """Draw initial positions, (64, nq), and velocities, (64, nv), and say what is wrong."""
    keys, home = jax.random.split(jax.random.key(0), _RESETS), _home(task)
    try:
        once, again = task.reset(keys[0], *home), task.reset(keys[0], *home)
        shapes = [np.shape(array) for array in once]
        wanted = [(task.model.nq,), (task.model.nv,)]
        if shapes != wanted:
            return [], [f"reset() must return (qpos, qvel) of shapes {wanted}, not {shapes}."]
        batched = jax.jit(jax.vmap(task.reset, (0, None, None)))(keys, *home)
    except Exception as error:  # noqa: BLE001 (a task's code can raise anything)
        return [], [_failure(task, "reset", error)]
    drawn = [np.asarray(array) for array in batched]
    return drawn, list(_resets(once, again, drawn))


def _resets(once: Any, again: Any, drawn: list[np.ndarray]) -> Iterator[str]:  # noqa: ANN401
    """Whether draws are finite and depend on the key and on nothing else."""
    if not all(np.isfinite(array).all() for array in drawn):
        yield "reset() gives positions or velocities that are not finite."
    first = [array[0] for array in drawn]
    if not (_close(once, again) and _close(once, first)):
        yield "reset() gives different states for the same key: draw with jax.random from the key."
    elif all((array == array[0]).all() for array in drawn):
        yield "reset() ignores its key: every episode starts from the same state."


def _signatures(task: Task) -> Iterator[str]:
    """Whether the functions trace under vmap, to the right shapes and types."""
    state = jax.ShapeDtypeStruct((2, task.layout.size), jnp.float32)
    action = jax.ShapeDtypeStruct((2, task.description.action_size), jnp.float32)
    for name, function in _functions(task).items():
        of_step = name in ("fitness", "expert_reward")
        inputs = (state, action, state) if of_step else (state,)
        try:
            result = jax.eval_shape(jax.vmap(function), *inputs)
        except Exception as error:  # noqa: BLE001 (a task's code can raise anything)
            yield _failure(task, name, error)
        else:
            yield from _shapes(name, result)


def _shapes(name: str, result: Any) -> Iterator[str]:  # noqa: ANN401
    """Compare a function's result, batched twice, with what it should be."""
    if name == "expert_reward":
        if not (isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], dict)):
            yield "expert_reward() must return (reward, terms), terms being a dictionary."
        elif not result[1] or any(x.shape != (2,) for x in (result[0], *result[1].values())):
            yield "expert_reward() must return a scalar and at least one term, all of them scalars."
        return
    if not hasattr(result, "shape"):
        yield f"{name}() must return one array, not a {type(result).__name__}."
        return
    shape, dtype = result.shape[1:], result.dtype
    if name == "observe":
        if len(shape) != 1 or not jnp.issubdtype(dtype, jnp.floating):
            yield f"observe() must return a vector of floats, not shape {shape} of {dtype}."
    elif shape != ():
        yield f"{name}() must return a scalar, not shape {shape}."
    elif name == "terminated" and dtype != jnp.bool_:
        yield f"terminated() must return a bool, not {dtype}."
    elif name == "fitness" and not jnp.issubdtype(dtype, jnp.floating):
        yield f"fitness() must return a float, not {dtype}."


def _failure(task: Task, name: str, error: Exception) -> str:
    line = next(iter(str(error).strip().splitlines()), "")
    place = where(error, task.folder)
    return f"{name}() cannot be traced by JAX ({place}): {type(error).__name__}: {line}"


@contextmanager
def _without_log_file() -> Iterator[None]:
    """Keep MuJoCo from writing a MUJOCO_LOG.TXT when a simulation diverges; we report it."""
    handler = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(lambda message: None)
    try:
        yield
    finally:
        mujoco.set_mju_user_warning(handler)


def _read(task: Task, data: mujoco.MjData, last_action: np.ndarray) -> np.ndarray:
    """The state vector, (S,), of one simulation."""
    arrays: dict[Block, np.ndarray] = {
        "qpos": data.qpos[None],
        "qvel": data.qvel[None],
        "sensordata": data.sensordata[None],
        "last_action": last_action[None],
    }
    return task.layout.read(arrays, np.empty((1, task.layout.size), np.float32))[0]


def _begin(task: Task, data: mujoco.MjData, qpos: np.ndarray, qvel: np.ndarray) -> np.ndarray:
    """Put a simulation into an initial state; return the state vector, (S,)."""
    mujoco.mj_resetData(task.model, data)
    data.qpos[:], data.qvel[:] = qpos, qvel
    mujoco.mj_forward(task.model, data)
    return _read(task, data, np.zeros(task.model.nu))


def _initial_states(task: Task, drawn: list[np.ndarray]) -> np.ndarray:
    """The state vectors, (64, S), of drawn positions and velocities."""
    data = mujoco.MjData(task.model)
    return np.stack([_begin(task, data, *start) for start in zip(*drawn, strict=True)])


def _random_steps(task: Task, drawn: list[np.ndarray]) -> _Steps:
    """Run short episodes, half of them with uniform actions and half with full ones."""
    model, data = task.model, mujoco.MjData(task.model)
    terminated = jax.jit(_functions(task)["terminated"])
    rng = np.random.default_rng(0)
    states, actions, afters, diverged = [], [], [], []
    starts = zip(*(array[:_EPISODES] for array in drawn), strict=True)
    for episode, start in enumerate(starts):
        state = _begin(task, data, *start)
        for step in range(min(_STEPS, task.description.episode_steps)):
            action = rng.uniform(-1.0, 1.0, model.nu)
            action = np.sign(action) if episode % 2 else action
            data.ctrl[:] = task.action_offset + task.action_scale * action
            mujoco.mj_step(model, data, task.frame_skip)
            mujoco.mj_step1(model, data)  # makes the sensors current
            after = _read(task, data, action)
            if (
                any(data.warning[kind].number for kind in DIVERGENCE)
                or not np.isfinite(after).all()
            ):
                diverged.append(step + 1)
                break
            states.append(state)
            actions.append(action.astype(np.float32))
            afters.append(after)
            state = after
            if terminated(state):
                break
    size, count = task.layout.size, model.nu
    return _Steps(
        np.array(states).reshape(-1, size),
        np.array(actions).reshape(-1, count),
        np.array(afters).reshape(-1, size),
        tuple(diverged),
    )


def _beginnings(task: Task, initial: np.ndarray) -> Iterator[str]:
    functions = _functions(task)
    if not np.isfinite(jax.jit(jax.vmap(functions["observe"]))(initial)).all():
        yield "observe() is not finite in an initial state."
    ended = int(np.sum(jax.jit(jax.vmap(functions["terminated"]))(initial)))
    if ended:
        yield f"terminated() already holds in {ended} of {_RESETS} initial states."


def _divergence(steps: _Steps) -> Iterator[str]:
    if steps.diverged:
        yield (
            f"the simulation diverges under random actions: in {len(steps.diverged)} of "
            f"{_EPISODES} episodes, first after {min(steps.diverged)} steps. Lower the model's "
            "timestep or its actuators' gains."
        )


def _fields(task: Task, initial: np.ndarray, steps: _Steps) -> Iterator[str]:
    seen = np.concatenate([initial, steps.next_state])
    start = 0
    for field in task.description.fields:
        values = seen[:, start : start + field.size]
        start += field.size
        if np.ptp(values, axis=0).max() == 0 and "constant" not in field.meaning:
            yield (
                f"field {field.name!r} never changes, over {len(seen)} states: "
                "leave it out, or say in its meaning that it is constant."
            )


def _evaluate(task: Task, steps: _Steps) -> dict[str, Any]:
    """Return each function's results over all steps, (M, ...), traced and batched."""
    return {
        name: jax.jit(jax.vmap(function))(*_inputs(name, steps))
        for name, function in _functions(task).items()
    }


def _values(results: dict[str, Any]) -> Iterator[str]:
    """Whether the functions' values over random steps are finite and in their range."""
    for name, result in results.items():
        if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(result)):
            yield f"{name}() is not finite in some states that random actions reach."
        elif name == "success" and not np.isin(result, (0, 1)).all():
            yield "success() must be 0 or 1 in every state."
        elif name == "expert_reward" and not _close([result[0]], [sum(result[1].values())]):
            yield "the terms of expert_reward() do not add up to the reward."


def _purity(task: Task, steps: _Steps, results: dict[str, Any]) -> Iterator[str]:
    """Whether the functions give the same traced and plain, first and second time."""
    for name, function in _functions(task).items():
        for i in np.linspace(0, len(steps.state) - 1, _CALLS).astype(int):
            inputs = [jnp.asarray(array[i]) for array in _inputs(name, steps)]
            plain, again = (jax.tree.leaves(function(*inputs)) for _ in range(2))
            traced = [leaf[i] for leaf in jax.tree.leaves(results[name])]
            if not (_close(traced, plain) and _close(plain, again)):
                yield f"{name}() gives different results for the same input: it must be pure."
                break


def _close(a: Any, b: Any) -> bool:  # noqa: ANN401 (two sequences of arrays)
    return all(
        np.allclose(x, y, rtol=1e-4, atol=1e-5, equal_nan=True) for x, y in zip(a, b, strict=True)
    )
