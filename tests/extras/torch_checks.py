"""A reward in PyTorch beside the same reward in JAX, on the same batch."""

from __future__ import annotations

import linecache
import types
import warnings
from collections.abc import Callable

import jax
import numpy as np
import torch

from reward_synth.deploy.torch_reward import torch_file
from reward_synth.records import TaskDescription, TracedReward
from reward_synth.reward.verify import load
from tests.extras.expressions import Batch

Module = types.ModuleType


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
