"""Domain randomisation on the CPU: off it changes no bit, on it is seeded, exact and resumable."""

from __future__ import annotations

import copy
import re

import jax
import mujoco
import numpy as np
import pytest

from reward_synth.randomisation import Randomisation, fixed
from reward_synth.sim.cpu import CpuBackend
from reward_synth.sim.vector import VectorEnv
from reward_synth.sim.worlds import PUSHES, pushed
from reward_synth.task import load_task

EVERYTHING = Randomisation(
    mass=(0.5, 2.0),
    friction=(0.2, 2.0),
    gain=(0.5, 1.5),
    delay=(0, 3),
    noise=(0.0, 0.5),
    push=(0.0, 2.0),
)
N = 8


@pytest.fixture(scope="module")
def hopper():
    return load_task("hopper")


@pytest.fixture(scope="module")
def keys():
    return jax.random.split(jax.random.key(0), N)


def actions(task, steps: int, n: int = N) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (steps, n, task.model.nu)).astype(np.float32)


def backend(task, keys, randomisation, threads: int = 0) -> CpuBackend:
    return CpuBackend(task, keys, threads=threads, randomisation=randomisation)


def episodes(task, backend: CpuBackend, commands: np.ndarray) -> np.ndarray:
    """True next states, (L, n, S), in episodes that begin anew when they end."""
    env = VectorEnv(task, backend)
    return np.stack([env.step(command).next_state for command in commands])


@pytest.mark.parametrize("off", [None, Randomisation(), Randomisation(mass=(1, 1), delay=(0, 0))])
def test_off_changes_no_bit(hopper, keys, off):
    commands = actions(hopper, 120)
    plain = episodes(hopper, CpuBackend(hopper, keys), commands)
    np.testing.assert_array_equal(episodes(hopper, backend(hopper, keys, off), commands), plain)


def test_each_thing_changes_what_happens_but_not_where_it_begins(hopper, keys):
    commands = actions(hopper, 40)
    plain = CpuBackend(hopper, keys)
    start, nominal = plain.reset().copy(), episodes(hopper, CpuBackend(hopper, keys), commands)
    for name, found in EVERYTHING.ranges():
        one = Randomisation(**{name: found})
        np.testing.assert_array_equal(backend(hopper, keys, one).reset(), start, err_msg=name)
        after = episodes(hopper, backend(hopper, keys, one), commands)
        assert np.array_equal(after, nominal) == (name == "noise")  # which is the observer's


def test_same_draws_at_any_thread_count_and_whoever_the_neighbours_are(hopper, keys):
    commands = actions(hopper, 80)
    one = episodes(hopper, backend(hopper, keys, EVERYTHING, threads=1), commands)
    two = episodes(hopper, backend(hopper, keys, EVERYTHING, threads=2), commands)
    np.testing.assert_array_equal(one, two)
    few = episodes(hopper, backend(hopper, keys[:3], EVERYTHING), commands[:, :3])
    np.testing.assert_array_equal(one[:, :3], few)


def test_every_episode_draws_its_own_world(hopper, keys):
    simulations = backend(hopper, keys, EVERYTHING)
    drawn = []
    for _ in range(20):  # more than are drawn ahead
        simulations.reset()
        drawn.append(np.stack([simulations._batch.expand("body_mass")[:, 1], simulations.noise]))
    values = np.stack(drawn)  # (20, 2, n)
    assert len(np.unique(values[:, 0])) == len(np.unique(values[:, 1])) == 20 * N
    factors = values[:, 0] / hopper.model.body_mass[1]
    assert 0.5 <= factors.min() < 0.7
    assert 1.8 < factors.max() <= 2.0
    assert abs(np.corrcoef(factors.ravel(), values[:, 1].ravel())[0, 1]) < 0.25


def test_others_keep_their_world_while_some_begin_anew(hopper, keys):
    simulations = backend(hopper, keys, EVERYTHING)
    simulations.reset()
    mass = simulations._batch.expand("body_mass").copy()
    simulations.reset(np.array([2, 5]))
    anew = (simulations._batch.expand("body_mass") != mass).any(1)
    np.testing.assert_array_equal(np.flatnonzero(anew), [2, 5])


