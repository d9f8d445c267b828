"""The vector environment gives what Gymnasium's own vector of single ones gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import reward_synth.gym
from reward_synth.gym.vector import TaskVectorEnv
from reward_synth.task import load_task

N = 4


def pair(task: Any) -> tuple[gymnasium.vector.VectorEnv, gymnasium.vector.VectorEnv]:
    native = gymnasium.make_vec(reward_synth.gym.ENV_ID, num_envs=N, task=task)
    single = gymnasium.make_vec(
        reward_synth.gym.ENV_ID,
        num_envs=N,
        task=task,
        vectorization_mode="sync",
        vector_kwargs={"autoreset_mode": AutoresetMode.SAME_STEP},
    )
    assert isinstance(native, TaskVectorEnv)
    assert isinstance(single, SyncVectorEnv)
    return native, single


def assert_same(one: Any, other: Any, place: str) -> None:
    if isinstance(other, dict):
        assert one.keys() == other.keys(), place
        for name in other:
            assert_same(one[name], other[name], f"{place}/{name}")
        return
    assert (one.dtype, one.shape) == (other.dtype, other.shape), place
    if other.dtype == object:
        for a, b in zip(one, other, strict=True):
            assert (a is None) == (b is None), place
            if b is not None:
                assert_same(a, b, place)
    else:
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6, err_msg=place)


@pytest.mark.parametrize("name", ["hopper", "reacher"])
def test_same_numbers_and_infos_as_gymnasiums_own(name: str) -> None:
    """Hopper falls, at different times; reacher's episodes all end at their limit."""
    native, single = pair(load_task(name))
    assert native.metadata == single.metadata
    assert native.observation_space == single.observation_space
    assert native.action_space == single.action_space
    assert_same(native.reset(seed=7)[0], single.reset(seed=7)[0], "reset")
    rng = np.random.default_rng(0)
    ended = []
    for t in range(120):
        action = rng.uniform(-1, 1, native.action_space.shape).astype(np.float32)
        ours, theirs = native.step(action), single.step(action)
        for part, a, b in zip(("obs", "reward", "end", "cut", "info"), ours, theirs, strict=True):
            assert_same(a, b, f"step {t}: {part}")
        ended.append(ours[2] | ours[3])
        if ended[-1].any():
            assert "final_info" in ours[4]
    counts = np.sum(ended, axis=0)
    assert (counts >= 2).all()
    assert_same(native.reset()[0], single.reset()[0], "reset without a seed")


def test_seeds_one_by_one_and_any_number_of_threads(point_task_folder: Path) -> None:
    def run(**options: Any) -> list[np.ndarray]:
        envs = TaskVectorEnv(N, point_task_folder, **options)
        seen = [envs.reset(seed=[3, 4, 5, 6])[0]]
        seen += [envs.step(np.ones((N, 1)))[0] for _ in range(30)]
        return seen

    one, two = run(threads=1), run(threads=2)
    np.testing.assert_array_equal(one, two)
    envs = TaskVectorEnv(N, point_task_folder)
    np.testing.assert_array_equal(envs.reset(seed=3)[0], one[0])


def test_what_was_returned_stays(point_task_folder: Path) -> None:
    envs = TaskVectorEnv(N, point_task_folder)
    envs.reset(seed=0)
    observation, reward, *_ = envs.step(np.ones((N, 1)))
    kept = observation.copy(), reward.copy()
    for _ in range(25):
        envs.step(np.ones((N, 1)))
    np.testing.assert_array_equal(observation, kept[0])
    np.testing.assert_array_equal(reward, kept[1])


def test_step_before_reset_says_so(point_task_folder: Path) -> None:
    with pytest.raises(gymnasium.error.ResetNeeded):
        TaskVectorEnv(N, point_task_folder).step(np.zeros((N, 1)))
