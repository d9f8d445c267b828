"""The robot's runtime: what it computes, and each of its watches, on networks made by hand."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import numpy as np
import pytest

from reward_synth.deploy import runtime
from reward_synth.deploy.runtime import Bundle, Controller, Reading

PERIOD = 0.02


class Network:
    """Stands in for onnxruntime's: a function of one array."""

    def __init__(self, function):
        self.function = function

    def get_inputs(self):
        return [type("Input", (), {"name": "x"})]

    def run(self, outputs, inputs):
        return [np.asarray(self.function(inputs["x"]), np.float32)]


def joint(name, kind="effort", scale=10.0, offset=0.0, effort=8.0):
    return {
        "name": name,
        "kind": kind,
        "scale": scale,
        "offset": offset,
        "default": 0.3,
        "limits": {"position": None, "velocity": None, "effort": effort},
        "watch": {"position": [-2.0, 2.0], "speed": 5.0},
    }


def field(name, source, shape=(), joints=(), observed=True):
    return {
        "name": name,
        "source": source,
        "shape": list(shape),
        "joints": list(joints),
        "observed": observed,
    }


FIELDS = [
    field("angles", "joint position", (2,), (0, 1)),
    field("speed_of_b", "joint velocity", (), (1,)),
    field("tilt", "robot", (3,)),
    field("hidden", "robot", (2,), observed=False),
    field("last_action", "action", (2,)),
]
STATE = 2 + 1 + 3 + 2 + 2


def controller_of(policy, *, joints=None, history=1, **options):
    """A robot with joints "b" and "a", in this order; the simulation has "a" first."""
    joints = joints or [joint("a"), joint("b")]
    description = {
        "joints": joints,
        "fields": FIELDS,
        "timing": {"stale_after": 3 * PERIOD, "period": PERIOD},
        "observation": {"terms": [{"size": STATE, "history": history}]},
    }
    bundle = Bundle(
        description,
        Path(),
        ("a", "b"),
        ("robot_b", "robot_a"),
        np.array([1, 0]),
        PERIOD,
        Network(policy),
        Network(lambda state: state),
    )
    return Controller(bundle, **options)


def reading(stamp=0.0, position=(0.2, 0.1), velocity=(-0.4, -0.3), **fields):
    return Reading(
        stamp, np.array(position), np.array(velocity), {"tilt": [1.0, 2.0, 3.0], **fields}
    )


def constant(*action):
    return lambda observation: np.tile(np.array(action, np.float32), (len(observation), 1))


def test_joints_are_mapped_both_ways():
    seen = []

    def policy(observation):
        seen.append(observation[0])
        return constant(0.1, -0.2)(observation)

    controller = controller_of(policy)
    command = controller.step(reading(), 0.0)
    # a is the robot's second joint, so 0.1 is its position; what is hidden is zero
    assert seen[0] == pytest.approx([0.1, 0.2, -0.4, 1, 2, 3, 0, 0, 0, 0])
    assert command.values == pytest.approx([-2.0, 1.0])
    assert command.action == pytest.approx([0.1, -0.2])
    controller.step(reading(PERIOD), PERIOD)
    assert seen[1][-2:] == pytest.approx([0.1, -0.2])


def test_the_action_and_the_command_are_clipped():
    command = controller_of(constant(3.0, -0.5)).step(reading(), 0.0)
    assert command.action == pytest.approx([1.0, -0.5])
    assert command.values == pytest.approx([-5.0, 8.0])  # the effort's limit, not 10


def test_the_change_of_an_action_is_limited():
    controller = controller_of(constant(1.0, -1.0), largest_change=0.3)
    actions = [controller.step(reading(), 0.0).action.tolist() for _ in range(5)]
    assert np.ravel(actions) == pytest.approx(
        np.ravel([[x, -x] for x in (0.3, 0.6, 0.9, 1.0, 1.0)])
    )
    controller.reset()
    assert controller.step(reading(), 0.0).action == pytest.approx([0.3, -0.3])


