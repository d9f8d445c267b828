"""Robots that no bundled task has, and a program as a language model writes it."""

import ast
import re
from types import SimpleNamespace

import numpy as np

from reward_synth.propose.offline import OfflineProposer
from reward_synth.propose.operators import Operator
from reward_synth.propose.proposer import Brief, Context, Parent
from reward_synth.records import Field, RewardProgram, TaskDescription
from reward_synth.state import State


def _last_action(size):
    return Field("last_action", (size,), "1", "actuator", "action before", (0.0,) * size)


ARM = TaskDescription(
    name="kitchen",
    sentence="Push the mug to the coaster with the gripper and hold it there.",
    notes="",
    fields=(
        Field("servo_angles", (4,), "rad", "joint", "yaw, lift, bend, roll", (0.0, 0.4, -0.8, 0.0)),
        Field("servo_rates", (4,), "rad/s", "joint", "yaw, lift, bend, roll", (0.0,) * 4),
        Field("gripper_position", (3,), "m", "world", "x, y and z", (0.3, 0.0, 0.2)),
        Field("mug_position", (3,), "m", "world", "x, y and z", (0.5, 0.1, 0.0)),
        Field("target_position", (3,), "m", "world", "x, y, z of the coaster", (0.6, -0.2, 0.0)),
        _last_action(4),
    ),
    actions=("yaw", "lift", "bend", "roll"),
    timestep=0.04,
    episode_steps=200,
    terminates=False,
)
DRONE = TaskDescription(
    name="quadrotor",
    sentence="Take off and hover at a height of 1 m, as still as you can.",
    notes="",
    fields=(
        Field(
            "body_pose",
            (7,),
            "m and 1",
            "world",
            "position and quaternion",
            (0.0, 0.0, 0.1, 1.0, 0.0, 0.0, 0.0),
        ),
        Field("body_twist", (6,), "m/s and rad/s", "world", "linear, angular", (0.0,) * 6),
        Field("rotor_matrix", (3, 3), "1", "world", "rotation", (1, 0, 0, 0, 1, 0, 0, 0, 1)),
        _last_action(4),
    ),
    actions=("front", "left", "back", "right"),
    timestep=0.01,
    episode_steps=500,
    terminates=True,
)
LEGS = TaskDescription(
    name="six_legs",
    sentence="Walk sideways (along -y) at a brisk pace without falling.",
    notes="",
    fields=(
        Field("trunk_position", (3,), "m", "world", "x, y and z of the trunk", (0.0, 0.0, 0.4)),
        Field("trunk_tilt", (2,), "rad", "world", "roll and pitch", (0.0, 0.0)),
        Field("trunk_velocity", (3,), "m/s", "world", "x, y and z", (0.0, 0.0, 0.0)),
        Field("knee_angles", (6,), "rad", "joint", "knees", (0.5, -0.5, 0.5, -0.5, 0.5, -0.5)),
        Field("knee_rates", (6,), "rad/s", "joint", "knees", (0.0,) * 6),
        _last_action(6),
    ),
    actions=tuple(f"knee_{i}" for i in range(6)),
    timestep=0.02,
    episode_steps=1000,
    terminates=True,
)
PENDULUM = TaskDescription(
    name="clock",
    sentence="Swing the rod up.",
    notes="",
    fields=(Field("rod_angle", (), "rad", "joint", "0 is hanging, pi is upright", (0.0,)),),
    actions=("motor",),
    timestep=0.02,
    episode_steps=300,
    terminates=False,
)
WORLDS = (ARM, DRONE, LEGS, PENDULUM)

FOREIGN = '''"""Move briskly to the right and stay level; being jerky is ugly."""
WEIGHTS = {'pace': 1.2, 'limit': 2.0, "level": 0.5, "level_k": 3.0, "calm": 0.01}

COMFORT = 0.35


def bounded(value, limit):
    """Squash."""
    return limit * jnp.tanh(value / limit)


def reward(s, a, s2, weights):
    velocity = s2.trunk_velocity
    pace = -velocity[1]  # along -y
    pace = bounded(
        pace,
        weights['limit'],
    )
    tilt = jnp.sum(s2.trunk_tilt ** 2)
    height = jnp.abs(s2.trunk_position[2] - COMFORT)
    level = jnp.exp(-weights["level_k"] * tilt)
    level *= 1.0 - jnp.tanh(height)
    calm = jnp.sum((a - s.last_action) ** 2)
    total = weights["pace"] * pace + weights["level"] * level - weights["calm"] * calm
    return total, {"pace": weights["pace"] * pace, "level": level, "calm": calm}
'''


NAMES = "abs array clip cos dot exp maximum minimum sin sqrt square sum tanh where"
FACADE = SimpleNamespace(
    **{name: getattr(np, name) for name in NAMES.split()},
    linalg=SimpleNamespace(norm=np.linalg.norm),
)


def source_of(proposal):
    """The one program in an answer."""
    (source,) = re.findall(r"```python\n(.*?)```", proposal.answer, re.DOTALL)
    return source


def program_of(source):
    """A source as the reward parser hands it on."""
    tree = ast.parse(source)
    tables = [n.value for n in tree.body if isinstance(n, ast.Assign)]
    weights = tuple(ast.literal_eval(tables[0]).items())
    return RewardProgram(source, ast.get_docstring(tree) or "", weights)


def run(source, description, seed=0, jnp=FACADE):
    """The reward and its terms in a random step."""
    rng = np.random.default_rng(seed)
    before, after = rng.normal(size=(2, description.state_size))
    return step_of(source, description, jnp)(
        before, rng.uniform(-1, 1, description.action_size), after
    )


def step_of(source, description, jnp=FACADE):
    """The reward program as a function of state, action and next state vectors."""
    names = {"jnp": jnp}
    exec(source, names)  # written by the code under test

    def step(before, action, after):
        fields = description.fields
        return names["reward"](
            State(fields, before), action, State(fields, after), names["WEIGHTS"]
        )

    return step


def proposed(description, count, seed=0, parent="", elites=()):
    """What the offline proposer writes: first programs, or better ones than the parent."""
    known = tuple(
        Parent(f"g00c{i:02d}", program_of(source), -float(i), "")
        for i, source in enumerate((parent, *elites))
        if source
    )
    brief = Brief(Operator.REVISE, known[:1], known[1:]) if parent else Brief(Operator.INITIAL)
    context = Context(description, 1 if parent else 0, seed)
    return OfflineProposer().propose(context, [brief] * count)
