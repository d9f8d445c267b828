"""Episodes: ends, time limits, automatic resets, checkpoints."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from reward_synth.sim.cpu import CpuBackend
from reward_synth.sim.vector import VectorEnv
from reward_synth.task import load_task


@pytest.fixture(scope="module")
def task(point_task_folder):
    """A point mass on a rail; ends beyond 3 m, or after 20 steps of 0.1 s."""
    return load_task(point_task_folder)


def environments(task, n: int = 4) -> tuple[VectorEnv, CpuBackend]:
    backend = CpuBackend(task, jax.random.split(jax.random.key(0), n), threads=1)
    return VectorEnv(task, backend), backend


def push(n: int, *, hard: tuple[int, ...] = ()) -> np.ndarray:
    """Full force in environments ``hard``, none in the others."""
    action = np.zeros((n, 1), np.float32)
    action[list(hard)] = 1.0
    return action


def position(state: np.ndarray) -> np.ndarray:
    return state[:, 0]


def test_time_limit_truncates_and_does_not_terminate(task):
    env, _ = environments(task)
    for t in range(1, 21):
        step = env.step(push(4))
        assert not step.terminated.any()
        assert (step.length == t).all()
        assert step.truncated.all() == (t == 20)
    assert (env.step(push(4)).length == 1).all()


def test_termination_is_not_truncation(task):
    env, _ = environments(task)
    ended = None
    for _ in range(20):
        step = env.step(push(4, hard=(2,)))
        if step.done.any():
            ended = step
            break
    assert ended is not None
    np.testing.assert_array_equal(ended.terminated, np.arange(4) == 2)
    assert not ended.truncated.any()
    assert ended.length[2] < 20


def test_an_end_in_the_last_step_is_a_termination(task):
    env, backend = environments(task)
    for _ in range(19):
        env.step(push(4))
    backend.qpos[2] = 5.0
    step = env.step(push(4))
    np.testing.assert_array_equal(step.terminated, np.arange(4) == 2)
    np.testing.assert_array_equal(step.truncated, np.arange(4) != 2)


def test_automatic_reset_keeps_the_true_last_state(task):
    env, backend = environments(task)
    env.step(push(4))
    backend.qpos[2] = 5.0
    before = env.state.copy()
    step = env.step(push(4))
    assert position(step.next_state)[2] == pytest.approx(5.0)
    assert abs(position(env.state)[2]) <= 0.5  # the new episode's start
    others = np.arange(4) != 2
    np.testing.assert_array_equal(env.state[others], step.next_state[others])
    assert position(before)[2] != pytest.approx(5.0)
    lengths = env.step(push(4)).length
    np.testing.assert_array_equal(lengths, [3, 3, 1, 3])


def test_divergence_truncates_and_starts_anew(task, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # MuJoCo writes a log file
    env, backend = environments(task)
    last = env.step(push(4)).next_state
    backend.qpos[1] = np.nan
    step = env.step(push(4))
    np.testing.assert_array_equal(step.diverged, np.arange(4) == 1)
    np.testing.assert_array_equal(step.truncated, np.arange(4) == 1)
    assert not step.terminated.any()
    np.testing.assert_array_equal(step.next_state[1], last[1])
    assert np.isfinite(env.state).all()
    assert not env.step(push(4)).diverged.any()


def test_steps_already_returned_do_not_change(task):
    env, _ = environments(task)
    step = env.step(push(4, hard=(0,)))
    state = env.state
    kept = [array.copy() for array in (step.next_state, step.length, step.diverged, state)]
    for _ in range(30):
        env.step(push(4, hard=(0,)))
    for array, copy in zip((step.next_state, step.length, step.diverged, state), kept, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_continues_bit_identically_from_a_checkpoint(task):
    rng = np.random.default_rng(0)
    commands = rng.uniform(-1, 1, (60, 4, 1)).astype(np.float32)
    commands[:, 0] = 1.0  # terminates again and again
    env, _ = environments(task)
    for command in commands[:27]:
        env.step(command)
    saved = env.checkpoint()
    expected = [env.step(command) for command in commands[27:]]

    fresh, _ = environments(task)
    fresh.restore(saved)
    for command, step in zip(commands[27:], expected, strict=True):
        again = fresh.step(command)
        for name in ("next_state", "terminated", "truncated", "diverged", "length"):
            np.testing.assert_array_equal(getattr(again, name), getattr(step, name))
    np.testing.assert_array_equal(fresh.state, env.state)
