"""MJX against MuJoCo: the same starts, the same steps, the same answer to what goes wrong."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

from reward_synth.errors import TaskError
from reward_synth.randomisation import Randomisation
from reward_synth.reward.rewards import expert_reward
from reward_synth.sim.cpu import CpuBackend
from reward_synth.sim.mjx import MjxBackend
from reward_synth.sim.mjx_support import check_mjx
from reward_synth.task import batched, bundled_tasks, load_task
from reward_synth.task.fields import resolve, sensors

# Largest difference after one step from the same state: of state and observation; of the reward.
# What remains is single precision, but for the ant. There MuJoCo lays the friction pyramid of a
# steep leg along the leg and MJX along the world's y: while one slides, forces differ.
TOLERANCE = {
    "ant": (3.0, 1.0),
    "cartpole_swingup": (1e-5, 1e-6),
    "half_cheetah": (2e-3, 1e-3),
    "hopper": (1e-4, 1e-3),
    "pusher": (1e-4, 1e-5),
    "reacher": (1e-4, 1e-5),
}
# of its steps, on its feet or in the air, agree as closely as those of the others
ANT_SHARE, ANT_TOLERANCE = 0.5, 1e-3


def keys(n: int) -> jax.Array:
    return jax.random.split(jax.random.key(0), n)


def put(cpu: CpuBackend, saved: dict[str, np.ndarray]) -> None:
    """Bring the CPU's simulations to where MJX's are; contacts would let them drift apart."""
    cpu.qpos[:], cpu.qvel[:] = saved["data_qpos"], saved["data_qvel"]
    cpu._batch.bind("qacc_warmstart")[:] = saved["data_qacc_warmstart"]


@pytest.mark.parametrize("name", bundled_tasks())
def test_steps_of_every_bundled_task_agree_with_mujoco(name):
    task, n = load_task(name), 4
    cpu, device = CpuBackend(task, keys(n), threads=1), MjxBackend(task, keys(n))
    before = device.reset()
    np.testing.assert_allclose(before, cpu.reset(), atol=1e-6)
    reward, random, worst = expert_reward(task), np.random.default_rng(0), []
    of_state, of_reward = TOLERANCE[name]
    for _ in range(12):
        action = random.uniform(-1, 1, (n, task.model.nu)).astype(np.float32)
        put(cpu, device.checkpoint())
        after, diverged = device.step(action)
        expected, _ = cpu.step(action)
        assert not diverged.any()
        np.testing.assert_allclose(after, expected, atol=of_state)
        np.testing.assert_allclose(
            batched.observe(task, after), batched.observe(task, expected), atol=of_state
        )
        rewards = [reward.function(before, action, s, reward.weights)[0] for s in (after, expected)]
        np.testing.assert_allclose(*rewards, atol=of_reward)
        np.testing.assert_array_equal(
            batched.terminated(task, after), batched.terminated(task, expected)
        )
        worst.append(np.abs(after - expected).max(axis=1))
        before = after
    assert (np.stack(worst) < ANT_TOLERANCE).mean() > ANT_SHARE


def test_randomised_steps_agree_with_mujoco():
    """Masses with all that follows from them, friction and gains: the model's batched fields."""
    task, n = load_task("hopper"), 4
    ranges = Randomisation(mass=(0.4, 2.5), friction=(0.2, 3.0), gain=(0.5, 2.0))
    cpu = CpuBackend(task, keys(n), threads=1, randomisation=ranges)
    nominal = CpuBackend(task, keys(n), threads=1)
    device = MjxBackend(task, keys(n), randomisation=ranges)
    np.testing.assert_allclose(device.reset(), cpu.reset(), atol=1e-6)
    nominal.reset()
    of_state, apart = TOLERANCE["hopper"][0], 0.0
    for action in np.random.default_rng(0).uniform(-1, 1, (12, n, task.model.nu)):
        for backend in (cpu, nominal):
            put(backend, device.checkpoint())
        after = device.step(action.astype(np.float32))[0]
        np.testing.assert_allclose(after, cpu.step(action)[0], atol=of_state)
        apart = max(apart, np.abs(after - nominal.step(action)[0]).max())
    assert apart > 100 * of_state


@pytest.fixture(scope="module")
def point(point_task_folder):
    return load_task(point_task_folder)


def commands(steps: int, n: int) -> np.ndarray:
    return np.random.default_rng(1).uniform(-1, 1, (steps, n, 1)).astype(np.float32)


def test_each_simulation_starts_its_own_episodes(point):
    """Whatever its neighbours do, and as on the CPU."""
    cpu, device = CpuBackend(point, keys(3)), MjxBackend(point, keys(3))
    for ids in (None, [1], [1, 2], None):
        chosen = None if ids is None else np.array(ids)
        np.testing.assert_allclose(device.reset(chosen), cpu.reset(chosen), atol=1e-7)


def test_continues_bit_identically_from_a_checkpoint(point):
    device = MjxBackend(point, keys(3))
    device.reset()
    before, after = np.split(commands(6, 3), 2)
    for command in before:
        device.step(command)
    saved = device.checkpoint()
    copies = {name: array.copy() for name, array in saved.items()}

    def go_on(backend):
        states = [backend.step(command)[0] for command in after]
        return np.stack([*states, backend.reset(np.array([1]))])

    expected = go_on(device)
    fresh = MjxBackend(point, keys(3))
    np.testing.assert_array_equal(fresh.restore(saved), saved["state"])
    np.testing.assert_array_equal(go_on(fresh), expected)
    for name, array in copies.items():
        np.testing.assert_array_equal(saved[name], array)


