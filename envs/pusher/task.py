"""Pusher: a seven-jointed arm pushes a cylinder to a goal on the table.

Model, reset, observation and expert are those of gymnasium's Pusher-v5. What gymnasium
calls the fingertip, the body ``tips_arm``, has its frame at the wrist, where the fork
of the hand begins; the field ``hand_position`` says so.
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
EPISODE_STEPS = 100
TRAIN_STEPS = 300_000
CAMERA = "table"
TOLERANCE = 0.05  # m, within which the cylinder is on the goal
MAX_CONTROL = 2.0  # N m; the expert's effort is in these, ours in [-1, 1]

_JOINTS = (
    "r_shoulder_pan_joint",
    "r_shoulder_lift_joint",
    "r_upper_arm_roll_joint",
    "r_elbow_flex_joint",
    "r_forearm_roll_joint",
    "r_wrist_flex_joint",
    "r_wrist_roll_joint",
)
_JOINT_ORDER = (
    "shoulder pan, shoulder lift, upper arm roll, elbow flex, forearm roll, wrist flex, wrist roll"
)

FIELDS = (
    joint_positions("joint_angles", *_JOINTS, meaning=_JOINT_ORDER),
    joint_velocities("joint_velocities", *_JOINTS, meaning=_JOINT_ORDER),
    sensors(
        "hand_position",
        "hand_position",
        meaning="x, y, z of the wrist end of the hand, from which the prongs reach out 0.1 m",
    ),
    sensors("hand_velocity", "hand_velocity", meaning="x, y, z"),
    sensors(
        "object_position",
        "object_position",
        meaning="x, y, z of the cylinder's centre; it only slides in x and y",
    ),
    joint_velocities(
        "object_velocity", "obj_slidex", "obj_slidey", frame="world", meaning="x and y"
    ),
    sensors(
        "goal_position",
        "goal_position",
        meaning="x, y, z of the disc's centre, 0.048 m below the cylinder's; constant",
    ),
)


def model() -> mujoco.MjSpec:
    spec = gymnasium_model("pusher_v5.xml")
    add_sensor(spec, "hand_position", "framepos", "tips_arm", object_type="xbody")
    add_sensor(spec, "hand_velocity", "framelinvel", "tips_arm", object_type="xbody")
    add_sensor(spec, "object_position", "framepos", "object", object_type="xbody")
    add_sensor(spec, "goal_position", "framepos", "goal", object_type="xbody")
    add_camera(spec, CAMERA, position=(1.7, -0.5, 0.95), target=(0.3, -0.3, -0.15))
    dress(spec, tile=0.25)
    return spec


def reset(key, qpos, qvel):
    """Arm at home and within +-0.005 rad/s; the cylinder somewhere beside the goal, at rest.

    gymnasium redraws the cylinder's (y, x) from a rectangle until it is more than 0.17 m
    from the goal. A fixed 16 draws do the same but for one episode in 5 million.
    """
    k1, k2 = jax.random.split(key)
    low, high = jnp.array([-0.3, -0.2]), jnp.array([0.0, 0.2])
    draws = jax.random.uniform(k1, (16, 2), minval=low, maxval=high)
    first = jnp.argmax(jnp.linalg.norm(draws, axis=1) > 0.17)
    speed = qvel[:7] + jax.random.uniform(k2, (7,), minval=-0.005, maxval=0.005)
    return (
        jnp.concatenate([qpos[:7], draws[first], jnp.zeros(2)]),
        jnp.concatenate([speed, jnp.zeros(4)]),
    )


def observe(state):
    return jnp.concatenate(
        [
            state.joint_angles,
            state.joint_velocities,
            state.hand_position,
            state.object_position,
            state.goal_position,
        ]
    )


def _distance_to_goal(state):
    """On the table, in m."""
    return jnp.linalg.norm((state.object_position - state.goal_position)[:2])


def success(state):
    """The cylinder's centre is within 5 cm of the goal's."""
    return (_distance_to_goal(state) <= TOLERANCE).astype(jnp.float32)


def fitness(state, action, next_state):
    """Metres by which the cylinder is nearer to the goal at the end than at the start."""
    return _distance_to_goal(state) - _distance_to_goal(next_state)


EXPERT_SOURCE = "gymnasium Pusher-v5"


def expert_reward(state, action, next_state):
    to_hand = next_state.object_position - next_state.hand_position
    to_goal = next_state.object_position - next_state.goal_position
    terms = {
        "near": -0.5 * jnp.linalg.norm(to_hand),
        "dist": -jnp.linalg.norm(to_goal),
        "ctrl": -0.1 * jnp.sum((MAX_CONTROL * action) ** 2),
    }
    return sum(terms.values()), terms