def test_a_factor_is_that_of_a_model_compiled_so(hopper, keys):
    """Derived constants follow the masses: the same as MuJoCo's own of an edited model."""
    for name, fields in (
        ("mass", ("body_mass", "body_inertia")),
        ("friction", ("geom_friction", "dof_frictionloss")),
        ("gain", ("actuator_gainprm",)),
    ):
        edited = copy.copy(hopper.model)
        for field in fields:
            getattr(edited, field)[:] *= 1.5
        mujoco.mj_setConst(edited, mujoco.MjData(edited))
        expected = CpuBackend(hopper, keys)
        expected._batch.set_models(edited)
        found = backend(hopper, keys, fixed(name, 1.5))
        np.testing.assert_array_equal(found.reset(), expected.reset())
        for command in actions(hopper, 30):
            np.testing.assert_array_equal(
                found.step(command)[0], expected.step(command)[0], err_msg=name
            )


def test_a_delay_is_of_whole_steps_and_begins_with_nothing(hopper, keys):
    commands = actions(hopper, 10)
    late = backend(hopper, keys, fixed("delay", 2))
    plain = CpuBackend(hopper, keys)
    late.reset(), plain.reset()
    sent = np.concatenate([np.zeros_like(commands[:2]), commands])
    size = hopper.model.nu
    for told, arrived in zip(commands, sent, strict=False):
        state, expected = late.step(told)[0], plain.step(arrived)[0]
        np.testing.assert_array_equal(state[:, :-size], expected[:, :-size])
        np.testing.assert_array_equal(state[:, -size:], told)  # last_action is what was sent


def test_a_push_changes_the_speed_of_a_free_body_by_its_size(point_task_folder, keys):
    point = load_task(point_task_folder)
    assert pushed(point).movable.tolist() == [1.0, 0.0]
    simulations = backend(point, keys, fixed("push", 0.7))
    simulations.reset()
    idle = np.zeros((N, 1), np.float32)
    speed = [simulations.qvel[:, 0].copy()]
    for _ in range(20):
        simulations.step(idle)
        speed.append(simulations.qvel[:, 0].copy())
    jumps = np.diff(speed, axis=0)
    sizes = np.abs(jumps) / 0.7
    np.testing.assert_allclose(sizes, np.round(sizes), atol=1e-6)  # two at once add up
    shoves = simulations._perturbations._worlds.push_step
    assert shoves.shape == (N, PUSHES)
    for i in range(N):
        assert set(np.flatnonzero(jumps[:, i])) <= set(shoves[i])
        assert sizes[:, i].sum() <= PUSHES + 1e-6
    assert (jumps > 0).any()
    assert (jumps < 0).any()


def test_continues_bit_identically_from_a_checkpoint(hopper, keys):
    before, after = np.split(actions(hopper, 160), 2)
    simulations = backend(hopper, keys, EVERYTHING)
    env = VectorEnv(hopper, simulations)
    for command in before:
        env.step(command)
    saved = {name: array.copy() for name, array in env.checkpoint().items()}
    expected = np.stack([env.step(command).next_state for command in after])
    again = VectorEnv(hopper, backend(hopper, keys, EVERYTHING))
    again.restore(saved)
    np.testing.assert_array_equal(
        np.stack([again.step(command).next_state for command in after]), expected
    )


def test_each_simulation_may_have_bounds_of_its_own(hopper, keys):
    worlds = [fixed("mass", 0.5 + 0.25 * i) for i in range(N)]
    simulations = backend(hopper, keys, worlds)
    simulations.reset()
    factors = simulations._batch.expand("body_mass")[:, 1] / hopper.model.body_mass[1]
    np.testing.assert_allclose(factors, 0.5 + 0.25 * np.arange(N))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (Randomisation(mass=(0.0, 1.0)), "mass must be above 0"),
        (Randomisation(friction=(-0.5, 1.0)), "friction must be 0 or more"),
        (Randomisation(gain=(1.2, 0.8)), r"gain must be \[low, high\]"),
        (Randomisation(delay=(0, 1.5)), "whole control steps"),
        (Randomisation(push=(0.0, float("inf"))), "push must be"),
    ],
)
def test_ranges_that_make_no_sense_are_named(wrong, words):
    assert re.search(words, wrong.problem())
    assert not EVERYTHING.problem()
