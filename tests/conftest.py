"""Shared fixtures."""

from __future__ import annotations

from pathlib import Path

import pytest

POINT_TASK = '''"""A point mass on a rail that should come to rest at 1 m."""

import jax
import jax.numpy as jnp
import mujoco

from reward_synth.task import joint_positions, joint_velocities

FRAME_SKIP = 2
EPISODE_STEPS = 20
TRAIN_STEPS = 512

FIELDS = (
    joint_positions("position", "rail", meaning="along the rail"),
    joint_velocities("velocity", "rail", meaning="along the rail"),
)

XML = """
<mujoco>
  <option timestep="0.05"/>
  <worldbody>
    <light pos="0 0 3"/>
    <body name="mass">
      <joint name="rail" type="slide" axis="1 0 0"/>
      <geom size="0.1" mass="1"/>
    </body>
  </worldbody>
  <actuator><motor name="push" joint="rail" ctrlrange="-2 2"/></actuator>
</mujoco>
"""


def model():
    return mujoco.MjSpec.from_string(XML)


def reset(key, qpos, qvel):
    return qpos + jax.random.uniform(key, qpos.shape, minval=-0.5, maxval=0.5), qvel


def observe(state):
    return jnp.stack([state.position, state.velocity])


def terminated(state):
    return jnp.abs(state.position) > 3.0


def success(state):
    return (jnp.abs(state.position - 1.0) < 0.2).astype(jnp.float32)


def fitness(state, action, next_state):
    return -jnp.abs(next_state.position - 1.0) / 20


EXPERT_SOURCE = "written for the tests"


def expert_reward(state, action, next_state):
    terms = {"near": -jnp.abs(next_state.position - 1.0), "effort": -0.01 * jnp.sum(action**2)}
    return sum(terms.values()), terms
'''


@pytest.fixture(scope="session")
def point_task_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A task that trains in a blink."""
    folder = tmp_path_factory.mktemp("tasks") / "point"
    folder.mkdir()
    (folder / "task.py").write_text(POINT_TASK)
    (folder / "task.md").write_text("# Point\n\nBring the point mass to rest 1 m to the right.\n")
    return folder
