"""MJX's Warp implementation, which GPUs use, on the CPU."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from reward_synth.sim.cpu import CpuBackend
from reward_synth.sim.mjx import MjxBackend
from reward_synth.task import load_task
from reward_synth.train.collect_mjx import MjxCollector
from reward_synth.train.config import PPOConfig
from reward_synth.train.policy import Policy
from reward_synth.train.ppo import init_learner

CONFIG = PPOConfig(envs=3, horizon=8, hidden=(16,))
SEEDS = [3, 4]


@pytest.fixture(scope="module")
def hopper():
    return load_task("hopper")


def test_steps_and_resets_agree_with_mujoco(hopper):
    keys = jax.random.split(jax.random.key(0), 3)
    cpu, device = (
        CpuBackend(hopper, keys, threads=1),
        MjxBackend(hopper, keys, implementation="warp"),
    )
    np.testing.assert_allclose(device.reset(), cpu.reset(), atol=1e-6)
    random = np.random.default_rng(0)
    for t in range(12):
        saved = device.checkpoint()
        cpu.qpos[:], cpu.qvel[:] = saved["data_qpos"], saved["data_qvel"]
        action = random.uniform(-1, 1, (3, 3)).astype(np.float32)
        after, diverged = device.step(action)
        assert not diverged.any()
        np.testing.assert_allclose(after, cpu.step(action)[0], atol=1e-3)
        if t == 6:
            chosen = np.array([1])
            np.testing.assert_allclose(device.reset(chosen)[1], cpu.reset(chosen)[1], atol=1e-6)


def test_a_rollout_is_that_of_the_jax_implementation(hopper):
    learner = init_learner(jax.random.key(0), CONFIG, 11, 3)
    policies = [Policy.of(learner)] * 2
    warp, plain = (
        MjxCollector(hopper, SEEDS, CONFIG, implementation) for implementation in ("warp", "jax")
    )
    for iteration in range(2):
        found, expected = warp.collect(policies, iteration), plain.collect(policies, iteration)
        np.testing.assert_allclose(found.next_state, expected.next_state, atol=0.05)
        np.testing.assert_array_equal(found.terminated, expected.terminated)
        np.testing.assert_array_equal(found.length, expected.length)
