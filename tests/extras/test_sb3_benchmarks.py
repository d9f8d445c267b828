"""What the benchmarks stand on: the runner trains on each kind of environment; the statistics."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from reward_synth.reward.rewards import expert_reward
from reward_synth.rollout.episodes import evaluate
from reward_synth.task import load_task
from reward_synth.train.config import PPOConfig

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
CONFIG = PPOConfig(envs=4, horizon=32, epochs=4, minibatches=4, hidden=(16, 16))


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("envs", ["native", "task", "gymnasium"])
def test_the_runner_trains_on_each_kind_of_environment(envs: str) -> None:
    runner = load("sb3_runner")
    done = runner.train_sb3("reacher", "expert", seed=1, steps=300, config=CONFIG, envs=envs)
    assert done.steps == 2 * CONFIG.batch
    assert done.seconds > 0
    task = load_task("reacher")
    (rollouts,) = evaluate(task, [done.policy], [expert_reward(task)], [0], 2)
    assert np.isfinite(rollouts.episode_return).all()


def test_the_runner_says_what_gymnasium_lacks() -> None:
    with pytest.raises(SystemExit, match="expert's reward only"):
        load("sb3_runner").train_sb3("cartpole_swingup", steps=1, config=CONFIG, envs="gymnasium")


def test_interquartile_means_and_their_difference() -> None:
    parity = load("parity")
    ours, theirs = np.array([0.0, 10.0, 11.0, 12.0, 90.0]), np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    value, low, high = parity.with_interval(parity.interquartile_mean, ours)
    assert value == 11.0  # of the middle three
    assert low < value < high
    value, low, high = parity.with_interval(parity.difference, ours, theirs)
    assert value == 8.0
    assert low < value < high
    assert parity.with_interval(parity.difference, theirs, theirs)[0] == 0.0
