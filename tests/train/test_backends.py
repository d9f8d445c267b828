"""What can be wrong with a backend before it runs, and a device that is too small."""

import sys

import jax
import pytest

from reward_synth.errors import RewardSynthError
from reward_synth.reward.rewards import expert_reward
from reward_synth.task import load_task
from reward_synth.train.config import PPOConfig
from reward_synth.train.population import Member, Population

CONFIG = PPOConfig(envs=8, horizon=4, epochs=1, minibatches=1, hidden=(4,))


@pytest.fixture(scope="module")
def task(point_task_folder):
    return load_task(point_task_folder)


def members(task, count: int) -> list[Member]:
    return [Member(expert_reward(task), seed) for seed in range(count)]


def test_without_mjx_the_extra_is_named(task, monkeypatch):
    monkeypatch.setitem(sys.modules, "mujoco.mjx", None)  # as though it were not installed
    monkeypatch.delattr("mujoco.mjx", raising=False)
    with pytest.raises(RewardSynthError, match=r"backend=mjx needs .*'reward-synth\[mjx\]'"):
        Population(task, members(task, 1), CONFIG, 1, backend="mjx")


@pytest.mark.parametrize(
    ("count", "remedy"), [(5, r"train\.envs=4 or 2 trainings at a time"), (1, r"train\.envs=4\.")]
)
def test_too_little_memory_is_said_in_settings(task, monkeypatch, count, remedy):
    population = Population(task, members(task, count), CONFIG, 1)

    def full(policies, iteration):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes.")

    monkeypatch.setattr(population._collector, "collect", full)
    with pytest.raises(RewardSynthError, match=f"{count} trainings in 8 environments.*{remedy}"):
        population.iterate()


def test_other_faults_of_a_device_are_not_explained_away(task, monkeypatch):
    population = Population(task, members(task, 1), CONFIG, 1)

    def broken(policies, iteration):
        raise jax.errors.JaxRuntimeError("INTERNAL: the device is on fire")

    monkeypatch.setattr(population._collector, "collect", broken)
    with pytest.raises(jax.errors.JaxRuntimeError, match="on fire"):
        population.iterate()
