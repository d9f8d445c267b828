"""The tasks that come with the benchmarks, and what they count."""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

from reward_synth.state import State
from reward_synth.task import Task, load_task
from reward_synth.task.check import check_task

TASKS = Path(__file__).parents[2] / "benchmarks" / "tasks"


def state(task: Task, **values: object) -> State:
    """The home state with some fields replaced."""
    fields = task.description.fields
    assert values.keys() <= {field.name for field in fields}
    parts = [np.ravel(values.get(field.name, field.home)) for field in fields]
    return task.view(jnp.asarray(np.concatenate(parts), jnp.float32))


@pytest.mark.parametrize("folder", sorted(TASKS.iterdir()), ids=lambda folder: folder.name)
def test_task_is_sound(folder: Path):
    assert check_task(folder) == ()


def test_humanoid_counts_metres_and_succeeds_after_15_on_its_feet():
    task = load_task(TASKS / "humanoid")
    start, far, fallen = (
        state(task, torso_position=position)
        for position in ((0.0, 0.0, 1.4), (15.0, 1.0, 1.3), (15.0, 1.0, 0.9))
    )
    assert task.fitness(start, jnp.zeros(17), far) == pytest.approx(15.0)
    assert [int(task.success(s)) for s in (start, far, fallen)] == [0, 1, 0]
    assert [bool(task.terminated(s)) for s in (start, far, fallen)] == [False, False, True]


def test_three_fingers_count_the_angle_to_the_goal_on_either_side():
    task = load_task(TASKS / "three_fingers")

    def turned(angle: float, x: float = 0.0) -> State:
        facing = (np.cos(angle), np.sin(angle), 0.0)
        return state(task, cube_facing=facing, cube_position=(x, 0.0, 0.03))

    def fitness(before: float, after: float) -> float:
        return float(task.fitness(turned(before), jnp.zeros(9), turned(after)))

    assert fitness(-2.0, -0.5) == pytest.approx(1.5)
    assert fitness(-0.5, 0.5) == pytest.approx(0.0, abs=1e-6)
    assert fitness(-3.1, 3.1) == pytest.approx(0.0, abs=1e-6)
    assert [int(task.success(turned(a))) for a in (0.0, 0.19, -0.19, 0.21)] == [1, 1, 1, 0]
    assert task.success(turned(0.0, x=0.09)) == 0
    assert [bool(task.terminated(turned(0.0, x))) for x in (0.07, 0.09)] == [False, True]


def test_three_fingers_start_turned_away_clockwise():
    task = load_task(TASKS / "three_fingers")
    data = mujoco.MjData(task.model)
    home = jnp.asarray(data.qpos), jnp.asarray(data.qvel)
    for key in jax.random.split(jax.random.key(0), 20):
        data.qpos[:], _ = task.reset(key, *home)
        mujoco.mj_forward(task.model, data)
        x, y, _ = data.sensor("cube_facing").data
        assert -2.45 < np.arctan2(y, x) < -1.21
