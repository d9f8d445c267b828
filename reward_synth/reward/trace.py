"""From a reward program to a pure array program. Runs only in the sandboxed child.

The program is executed here, with JAX tracers in place of numbers, and what it
does to them is written down. Every complaint is in words that a language model can
act on, because that is who reads it.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from types import CodeType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from reward_synth.records import Rejection, RewardProgram, Stage, TaskDescription, TracedReward
from reward_synth.reward.array_program import ArrayProgramError, encode
from reward_synth.reward.facade import build_facade
from reward_synth.reward.parse import LARGEST_REWARD, MOST_TERMS, is_name
from reward_synth.state import State

_FILENAME = "<reward program>"
_PROBES = 64
_BUILTINS: tuple[Callable[..., Any] | type, ...] = (
    abs, bool, dict, enumerate, float, int, len, list, max, min, range, sum, tuple, zip,
)  # fmt: skip

Step = Callable[[jax.Array, jax.Array, jax.Array, jax.Array], tuple[jax.Array, jax.Array]]


class _RejectedError(Exception):
    """Carries the reason for a rejection out of nested calls."""


def trace(program: RewardProgram, description: TaskDescription) -> TracedReward | Rejection:
    """Execute a program on tracers, probe it, and write down what it does to arrays.

    The reward is what the program returns as such; its terms are recorded beside
    it and need not add up to it.
    """
    try:
        terms: list[str] = []
        step = _load(program, description, terms)
        batched = jax.jit(jax.vmap(step, in_axes=(0, 0, 0, None)))
        _probe(batched, program, description, terms)
        shapes = (
            (description.state_size,),
            (description.action_size,),
            (description.state_size,),
            (len(program.weights),),
        )
        arrays = encode(step, *(jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes))
        return TracedReward(program, tuple(terms), arrays)
    except ArrayProgramError as error:
        return Rejection(Stage.TRACE, str(error))
    except _RejectedError as error:
        return Rejection(Stage.TRACE, str(error))
    except Exception as error:  # noqa: BLE001 (whatever the program raises is its author's to mend)
        return Rejection(Stage.TRACE, _in_words(error, program.source))


def _load(program: RewardProgram, description: TaskDescription, terms: list[str]) -> Step:
    """Return the program as a function of flat arrays; ``terms`` is filled when it is traced."""
    namespace: dict[str, Any] = {
        "__builtins__": {f.__name__: f for f in _BUILTINS},
        "jnp": build_facade(),
    }
    code: CodeType = compile(program.source, _FILENAME, "exec")
    exec(code, namespace)
    reward = namespace["reward"]
    names = [name for name, _ in program.weights]

    def step(
        state: jax.Array, action: jax.Array, next_state: jax.Array, weights: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        result = reward(
            State(description.fields, state),
            action,
            State(description.fields, next_state),
            {name: weights[i] for i, name in enumerate(names)},
        )
        total, values = _checked(result)
        terms[:] = values
        return total, jnp.stack(list(values.values()))

    return step


def _checked(result: Any) -> tuple[jax.Array, dict[str, jax.Array]]:  # noqa: ANN401
    if not (isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], dict)):
        raise _RejectedError(
            "reward() must return a pair: the scalar reward and the dict of its terms, as in "
            "`return sum(terms.values()), terms`."
        )
    total, values = result
    if not 1 <= len(values) <= MOST_TERMS:
        raise _RejectedError(f"there must be 1 to {MOST_TERMS} terms; there are {len(values)}.")
    if not all(is_name(name) for name in values):
        raise _RejectedError("the names of terms must be short printable strings.")
    return _scalar(total, "the reward"), {
        name: _scalar(value, f"term {name!r}") for name, value in values.items()
    }


def _scalar(value: Any, name: str) -> jax.Array:  # noqa: ANN401
    try:
        array = jnp.asarray(value)
    except TypeError:
        raise _RejectedError(f"{name} is not a number but {type(value).__name__}.") from None
    if array.shape != ():
        raise _RejectedError(
            f"{name} has shape {array.shape}; it must be a single number, so reduce it with "
            "jnp.sum, jnp.mean or jnp.linalg.norm, or pick a component."
        )
    return array.astype(jnp.float32)


def _probe(
    batched: Callable[..., tuple[jax.Array, jax.Array]],
    program: RewardProgram,
    description: TaskDescription,
    terms: list[str],
) -> None:
    """Try the program near the home state, where it must be finite, and far, where it must vary."""
    rng = np.random.default_rng(0)
    home = np.concatenate([np.asarray(field.home, np.float32) for field in description.fields])
    weights = np.array([value for _, value in program.weights], np.float32)

    def run(spread: float) -> tuple[np.ndarray, np.ndarray]:
        state, next_state = (
            (home + spread * rng.normal(size=(_PROBES, len(home)))).astype(np.float32)
            for _ in range(2)
        )
        # The first probe is the robot at rest, where differences and norms vanish.
        state[0] = next_state[0] = home
        action = rng.uniform(-1, 1, (_PROBES, description.action_size)).astype(np.float32)
        action[0] = 0.0
        reward, values = batched(state, action, next_state, weights)
        return np.asarray(reward), np.asarray(values)

    reward, values = run(0.1)
    for i, name in enumerate(terms):
        if not np.isfinite(values[:, i]).all():
            where = "at rest in the home pose" if not np.isfinite(values[0, i]) else "near home"
            raise _RejectedError(
                f"term {name!r} is infinite or NaN {where}: guard divisions, square roots, "
                "logarithms, fractional powers and arccos/arcsin, and bound exponentials."
            )
    if not np.isfinite(reward).all():
        raise _RejectedError("the reward is infinite or NaN near the home pose.")
    if np.abs(reward).max() > LARGEST_REWARD:
        i = int(np.abs(values).max(0).argmax())
        raise _RejectedError(
            f"the reward reaches {np.abs(reward).max():.1e} near the home pose, mostly from term "
            f"{terms[i]!r} ({np.abs(values[:, i]).max():.1e}); keep it of order 1 a step."
        )
    everywhere = np.concatenate([reward, run(1.0)[0], run(10.0)[0]])
    if np.ptp(everywhere[np.isfinite(everywhere)]) == 0.0:
        raise _RejectedError(
            f"the reward is the same number, {reward[0]:g}, in every state that was tried: nothing "
            "can be learned from it. Make it depend on next_state."
        )


def _in_words(error: Exception, source: str) -> str:
    """Say what went wrong and on which line of the program."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == _FILENAME]
    place = ""
    if frames and frames[-1].lineno:
        lines = source.splitlines()
        text = lines[frames[-1].lineno - 1].strip() if frames[-1].lineno <= len(lines) else ""
        place = f"line {frames[-1].lineno} (`{text[:120]}`): "
    kind = type(error).__name__
    if kind in (
        "TracerBoolConversionError",
        "ConcretizationTypeError",
        "TracerIntegerConversionError",
    ):
        advice = (
            "a Python `if`, `while`, `and`, `or`, `not`, `min`, `max`, int() or range() depends on "
            "a traced value. Use jnp.where, jnp.minimum, jnp.maximum, jnp.clip, & and | instead."
        )
        return f"{place}{advice}"
    message = " ".join(str(error).split("\n\n")[0].split())
    return f"{place}{kind}: {message[:400]}"