def test_history_is_the_last_values_the_oldest_first():
    seen = []

    def policy(observation):
        seen.append(observation[0].reshape(3, STATE)[:, 3])
        return constant(0.0, 0.0)(observation)

    controller = controller_of(policy, history=3)
    for i in range(1, 5):
        controller.step(reading(tilt=[float(i), 0.0, 0.0]), 0.0)
    assert np.array(seen).tolist() == [[1, 1, 1], [1, 1, 2], [1, 2, 3], [2, 3, 4]]
    controller.reset()
    controller.step(reading(tilt=[9.0, 0.0, 0.0]), 0.0)
    assert seen[-1].tolist() == [9, 9, 9]


@pytest.mark.parametrize(
    ("given", "now", "words"),
    [
        (reading(0.0), 0.0601, "the reading is 0.060 s old; 0.06 s is the most"),
        (reading(np.nan), 0.0, "the reading is nan s old"),
        (reading(-0.01), 0.0, "older than the one before it"),
        (reading(tilt=[0.0, np.nan, 0.0]), 0.0, "tilt is not finite"),
        (reading(tilt=[0.0, np.inf, 0.0]), 0.0, "tilt is not finite"),
        (reading(tilt=[0.0, 1.0]), 0.0, "tilt has 2 numbers, not 3"),
        (Reading(0.0, np.zeros(2), np.zeros(2), {}), 0.0, "the reading has no tilt"),
        (reading(position=(np.nan, 0.0)), 0.0, "a joint's position is not finite"),
        (reading(velocity=(0.0, np.nan)), 0.0, "a joint's velocity is not finite"),
        (reading(position=(0.0, 0.0, 0.0)), 0.0, "there are 3 joint positions, not 2"),
        (reading(position=(2.1, 0.0)), 0.0, "b is at 2.1, outside of [-2, 2]"),
        (reading(velocity=(0.0, -5.1)), 0.0, "a moves at 5.1, faster than 5"),
    ],
)
def test_a_watch_stops_it_for_good(given, now, words):
    controller = controller_of(constant(0.5, 0.5))
    assert controller.step(reading(), 0.0).stopped == ""
    command = controller.step(given, now)
    assert words in command.stopped
    assert command.values.tolist() == [0.0, 0.0]
    assert command.action.tolist() == [0.0, 0.0]
    # also when all is well again
    assert controller.step(reading(PERIOD), PERIOD).stopped == command.stopped
    controller.reset()
    assert controller.step(reading(), 0.0).stopped == ""


def test_an_action_that_is_not_finite_stops_it():
    command = controller_of(constant(0.5, np.nan)).step(reading(), 0.0)
    assert command.stopped == "the policy's action is not finite"
    assert command.values.tolist() == [0.0, 0.0]


def test_the_watch_of_joints_can_be_left_out():
    controller = controller_of(constant(0.5, 0.5), watch=False)
    assert controller.step(reading(position=(9.0, 0.0)), 0.0).stopped == ""
    assert controller.step(reading(position=(np.nan, 0.0)), 0.0).stopped != ""


def test_a_stop_holds_positions_and_lets_go_of_the_rest():
    joints = [joint("a", "position", effort=None), joint("b", "velocity", effort=None)]
    controller = controller_of(constant(0.5, 0.5), joints=joints)
    broken = reading(tilt=[np.nan] * 3)
    assert controller.step(broken, 0.0).values == pytest.approx([0.0, 0.3])  # the home pose
    controller.reset()
    controller.step(reading(position=(0.7, 0.6)), 0.0)
    assert controller.step(broken, 0.0).values == pytest.approx([0.0, 0.6])


def test_it_needs_numpy_and_onnxruntime_alone():
    nodes = list(ast.walk(ast.parse(Path(runtime.__file__).read_text(encoding="utf-8"))))
    imported = {a.name for n in nodes if isinstance(n, ast.Import) for a in n.names}
    imported |= {str(n.module) for n in nodes if isinstance(n, ast.ImportFrom)}
    roots = {name.split(".")[0] for name in imported}
    assert roots - set(sys.stdlib_module_names) == {"numpy", "onnxruntime"}
