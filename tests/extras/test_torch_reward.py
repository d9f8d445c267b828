"""Whole rewards as PyTorch files: those that people wrote, those that the proposer writes."""

from __future__ import annotations

import ast
import subprocess
import sys

import numpy as np
import pytest
import torch

from reward_synth.cli import main
from reward_synth.deploy.torch_reward import torch_file, traced_expert
from reward_synth.propose.offline import OfflineProposer
from reward_synth.propose.operators import Operator
from reward_synth.propose.proposer import Brief, Context
from reward_synth.records import RewardProgram, TracedReward
from reward_synth.reward.parse import parse
from reward_synth.reward.trace import trace
from reward_synth.task import bundled_tasks, load_task
from tests.extras.expressions import TOP, WEIGHTS, batch_of, traced_function
from tests.extras.torch_checks import assert_close, assert_same, fields_of, module_of, scripted

by_task = pytest.mark.parametrize("name", bundled_tasks())


@by_task
def test_the_expert_reward(name):
    task = load_task(name)
    near, far = (batch_of(task.description, scale=scale) for scale in (0.1, 3.0))
    assert_same(traced_expert(task), task.description, near, far)


@by_task
def test_what_the_offline_proposer_writes(name):
    description = load_task(name).description
    near, far = (batch_of(description, scale=scale) for scale in (0.1, 3.0))
    briefs = [Brief(Operator.INITIAL)] * 4
    for proposal in OfflineProposer().propose(Context(description, 0, seed=3), briefs):
        program = parse(proposal.answer)
        assert isinstance(program, RewardProgram), program
        traced = trace(program, description)
        assert isinstance(traced, TracedReward), traced
        module = assert_same(traced, description, near, far)
        assert set(module.WEIGHTS.items()) <= set(program.weights)


def upright(state, action, after, w):
    return w["a"] * after.s - w["b"] * (after.x * after.y - state.x) / w["a"]


def test_weights_are_tuned_from_outside():
    module = module_of(torch_file(traced_function(upright), TOP, "a test"))
    state, action, after = batch_of(TOP)
    arguments = fields_of(TOP, state), torch.from_numpy(action), fields_of(TOP, after)
    for function in (module.compute_reward, scripted(module.compute_reward)):
        _, terms = function(*arguments, {"a": 2.0, "b": 3.0})
        x, y, s = after[:, :3], after[:, 3:6], after[:, 6]
        expected = 2.0 * s[:, None] - 3.0 * (x * y - state[:, :3]) / 2.0
        for i in range(3):
            assert_close(terms[f"upright [{i}]"], expected[:, i], "tuned")
    assert dict(WEIGHTS) == module.WEIGHTS


def test_torch_compile_sees_one_graph():
    module = module_of(torch_file(traced_function(upright), TOP, "a test"))
    state, action, after = batch_of(TOP)
    arguments = fields_of(TOP, state), torch.from_numpy(action), fields_of(TOP, after)
    compiled = torch.compile(module.compute_reward, backend="eager", fullgraph=True)
    found, expected = (f(*arguments, module.WEIGHTS) for f in (compiled, module.compute_reward))
    torch.testing.assert_close(found, expected)


def test_float64_is_computed_in_float64():
    module = module_of(torch_file(traced_function(upright), TOP, "a test"))
    state, action, after = (np.asarray(part, np.float64) for part in batch_of(TOP))
    arguments = fields_of(TOP, state), torch.from_numpy(action), fields_of(TOP, after)
    reward, _ = module.compute_reward(*arguments, module.WEIGHTS)
    assert reward.dtype == torch.float64


@pytest.mark.parametrize("script", [False, True])
def test_a_stray_axis_is_an_error_and_not_a_broadcast(script):
    module = module_of(torch_file(traced_function(upright), TOP, "a test"))
    state, action, after = batch_of(TOP)
    before, now = fields_of(TOP, state), fields_of(TOP, after)
    now["s"] = now["s"][:, None]
    function = scripted(module.compute_reward) if script else module.compute_reward
    with pytest.raises(Exception, match=r"s has shape \[64, 1\], not \[64\]"):
        function(before, torch.from_numpy(action), now, module.WEIGHTS)


def test_the_file_stands_alone(tmp_path, monkeypatch):
    """With PyTorch and nothing else of ours, and in the syntax of Isaac Gym's Python."""
    monkeypatch.chdir(tmp_path)
    assert main(["export-reward", "expert:reacher", "--to", "torch", "--output", "mine.py"]) == 0
    text = (tmp_path / "mine.py").read_text()
    imported = {
        alias.name if isinstance(node, ast.Import) else node.module
        for node in ast.walk(ast.parse(text, feature_version=(3, 7)))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert imported == {"torch", "typing"}
    code = (
        "import sys, warnings, torch; warnings.simplefilter('ignore'); "
        "from mine import compute_reward, WEIGHTS; "
        "z = torch.zeros; f = {'fingertip_position': z(4, 2), 'target_position': z(4, 2)}; "
        "f = type('D', (dict,), {'__missing__': lambda s, k: z(4, 2)})(f); "
        "print(compute_reward({}, z(4, 2), f, WEIGHTS)[0].shape); "
        "sys.exit(any(m in sys.modules for m in ('jax', 'reward_synth')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "torch.Size([4])\n"