def explode(data):
    return data.replace(qvel=data.qvel.at[1].set(1e12))


def not_a_number(data):
    return data.replace(qpos=data.qpos.at[1].set(jnp.nan))


@pytest.mark.parametrize("harm", [explode, not_a_number])
def test_divergence_is_reported_and_the_state_frozen(point, harm):
    device, healthy = MjxBackend(point, keys(3)), MjxBackend(point, keys(3))
    device.reset(), healthy.reset()
    last = device.step(commands(1, 3)[0])[0]
    healthy.step(commands(1, 3)[0])
    simulations = device._simulations
    device._simulations = simulations._replace(data=harm(simulations.data))
    others = np.arange(3) != 1
    for command in commands(3, 3):  # and it stays so until the reset
        state, diverged = device.step(command)
        np.testing.assert_array_equal(diverged, ~others)
        np.testing.assert_array_equal(state[1], last[1])
        np.testing.assert_array_equal(state[others], healthy.step(command)[0][others])
    np.testing.assert_array_equal(device.reset(np.array([1])), healthy.reset(np.array([1])))
    for command in commands(3, 3):  # of which nothing remains
        state, diverged = device.step(command)
        assert not diverged.any()
        np.testing.assert_array_equal(state, healthy.step(command)[0])


def test_an_action_that_is_not_finite_is_a_divergence(point):
    device = MjxBackend(point, keys(3))
    start = device.reset()
    state, diverged = device.step(np.array([[0.0], [np.nan], [0.0]], np.float32))
    np.testing.assert_array_equal(diverged, [False, True, False])
    np.testing.assert_array_equal(state[1], start[1])


FORCES = """
<mujoco>
  <option timestep="0.01"/>
  <worldbody>
    <geom type="plane" size="1 1 1"/>
    <body name="ball" pos="0 0 0.101">
      <joint name="rail" type="slide" axis="0 0 1"/>
      <geom size="0.1" mass="1"/>
      <site name="pad" size="0.11"/>
    </body>
  </worldbody>
  <actuator><motor name="push" joint="rail" ctrlrange="-20 20"/></actuator>
  <sensor>
    <framepos name="place" objtype="site" objname="pad"/>
    <touch name="touch" site="pad"/>
    <accelerometer name="acceleration" site="pad"/>
    <framelinvel name="speed" objtype="site" objname="pad"/>
  </sensor>
</mujoco>
"""
NAMES = ("touch", "place", "acceleration", "speed")


def with_model(task, xml: str, *names: str):
    model = mujoco.MjModel.from_xml_string(xml)
    layout = resolve(model, [sensors(name, name, meaning="read") for name in names])
    scale = model.actuator_ctrlrange[:, 1]
    return replace(task, model=model, layout=layout, action_scale=scale, reset=at_home)


def at_home(key, qpos, qvel):
    return qpos + 0.002 * jax.random.uniform(key, qpos.shape, minval=-1), qvel


def test_forces_are_those_of_the_last_physics_step(point):
    task = with_model(point, FORCES, *NAMES)
    cpu, device = CpuBackend(task, keys(4)), MjxBackend(task, keys(4))
    start = device.reset()
    np.testing.assert_allclose(start, cpu.reset(), rtol=1e-4, atol=1e-4)
    assert (start[:, 0] > 0).any()  # some balls start on the floor
    for command in commands(6, 4):
        put(cpu, device.checkpoint())
        np.testing.assert_allclose(
            device.step(command)[0], cpu.step(command)[0], rtol=1e-3, atol=1e-3
        )
    with_one_more = device.reset(np.array([2]))
    np.testing.assert_allclose(with_one_more[2], cpu.reset(np.array([2]))[2], rtol=1e-4, atol=1e-4)


PLAIN = FORCES.replace('<geom type="plane" size="1 1 1"/>', "")


@pytest.mark.parametrize(
    ("xml", "feature"),
    [
        (FORCES.replace("<option ", '<option solver="PGS" '), "PGS"),
        (FORCES.replace("<option ", '<option noslip_iterations="3" '), "the noslip solver"),
        (FORCES.replace('mass="1"', 'mass="1" fluidshape="ellipsoid"'), "fluid forces"),
        (FORCES.replace('name="rail"', 'name="rail" stiffness="1 2 0"'), "polynomial springs"),
        (FORCES.replace('name="rail"', 'name="rail" damping="1 2 0"'), "polynomial damping"),
        (FORCES.replace('joint="rail"', 'joint="rail" armature="1"'), "armature of actuators"),
        (FORCES.replace('joint="rail"', 'joint="rail" delay="0.02" nsample="4"'), "delays"),
        (FORCES.replace('size="0.1"', 'size="0.1" gap="0.01"'), "contact gaps"),
        (
            FORCES.replace('type="plane"', 'type="box"').replace(
                'size="0.1"', 'type="cylinder" size=".1 .1"'
            ),
            r"CYLINDER, BOX\) collisions",
        ),
        (FORCES.replace("</sensor>", '<e_kinetic name="e"/></sensor>'), "E_KINETIC"),
        (PLAIN, "without contacts and limits"),
    ],
)
def test_what_mjx_lacks_is_named_before_anything_is_compiled(point, xml, feature):
    with pytest.raises(TaskError, match=f"^MJX cannot simulate point: .*{feature}.*backend=cpu"):
        check_mjx(with_model(point, xml, "place"))
