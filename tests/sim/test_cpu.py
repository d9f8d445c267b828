"""The CPU backend: reproducible, independent, resumable, and honest about divergence."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from reward_synth.sim.cpu import CpuBackend
from reward_synth.task import load_task


@pytest.fixture(scope="module")
def hopper():
    return load_task("hopper")


@pytest.fixture(scope="module")
def keys():
    return jax.random.split(jax.random.key(0), 8)


def actions(task, steps: int, n: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (steps, n, task.model.nu)).astype(np.float32)


def run(backend: CpuBackend, actions: np.ndarray) -> np.ndarray:
    """All states, (L + 1, n, S), with a reset of every third simulation halfway."""
    states = [backend.reset().copy()]
    for t, action in enumerate(actions):
        states.append(backend.step(action)[0].copy())
        if t == len(actions) // 2:
            states.append(backend.reset(np.arange(0, backend.n, 3)).copy())
    return np.stack(states)


def test_bit_identical_at_any_thread_count(hopper, keys):
    commands = actions(hopper, 60, 8)
    one = run(CpuBackend(hopper, keys, threads=1), commands)
    two = run(CpuBackend(hopper, keys, threads=2), commands)
    np.testing.assert_array_equal(one, two)


def test_simulation_is_independent_of_its_neighbours(hopper, keys):
    commands = actions(hopper, 60, 8)
    eight = run(CpuBackend(hopper, keys), commands)
    four = run(CpuBackend(hopper, keys[:4]), commands[:, :4])
    np.testing.assert_array_equal(eight[:, :4], four)


def test_initial_states_do_not_depend_on_when_neighbours_reset(hopper, keys):
    together, apart = CpuBackend(hopper, keys[:2]), CpuBackend(hopper, keys[:2])
    for _ in range(20):  # more episodes than are drawn ahead
        expected = together.reset().copy()
    for _ in range(20):
        first = apart.reset(np.array([0]))[0].copy()
    for _ in range(20):
        second = apart.reset(np.array([1]))[1].copy()
    np.testing.assert_array_equal(np.stack([first, second]), expected)


def test_every_episode_starts_differently(hopper, keys):
    backend = CpuBackend(hopper, keys[:2])
    starts = np.stack([backend.reset().copy() for _ in range(20)]).reshape(40, -1)
    assert len(np.unique(starts, axis=0)) == 40


def test_last_action_is_the_action_and_zero_after_a_reset(hopper, keys):
    backend = CpuBackend(hopper, keys)
    (command,) = actions(hopper, 1, 8)
    size = hopper.model.nu
    np.testing.assert_array_equal(backend.reset()[:, -size:], 0.0)
    np.testing.assert_array_equal(backend.step(command)[0][:, -size:], command)
    np.testing.assert_array_equal(backend.reset(np.array([2]))[2, -size:], 0.0)


def test_actions_are_scaled_to_the_control_range(keys):
    pusher = load_task("pusher")
    backend = CpuBackend(pusher, keys)
    backend.reset()
    backend.step(np.full((8, 7), 0.5, np.float32))
    np.testing.assert_array_equal(backend._batch.bind("ctrl"), 1.0)  # half of +-2 N m


def test_continues_bit_identically_from_a_checkpoint(hopper, keys):
    before, after = np.split(actions(hopper, 80, 8), 2)
    backend = CpuBackend(hopper, keys)
    run(backend, before)
    saved = backend.checkpoint()
    expected = continued(backend, after)

    fresh = CpuBackend(hopper, keys)
    restored = fresh.restore(saved)
    np.testing.assert_array_equal(restored, saved["state"])
    np.testing.assert_array_equal(continued(fresh, after), expected)


def test_checkpoint_is_not_changed_by_what_follows(hopper, keys):
    backend = CpuBackend(hopper, keys)
    run(backend, actions(hopper, 5, 8))
    saved = backend.checkpoint()
    copies = {name: array.copy() for name, array in saved.items()}
    run(backend, actions(hopper, 5, 8))
    for name, array in copies.items():
        np.testing.assert_array_equal(saved[name], array)


def test_reset_straight_after_a_restore_leaves_the_others_alone(hopper, keys):
    backend = CpuBackend(hopper, keys)
    run(backend, actions(hopper, 5, 8))
    saved = backend.checkpoint()
    fresh = CpuBackend(hopper, keys)
    fresh.restore(saved)
    states = fresh.reset(np.array([3]))
    others = np.arange(8) != 3
    np.testing.assert_array_equal(states[others], saved["state"][others])


def continued(backend: CpuBackend, actions: np.ndarray) -> np.ndarray:
    states = []
    for action in actions:
        states.append(backend.step(action)[0].copy())
        states.append(backend.reset(np.array([1])).copy())
    return np.stack(states)


def explode(backend: CpuBackend) -> None:
    backend.qvel[1] = 1e12


def not_a_number(backend: CpuBackend) -> None:
    backend.qpos[1] = np.nan


def test_retired_simulations_stand_still_and_the_others_go_on(hopper, keys):
    commands = actions(hopper, 20, 8)
    whole, part = CpuBackend(hopper, keys), CpuBackend(hopper, keys)
    whole.reset(), part.reset()
    for command in commands[:10]:
        whole.step(command), part.step(command)
    part.retire(np.array([1, 5]))
    part.retire(np.array([6]))
    before = part.step(commands[10])[0].copy()
    whole.step(commands[10])
    for command in commands[11:]:
        expected, after = whole.step(command)[0], part.step(command)[0]
    gone = np.isin(np.arange(8), [1, 5, 6])
    np.testing.assert_array_equal(after[gone], before[gone])
    np.testing.assert_array_equal(after[~gone], expected[~gone])


@pytest.mark.parametrize("harm", [explode, not_a_number])
def test_divergence_is_reported_and_the_state_frozen(hopper, keys, harm, tmp_path, monkeypatch):
    """By default MuJoCo would carry on from the home pose as though nothing had been."""
    monkeypatch.chdir(tmp_path)  # MuJoCo writes a log file
    backend = CpuBackend(hopper, keys)
    backend.reset()
    commands = actions(hopper, 6, 8)
    last = backend.step(commands[0])[0].copy()
    harm(backend)
    for command in commands[1:4]:  # and it stays so until the reset
        state, diverged = backend.step(command)
        np.testing.assert_array_equal(diverged, np.arange(8) == 1)
        np.testing.assert_array_equal(state[1], last[1])
    state = backend.reset(np.array([1]))
    assert not np.array_equal(state[1], last[1])
    state, diverged = backend.step(commands[4])
    assert not diverged.any()

    healthy = CpuBackend(hopper, keys)
    healthy.reset()
    for command in commands[:5]:
        expected = healthy.step(command)[0]
    others = np.arange(8) != 1
    np.testing.assert_array_equal(state[others], expected[others])


def test_an_action_that_is_not_finite_is_a_divergence(hopper, keys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    backend = CpuBackend(hopper, keys)
    start = backend.reset().copy()
    command = np.zeros((8, 3), np.float32)
    command[1, 2] = np.nan
    state, diverged = backend.step(command)
    np.testing.assert_array_equal(diverged, np.arange(8) == 1)
    np.testing.assert_array_equal(state[1], start[1])
    assert np.isfinite(state).all()
    assert not list(tmp_path.iterdir())
