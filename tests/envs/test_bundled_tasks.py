"""What every bundled task must be, and what each one counts as fitness and success."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

from reward_synth.state import State
from reward_synth.task import Task, bundled_tasks, load_task
from reward_synth.task.check import check_task


def state(task: Task, **values: object) -> State:
    """The home state with some fields replaced."""
    fields = task.description.fields
    assert values.keys() <= {field.name for field in fields}
    parts = [np.ravel(values.get(field.name, field.home)) for field in fields]
    return task.view(jnp.asarray(np.concatenate(parts), jnp.float32))


def test_all_six_are_found():
    assert bundled_tasks() == (
        "ant",
        "cartpole_swingup",
        "half_cheetah",
        "hopper",
        "pusher",
        "reacher",
    )


@pytest.mark.parametrize("name", bundled_tasks())
def test_task_is_sound(name: str):
    assert check_task(name) == ()


@pytest.mark.parametrize("name", bundled_tasks())
def test_task_is_presentable(name: str):
    task = load_task(name)
    description = task.description
    assert description.sentence.endswith(".")
    assert len(description.notes) > 100
    assert task.camera is not None
    assert task.expert_source
    assert all(field.unit and field.frame and field.meaning for field in description.fields)


@pytest.mark.parametrize("name", bundled_tasks())
def test_expert_reward_traces_in_batches_and_its_terms_add_up(name: str):
    task = load_task(name)
    expert = task.expert_reward
    assert expert is not None

    @jax.jit
    @jax.vmap
    def batch(before, action, after):
        return expert(task.view(before), action, task.view(after))

    rng = np.random.default_rng(0)
    sizes = (task.layout.size, task.model.nu, task.layout.size)
    reward, terms = batch(*(rng.normal(size=(5, size)).astype(np.float32) for size in sizes))
    assert reward.shape == (5,)
    np.testing.assert_allclose(reward, sum(terms.values()), rtol=1e-5)


@pytest.mark.parametrize("name", ["hopper", "half_cheetah", "ant"])
def test_runners_count_metres(name: str):
    task = load_task(name)
    size = len(state(task).torso_position)
    xs = [np.eye(size)[0] * x for x in (0.5, 2.0)]
    before, after = (state(task, torso_position=x) for x in xs)
    assert task.fitness(before, jnp.zeros(task.model.nu), after) == pytest.approx(1.5)


def test_hopper_succeeds_after_8_m_if_upright():
    task = load_task("hopper")
    assert task.success(state(task, torso_position=(8.0, 1.2))) == 1
    assert task.success(state(task, torso_position=(7.9, 1.2))) == 0
    assert task.success(state(task, torso_position=(8.0, 0.6))) == 0
    assert task.success(state(task, torso_position=(8.0, 1.2), torso_pitch=0.3)) == 0


def test_half_cheetah_succeeds_after_100_m_if_not_on_its_back():
    task = load_task("half_cheetah")
    assert task.success(state(task, torso_position=(100.0, 0.0))) == 1
    assert task.success(state(task, torso_position=(99.0, 0.0))) == 0
    assert task.success(state(task, torso_position=(100.0, -0.4), torso_pitch=np.pi)) == 0


def test_ant_succeeds_after_50_m_if_on_its_feet():
    task = load_task("ant")
    assert task.success(state(task, torso_position=(50.0, 3.0, 0.6))) == 1
    assert task.success(state(task, torso_position=(49.0, 3.0, 0.6))) == 0
    assert task.success(state(task, torso_position=(50.0, 3.0, 0.1))) == 0
    assert task.success(state(task, torso_position=(50.0, 3.0, 0.4), torso_up=(0, 0, -1))) == 0


def test_reacher_counts_the_mean_distance():
    task = load_task("reacher")
    near = state(task, fingertip_position=(0.1, 0.11), target_position=(0.1, 0.1))
    far = state(task, fingertip_position=(0.1, 0.15), target_position=(0.1, 0.1))
    assert (task.success(near), task.success(far)) == (1, 0)
    assert 50 * task.fitness(near, jnp.zeros(2), far) == pytest.approx(-0.05)


def test_pusher_counts_progress_on_the_table():
    task = load_task("pusher")
    far, near = (
        state(task, object_position=(0.45, y, -0.275), goal_position=(0.45, -0.05, -0.323))
        for y in (-0.30, -0.09)
    )
    assert (task.success(near), task.success(far)) == (1, 0)
    assert task.fitness(far, jnp.zeros(7), near) == pytest.approx(0.21)
    assert task.fitness(far, jnp.zeros(7), far) == 0


def test_cartpole_counts_uprightness():
    task = load_task("cartpole_swingup")
    hanging, upright = state(task), state(task, pole_angle=0.0)
    push = jnp.zeros(1)
    assert 500 * task.fitness(upright, push, hanging) == pytest.approx(0.0, abs=1e-6)
    assert 500 * task.fitness(hanging, push, upright) == pytest.approx(1.0)
    assert task.success(upright) == 1
    assert task.success(state(task, pole_angle=4 * np.pi)) == 1
    assert task.success(hanging) == 0
    assert task.success(state(task, pole_angle=0.0, pole_angular_velocity=5.0)) == 0
    assert task.success(state(task, pole_angle=0.0, cart_position=1.8)) == 0


def test_signs_that_the_fields_promise():
    """A positive pitch leans the hopper forward and puts the cheetah's nose down."""

    def turned(name: str, joint: str, value: float) -> mujoco.MjData:
        model = load_task(name).model
        data = mujoco.MjData(model)
        data.joint(joint).qpos += value
        mujoco.mj_forward(model, data)
        return data

    hopper = turned("hopper", "rooty", 0.3)
    assert hopper.geom("torso_geom").xmat[2] > 0  # the torso's axis tips towards +x
    cheetah = turned("half_cheetah", "rooty", 0.3)
    assert cheetah.geom("head").xpos[2] < cheetah.body("torso").xpos[2] + 0.1
    pole = turned("cartpole_swingup", "hinge", 0.3 - np.pi)
    assert pole.site("tip").xpos[0] > 0
    assert pole.site("tip").xpos[2] > 1.5
