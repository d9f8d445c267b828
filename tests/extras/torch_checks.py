"""A reward in PyTorch beside the same reward in JAX, on the same batch."""

from __future__ import annotations

import linecache
import types
import warnings
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import torch

from reward_synth.deploy.torch_reward import torch_file
from reward_synth.records import Field, RewardProgram, TaskDescription, TracedReward
from reward_synth.reward.array_program import encode
from reward_synth.reward.verify import load
from reward_synth.state import State

TOP = TaskDescription(
    name="top",
    sentence="Spin.",
    notes="",
    fields=(
        Field("x", (3,), "rad/s", "world", "x, y and z", (0.1, -0.2, 0.3)),
        Field("y", (3,), "1", "world", "x, y and z", (0.1, -0.2, 0.3)),
        Field("s", (), "m", "world", "height", (0.1,)),
        Field("last_action", (2,), "1", "actuator", "before", (0.0, 0.0)),
    ),
    actions=("left", "right"),
    timestep=0.02,
    episode_steps=100,
    terminates=False,
)
WEIGHTS = (("a", 0.7), ("b", -1.5))

Batch = tuple[np.ndarray, np.ndarray, np.ndarray]
Module = types.ModuleType


def batch_of(description: TaskDescription, n: int = 64, scale: float = 1.0, seed: int = 0) -> Batch:
    """Random states about home, actions, and states after them."""
    rng = np.random.default_rng(seed)
    home = np.concatenate([np.asarray(f.home, np.float32) for f in description.fields])
    state, after = (home + scale * rng.normal(size=(2, n, len(home)))).astype(np.float32)
    action = rng.uniform(-1, 1, (n, description.action_size)).astype(np.float32)
    return state, action, after


def traced_function(
    *functions: Callable[..., jax.Array], description: TaskDescription = TOP
) -> TracedReward:
    """Functions (state, action, next_state, w) -> array, each entry of which is a term."""
    terms: list[str] = []

    def step(state, action, after, weights):
        before, then = (State(description.fields, vector) for vector in (state, after))
        w = {name: weights[i] for i, (name, _) in enumerate(WEIGHTS)}
        arrays = [jnp.ravel(jnp.asarray(f(before, action, then, w))) for f in functions]
        terms[:] = [
            f"{f.__name__} [{i}]"
            for f, a in zip(functions, arrays, strict=True)
            for i in range(a.size)
        ]
        entries = jnp.concatenate([array.astype(jnp.float32) for array in arrays])
        return entries[0], entries

    sizes = (description.state_size, description.action_size, description.state_size, len(WEIGHTS))
    shapes = [jax.ShapeDtypeStruct((size,), jnp.float32) for size in sizes]
    arrays = encode(step, *shapes)
    return TracedReward(RewardProgram("# made by a test\n", "", WEIGHTS), tuple(terms), arrays)


def module_of(text: str) -> Module:
    """What importing the file gives; TorchScript wants its source at hand."""
    name = f"exported_{abs(hash(text))}"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    module = types.ModuleType(name)
    exec(compile(text, name, "exec"), module.__dict__)
    return module


def scripted(function: Callable[..., object]) -> Callable[..., object]:
    """TorchScript, which Isaac Gym's tasks are written for; newer versions of PyTorch frown."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.script(function)


def fields_of(description: TaskDescription, vector: np.ndarray) -> dict[str, torch.Tensor]:
    """The flat states as the file wants them."""
    fields, start = {}, 0
    for field in description.fields:
        values = vector[:, start : start + field.size].reshape(len(vector), *field.shape)
        fields[field.name] = torch.from_numpy(values.copy())
        start += field.size
    return fields


def assert_same(traced: TracedReward, description: TaskDescription, *batches: Batch) -> Module:
    """Hold the file, as it is and as TorchScript, against the array program in JAX."""
    module = module_of(torch_file(traced, description, "a test"))
    reference = jax.jit(load(traced, description))
    weights = np.array([value for _, value in traced.program.weights], np.float32)
    for state, action, after in batches:
        expected, terms = map(np.asarray, reference(state, action, after, weights))
        arguments = (
            fields_of(description, state),
            torch.from_numpy(action),
            fields_of(description, after),
            module.WEIGHTS,
        )
        for function in (module.compute_reward, scripted(module.compute_reward)):
            reward, by_name = function(*arguments)
            assert tuple(by_name) == traced.terms
            for i, name in enumerate(traced.terms):
                assert_close(by_name[name], terms[:, i], name)
            assert_close(reward, expected, "reward", np.abs(terms.astype(float)).sum(1))
    return module


def assert_close(
    found: torch.Tensor, expected: np.ndarray, name: str, size: np.ndarray | None = None
) -> None:
    """Hold numbers against each other to 1e-5 of their size, or of what they are the sum of."""
    assert found.dtype == torch.float32
    assert found.shape == expected.shape, name
    slack = 1e-5 if size is None else 1e-5 * (1.0 + np.nan_to_num(size, posinf=0.0))
    close = np.isclose(found.numpy(), expected, rtol=1e-5, atol=slack, equal_nan=True)
    assert close.all(), (name, found.numpy()[~close], expected[~close])
