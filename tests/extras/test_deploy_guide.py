"""The code in docs/deploy.md, run with stand-ins for ROS 2 and the Unitree SDK."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from reward_synth.deploy.runtime import Command, Controller, Reading, load_bundle
from tests.extras.bundles import ROBOT, make_bundle

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "deploy.md"
BLOCKS = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return load_bundle(make_bundle(tmp_path_factory.mktemp("guide") / "hopper", robot=ROBOT))


def block(text, **names):
    (found,) = (one for one in BLOCKS if text in one)
    namespace = {"np": np, "Reading": Reading, "Controller": Controller, **names}
    exec(found, namespace)
    return namespace


class Node:
    """Calls what it is told to, and keeps what is published and complained of."""

    def __init__(self, name):
        self.published, self.errors = [], []

    def create_subscription(self, kind, topic, callback, depth):
        self.on = callback

    def create_publisher(self, kind, topic, depth):
        return SimpleNamespace(publish=self.published.append)

    def create_timer(self, period, callback):
        self.period, self.tick = period, callback

    def get_clock(self):
        return SimpleNamespace(now=lambda: SimpleNamespace(nanoseconds=5_004_000_000))

    def get_logger(self):
        return SimpleNamespace(error=lambda text, once: self.errors.append(text))


FIELDS = {"torso_position": [0.0, 1.25], "torso_pitch": 0.0}
FIELDS |= {"torso_velocity": [0.0, 0.0], "torso_pitch_rate": 0.0}


def test_ros2_control(bundle):
    names = block(
        "class PolicyNode",
        Node=Node,
        JointState=None,
        Float64MultiArray=lambda data: data,
    )
    node = names["PolicyNode"](bundle)
    node.fields = FIELDS
    node.tick()
    assert (node.period, node.published) == (0.008, [])  # nothing was measured yet
    message = SimpleNamespace(
        header=SimpleNamespace(stamp=SimpleNamespace(sec=5, nanosec=0)),
        name=["wheel", "hip", "ankle", "knee"],
        position=[9.0, -0.1, 0.2, -0.3],
        velocity=[9.0, 0.1, 0.0, -0.1],
    )
    node.on(message)
    node.tick()
    reading = Reading(5.0, np.array([-0.3, 0.2, -0.1]), np.array([-0.1, 0.0, 0.1]), FIELDS)
    expected = Controller(bundle).step(reading, 5.0).values
    assert node.published[-1] == pytest.approx(expected)
    assert node.errors == []
    message.header.stamp.sec = 4
    node.tick()
    assert node.published[-1] == [0.0, 0.0, 0.0]
    assert "s old" in node.errors[0]


def test_unitree(bundle):
    names = block("motor_state", DAMPING=2.0)
    motors = [SimpleNamespace(q=float(i), dq=0.1 * i) for i in range(20)]
    reading = names["reading_of"](SimpleNamespace(motor_state=motors), 1.0, FIELDS, bundle)
    assert reading.position.tolist() == [0.0, 1.0, 2.0]
    assert reading.velocity == pytest.approx([0.0, 0.1, 0.2])

    description = {
        **bundle.description,
        "joints": [
            {"kind": "position", "stiffness": 30.0, "damping": 1.5},
            {"kind": "velocity", "stiffness": 0.0, "damping": 0.7},
            {"kind": "effort", "stiffness": 0.0, "damping": 0.0},
        ],
    }
    made = SimpleNamespace(description=description, to_robot=bundle.to_robot)
    commands = [SimpleNamespace() for _ in range(20)]
    values = np.array([1.0, 2.0, 3.0])  # of knee, ankle, hip: velocity, effort, position
    names["write"](Command(values, values, ""), made, SimpleNamespace(motor_cmd=commands))
    shown = [(m.mode, m.q, m.dq, m.kp, m.kd, m.tau) for m in commands[:3]]
    assert shown == [
        (1, 0.0, 1.0, 0.0, 0.7, 0.0),
        (1, 0.0, 0.0, 0.0, 0.0, 2.0),
        (1, 3.0, 0.0, 30.0, 1.5, 0.0),
    ]
    names["write"](Command(values, values, "late"), made, SimpleNamespace(motor_cmd=commands))
    assert [(m.q, m.dq, m.kp, m.kd, m.tau) for m in commands[:3]] == [(0.0, 0.0, 0.0, 2.0, 0.0)] * 3
