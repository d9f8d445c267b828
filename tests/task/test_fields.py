"""How declared fields become columns of the state vector."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from reward_synth.errors import TaskError
from reward_synth.state import State
from reward_synth.task.fields import joint_positions, joint_velocities, resolve, sensors
from reward_synth.task.models import add_camera, add_sensor

XML = """
<mujoco>
  <worldbody>
    <body name="ball" pos="0 0 1"><freejoint name="root"/><geom size="0.1" mass="1"/>
      <body name="arm"><joint name="elbow" type="hinge" axis="0 1 0"/><geom size="0.1" mass="1"/>
        <site name="tip" pos="0.5 0 0"/></body>
    </body>
  </worldbody>
  <actuator><motor name="elbow" joint="elbow" ctrlrange="-1 1"/></actuator>
</mujoco>
"""


@pytest.fixture(scope="module")
def model() -> mujoco.MjModel:
    spec = mujoco.MjSpec.from_string(XML)
    add_sensor(spec, "tip", "framepos", "tip", object_type="site")
    add_sensor(spec, "tip_in_ball", "framepos", "tip", object_type="site", relative_to="ball")
    return spec.compile()


def test_unit_frame_and_shape_follow_from_the_model(model):
    layout = resolve(
        model,
        (
            joint_positions("height", "root", components=(2,), unit="m", meaning="z"),
            joint_velocities("spin", "root", components=(3, 4, 5), unit="rad/s", meaning="x, y, z"),
            joint_positions("elbow", "elbow", meaning="0 straight"),
            sensors("tip", "tip_in_ball", meaning="x, y, z"),
        ),
    )
    height, spin, elbow, tip, last_action = layout.fields
    assert (height.shape, height.unit, height.frame, height.home) == ((), "m", "world", (1.0,))
    assert (spin.shape, spin.unit) == ((3,), "rad/s")
    assert (elbow.unit, elbow.frame) == ("rad", "joint")
    assert (tip.unit, tip.frame, tip.home) == ("m", "ball", (0.5, 0.0, 0.0))
    assert (last_action.name, last_action.shape) == ("last_action", (1,))


def test_read_equals_reading_by_hand(model):
    layout = resolve(
        model,
        (
            sensors("tip", "tip", components=(2, 0), meaning="z and x"),
            joint_positions("pose", "elbow", "root", meaning="elbow, then the ball's pose"),
            joint_velocities("velocity", "root", components=(1, 2, 0), unit="m/s", meaning="y z x"),
        ),
    )
    rng = np.random.default_rng(0)
    arrays = {
        "qpos": rng.normal(size=(5, model.nq)),
        "qvel": rng.normal(size=(5, model.nv)),
        "sensordata": rng.normal(size=(5, model.nsensordata)),
        "last_action": rng.normal(size=(5, model.nu)),
    }
    vectors = layout.read(arrays, np.empty((5, layout.size)))
    for i, vector in enumerate(vectors):
        state = State(layout.fields, vector)
        np.testing.assert_array_equal(state.tip, arrays["sensordata"][i, [2, 0]])
        np.testing.assert_array_equal(state.pose, arrays["qpos"][i, [7, 0, 1, 2, 3, 4, 5, 6]])
        np.testing.assert_array_equal(state.velocity, arrays["qvel"][i, [1, 2, 0]])
        np.testing.assert_array_equal(state.last_action, arrays["last_action"][i])


def test_adjacent_entries_are_copied_as_one_piece(model):
    layout = resolve(
        model,
        (
            joint_positions("position", "root", components=(0, 1, 2), unit="m", meaning="x, y, z"),
            joint_positions("turn", "root", components=(3, 4, 5, 6), unit="1", meaning="w x y z"),
            joint_positions("elbow", "elbow", meaning="0 straight"),
        ),
    )
    assert layout.pieces[0] == ("qpos", slice(0, 8), slice(0, 8))
    assert [block for block, _, _ in layout.pieces] == ["qpos", "last_action"]


def test_without_fields_everything_named_is_one(model):
    names = [field.name for field in resolve(model, None).fields]
    assert names == [
        "root_position",
        "root_velocity",
        "elbow_position",
        "elbow_velocity",
        "tip",
        "tip_in_ball",
        "last_action",
    ]


@pytest.mark.parametrize("name", ["", "2fast", "lambda", "_hidden", "last_action"])
def test_names_that_a_program_could_not_write_are_refused(model, name):
    with pytest.raises(TaskError, match="field"):
        resolve(model, (joint_positions(name, "elbow", meaning="0 straight"),))


def test_components_beyond_the_sensor_are_refused(model):
    with pytest.raises(TaskError, match="keeps component 3"):
        resolve(model, (sensors("tip", "tip", components=(0, 3), meaning="x and?"),))


@pytest.mark.parametrize("position", [(0.0, -3.0, 1.0), (2.0, 2.0, 2.0), (0.0, 0.0, 5.0)])
def test_camera_looks_at_its_target_with_z_upwards(position):
    spec = mujoco.MjSpec.from_string(XML)
    add_camera(spec, "eye", position=position, target=(0.0, 0.0, 0.5))
    model = spec.compile()
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    right, up, backward = data.camera("eye").xmat.reshape(3, 3).T
    forward = np.array((0.0, 0.0, 0.5)) - position
    np.testing.assert_allclose(-backward, forward / np.linalg.norm(forward), atol=1e-9)
    np.testing.assert_allclose(right[2], 0.0, atol=1e-9)
    assert up[2] >= 0.0
