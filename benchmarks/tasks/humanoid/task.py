"""Humanoid: a biped with seventeen motors.

Geometry, masses, motors, reset and limits are those of gymnasium's Humanoid-v5. Three
things about the physics are not, for the sake of GPUs: Newton's solver in place of PGS,
which MJX does not have; Euler's integrator in place of RK4, which costs four times as
much; and a bound on the collisions that MJX looks at in detail, as in MuJoCo
Playground's humanoid. The observation is positions and velocities (45 numbers), which is
Humanoid-v5's with its four ``include_..._in_observation`` off, and the expert is
Humanoid-v5's with ``contact_cost_weight=0``.
"""

import jax
import jax.numpy as jnp
import mujoco

from reward_synth.task import (
    add_camera,
    add_sensor,
    dress,
    gymnasium_model,
    joint_positions,
    joint_velocities,
    sensors,
)

FRAME_SKIP = 5
EPISODE_STEPS = 1000
TRAIN_STEPS = 2_000_000
CAMERA = "chase"
TIMESTEP = 0.015  # s, between two actions
MAX_CONTROL = 0.4  # the expert's effort is in these, ours in [-1, 1]
GOAL = 15.0  # m in an episode of 15 s

_JOINTS = (
    *("abdomen_z", "abdomen_y", "abdomen_x"),
    *("right_hip_x", "right_hip_z", "right_hip_y", "right_knee"),
    *("left_hip_x", "left_hip_z", "left_hip_y", "left_knee"),
    *("right_shoulder1", "right_shoulder2", "right_elbow"),
    *("left_shoulder1", "left_shoulder2", "left_elbow"),
)
_JOINT_ORDER = (
    "waist z, y, x; right hip x, z, y and knee; left hip x, z, y and knee; "
    "right shoulder 1, 2 and elbow; left shoulder 1, 2 and elbow"
)

FIELDS = (
    joint_positions(
        "torso_position",
        "root",
        components=(0, 1, 2),
        unit="m",
        meaning="x (forward), y (left) and z (height) of the torso's centre",
    ),
    joint_positions(
        "torso_orientation",
        "root",
        components=(3, 4, 5, 6),
        unit="1",
        meaning="unit quaternion w, x, y, z; (1, 0, 0, 0) is upright and facing +x",
    ),
    sensors("torso_up", "torso_up", meaning="the torso's own up direction; (0, 0, 1) if upright"),
    sensors(
        "torso_forward",
        "torso_forward",
        meaning="the direction the torso faces; (1, 0, 0) along the track",
    ),
    sensors("center_of_mass", "center_of_mass", meaning="x, y, z of the whole body's"),
    joint_positions("joint_angles", *_JOINTS, meaning=_JOINT_ORDER),
    joint_velocities(
        "torso_velocity", "root", components=(0, 1, 2), unit="m/s", meaning="x, y and z"
    ),
    joint_velocities(
        "torso_angular_velocity",
        "root",
        components=(3, 4, 5),
        unit="rad/s",
        frame="torso",
        meaning="about the torso's own x (roll), y (pitch) and z (yaw) axes",
    ),
    joint_velocities("joint_velocities", *_JOINTS, meaning=_JOINT_ORDER),
    sensors(
        "right_foot_position",
        "right_foot",
        meaning="x, y, z of the ball's centre; z is 0.075 when it stands on the floor",
    ),
    sensors("left_foot_position", "left_foot", meaning="likewise"),
)


def model() -> mujoco.MjSpec:
    spec = gymnasium_model("humanoid.xml")
    spec.option.solver = mujoco.mjtSolver.mjSOL_NEWTON
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_EULER
    # In a batch all wait for the slowest; with more iterations the same happens here.
    spec.option.iterations, spec.option.ls_iterations = 4, 8
    # MJX's alone: of each kind of collision only the nearest pairs and deepest contacts count.
    for bound in ("max_geom_pairs", "max_contact_points"):
        spec.add_numeric(name=bound, size=1, data=[8])
    add_sensor(spec, "torso_up", "framezaxis", "torso", object_type="xbody")
    add_sensor(spec, "torso_forward", "framexaxis", "torso", object_type="xbody")
    add_sensor(spec, "center_of_mass", "subtreecom", "torso")
    for foot in ("right_foot", "left_foot"):
        add_sensor(spec, foot, "framepos", foot, object_type="geom")
    add_camera(spec, CAMERA, position=(0.3, -3.6, 0.6), target=(0.2, 0.0, -0.1), follow="torso")
    dress(spec)
    return spec


def reset(key, qpos, qvel):
    """Uniform noise of 0.01 on every position and velocity."""
    k1, k2 = jax.random.split(key)
    return (
        qpos + jax.random.uniform(k1, qpos.shape, minval=-0.01, maxval=0.01),
        qvel + jax.random.uniform(k2, qvel.shape, minval=-0.01, maxval=0.01),
    )


def observe(state):
    """Everything but x and y."""
    return jnp.concatenate(
        [
            state.torso_position[2:],
            state.torso_orientation,
            state.joint_angles,
            state.torso_velocity,
            state.torso_angular_velocity,
            state.joint_velocities,
        ]
    )


def _healthy(state):
    height = state.torso_position[2]
    return (height > 1.0) & (height < 2.0)


def terminated(state):
    return ~_healthy(state)


def success(state):
    """Got 15 m far, which is 1 m/s over a full episode, and is on its feet."""
    return (_healthy(state) & (state.torso_position[0] >= GOAL)).astype(jnp.float32)


def fitness(state, action, next_state):
    """Metres travelled forward; a fall ends the count."""
    return next_state.torso_position[0] - state.torso_position[0]


EXPERT_SOURCE = "gymnasium Humanoid-v5 without contact cost, after Tassa et al. (2012)"


def expert_reward(state, action, next_state):
    travelled = next_state.center_of_mass[0] - state.center_of_mass[0]
    terms = {
        "forward": 1.25 * travelled / TIMESTEP,
        "survive": 5.0 * _healthy(next_state),
        "ctrl": -0.1 * jnp.sum((MAX_CONTROL * action) ** 2),
    }
    return sum(terms.values()), terms
