"""The tasks that are there for GPUs run on MJX, contacts included, as they do on the CPU."""

from __future__ import annotations

from pathlib import Path

import jax
import mujoco
import numpy as np
import pytest

from reward_synth.sim.cpu import CpuBackend
from reward_synth.sim.mjx import MjxBackend
from reward_synth.task import Task, load_task

TASKS = Path(__file__).parents[2] / "benchmarks" / "tasks"
N = 3

# by unit; a contact that comes a physics step later changes velocities at once
TOLERANCE = {"m": 0.005, "m/s": np.inf, "rad/s": np.inf}


def actions(task: Task, steps: int) -> np.ndarray:
    """The same noise around what brings about contacts: falling down, closing the hand."""
    closing = np.tile([-0.3, 0.4, -0.5], 3) if task.name == "three_fingers" else 0.0
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, (steps, N, task.model.nu))
    return np.clip(closing + noise, -1, 1).astype(np.float32)


def touching(task: Task, qpos: np.ndarray) -> set[str]:
    """Names of what touches something in a configuration."""
    data = mujoco.MjData(task.model)
    data.qpos = qpos
    mujoco.mj_forward(task.model, data)
    return {task.model.geom(i).name for i in data.contact.geom[data.contact.dist < 0].ravel()}


# ``turned`` is for angles and directions. The gripped cube's differ by up to 0.06, and not for want
# of solver iterations: MuJoCo ends up in the same place with 6 as with 200.
@pytest.mark.parametrize(
    ("name", "steps", "turned", "contact"),
    [
        ("humanoid", 14, 0.005, {"right_foot", "left_foot"}),
        ("three_fingers", 8, 0.1, {"cube", "tip_1", "tip_2", "tip_3"}),
    ],
)
def test_mjx_follows_mujoco_into_contact(name: str, steps: int, turned: float, contact: set[str]):
    task = load_task(TASKS / name)
    fields = task.description.fields
    keys = jax.random.split(jax.random.key(0), N)
    cpu, mjx = CpuBackend(task, keys, threads=1), MjxBackend(task, keys, implementation="jax")
    np.testing.assert_allclose(mjx.reset(), cpu.reset(), atol=1e-5)
    tolerance = np.concatenate([np.full(f.size, TOLERANCE.get(f.unit, turned)) for f in fields])
    touched: set[str] = set()
    for action in actions(task, steps):
        (state, diverged), (wanted, _) = mjx.step(action), cpu.step(action)
        assert not diverged.any()
        touched |= touching(task, cpu.qpos[0])
        assert (np.abs(state - wanted) < tolerance).all()
    assert contact <= touched
