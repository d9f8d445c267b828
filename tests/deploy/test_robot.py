"""What an action means at a joint, read from models whose actuators are known."""

from __future__ import annotations

import mujoco
import pytest

from reward_synth.deploy.robot import driven_joints
from reward_synth.errors import ExportError

BODY = """
<mujoco>
  <compiler angle="radian"/>
  <worldbody>
    <body><joint name="hip" type="hinge" range="-1 2" {hip}/><geom size="0.1"/>
      <body><joint name="rail" type="slide" limited="false"/><geom size="0.1"/>
        <body><joint name="ball" type="ball"/><geom size="0.1"/></body>
      </body>
    </body>
  </worldbody>
  <actuator>{actuators}</actuator>
</mujoco>
"""


def joints_of(actuators, hip=""):
    text = BODY.format(actuators=actuators, hip=hip)
    return driven_joints(mujoco.MjModel.from_xml_string(text))


def test_a_motor():
    (joint,) = joints_of('<motor joint="hip" gear="-50" ctrlrange="-0.4 1"/>')
    assert (joint.name, joint.kind, joint.unit) == ("hip", "effort", "N m")
    assert (joint.scale, joint.offset) == pytest.approx((-35.0, -15.0))
    assert joint.control == pytest.approx(-0.02)
    assert joint.effort == pytest.approx(50.0)
    assert joint.position == (-1.0, 2.0)
    assert (joint.stiffness, joint.damping) == (0.0, 0.0)


def test_a_position_servo():
    (joint,) = joints_of(
        '<position joint="hip" kp="30" kv="2" gear="2" ctrlrange="-1 3" forcerange="-5 4"/>'
    )
    # force on the joint = 2 (30 (ctrl - 2 q) - 2 2 q'), so ctrl 1 asks for 0.5 rad
    assert (joint.kind, joint.unit) == ("position", "rad")
    assert (joint.scale, joint.offset, joint.control) == pytest.approx((1.0, 0.5, 2.0))
    assert (joint.stiffness, joint.damping) == pytest.approx((120.0, 8.0))
    assert joint.effort == pytest.approx(10.0)


def test_a_velocity_servo_without_limits():
    (joint,) = joints_of('<velocity joint="rail" kv="7" ctrlrange="-2 2"/>')
    assert (joint.kind, joint.unit, joint.damping) == ("velocity", "m/s", 7.0)
    assert (joint.scale, joint.position, joint.effort) == (2.0, None, None)


def test_the_narrowest_limit_of_the_effort_counts():
    (joint,) = joints_of(
        '<motor joint="hip" gear="50" ctrlrange="-1 1"/>', hip='actuatorfrcrange="-20 20"'
    )
    assert joint.effort == pytest.approx(20.0)


@pytest.mark.parametrize(
    ("actuators", "words"),
    [
        ('<motor joint="ball" ctrlrange="-1 1"/>', "no hinge or"),
        ('<general joint="hip" biastype="affine" biasprm="1 0 0" ctrlrange="-1 1"/>', "no motor"),
        ('<muscle name="m" joint="hip" ctrlrange="0 1"/>', "'m' has a state of its own"),
        (
            '<intvelocity joint="hip" kp="1" actrange="-1 1" ctrlrange="-1 1"/>',
            "a state of its own",
        ),
        ('<motor joint="hip" ctrlrange="-1 1"/>' * 2, "'hip' has more than one actuator"),
    ],
)
def test_what_no_joint_controller_has_is_refused(actuators, words):
    with pytest.raises(ExportError, match=words):
        joints_of(actuators)
