"""The code in docs/isaac.md, run with stand-ins for Isaac and held against MuJoCo."""

from __future__ import annotations

import re
import sys
import textwrap
import types
from pathlib import Path

import mujoco
import numpy as np
import pytest
import torch

from reward_synth.task import load_task
from tests.extras.torch_checks import fields_of

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "isaac.md"
BLOCKS = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
GYM_JOINTS = [f"{part}_{leg}" for leg in (1, 2, 3, 4) for part in ("hip", "ankle")]
LAB_LEGS = ("front_left", "front_right", "left_back", "right_back")
N = 5


def block(text):
    (found,) = (one for one in BLOCKS if text in one)
    return found


def rotated(q, v):
    """MuJoCo's rotation by quaternions w, x, y, z."""
    out = np.zeros_like(v)
    for one, quaternion, vector in zip(out, q, v, strict=True):
        mujoco.mju_rotVecQuat(one, vector, quaternion)
    return out


def rotate(order, inverse=False):
    """What Isaac's quat_apply and quat_rotate_inverse do, for an order of x, y, z, w."""

    def apply(q, v):
        w, x, y, z = (q[:, order.index(c)].double().numpy() for c in "wxyz")
        sign = -1.0 if inverse else 1.0
        turned = rotated(np.stack([w, sign * x, sign * y, sign * z], 1), v.double().numpy())
        return torch.from_numpy(turned).float()

    return apply


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch):
    def module(name, **members):
        monkeypatch.setitem(sys.modules, name, types.SimpleNamespace(**members))

    class ManagerTermBase:
        def __init__(self, cfg, env):
            pass

    module("isaacgym")
    inverse = rotate("xyzw", inverse=True)
    module("isaacgym.torch_utils", quat_apply=rotate("xyzw"), quat_rotate_inverse=inverse)
    module("isaaclab.utils.math", quat_apply=rotate("wxyz"))
    module("isaaclab.managers", ManagerTermBase=ManagerTermBase, RewardTermCfg=dict)


@pytest.fixture(scope="module")
def ants():
    """Random states: MuJoCo's arrays, and the fields that a reward reads."""
    task = load_task("ant")
    data, rng = mujoco.MjData(task.model), np.random.default_rng(0)
    state = np.zeros((N, task.description.state_size), np.float32)
    qpos, qvel = np.zeros((N, task.model.nq)), np.zeros((N, task.model.nv))
    for i in range(N):
        data.qpos[:] = rng.normal(size=task.model.nq)
        data.qpos[3:7] /= np.linalg.norm(data.qpos[3:7])
        data.qvel[:] = rng.normal(size=task.model.nv)
        mujoco.mj_forward(task.model, data)
        qpos[i], qvel[i] = data.qpos, data.qvel
        arrays = {"qpos": qpos[i : i + 1], "qvel": qvel[i : i + 1]}
        arrays |= {"sensordata": data.sensordata[None], "last_action": rng.normal(size=(1, 8))}
        task.layout.read(arrays, state[i : i + 1])
    joints = {name: task.model.joint(name).qposadr[0] for name in GYM_JOINTS}
    return task, qpos, qvel, joints, fields_of(task.description, state)


def as_torch(array):
    return torch.from_numpy(np.ascontiguousarray(array)).float()


def assert_fields(found, expected):
    assert set(expected) - set(found) == {"feet_heights"}
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name], atol=1e-5, rtol=1e-5, msg=name)


def test_fields_of_isaac_gym(ants):
    task, qpos, qvel, joints, expected = ants
    space: dict = {}
    exec(block("def ant_fields(root_states"), space)
    assert space["MOTORS"] == task.description.actions
    names = GYM_JOINTS[::-1]  # whatever the order of the simulator is
    world = rotated(qpos[:, 3:7], np.ascontiguousarray(qvel[:, 3:6]))
    root = np.concatenate([qpos[:, :3], qpos[:, [4, 5, 6, 3]], qvel[:, :3], world], 1)
    places = [joints[name] for name in names]
    motors = [task.description.actions.index(name) for name in names]
    found = space["ant_fields"](
        as_torch(root),
        as_torch(qpos[:, places]),
        as_torch(qvel[:, np.array(places) - 1]),
        expected["last_action"][:, motors],
        names,
    )
    assert_fields(found, expected)


def lab_robot(ants):
    _, qpos, qvel, joints, _ = ants
    names = [f"{leg}_{part}" for part in ("leg", "foot") for leg in LAB_LEGS]
    ours = [
        f"{part}_{leg}" for part in ("hip", "ankle") for leg in range(1, 5)
    ]  # as the legs stand in Isaac
    places = np.array([joints[name] for name in ours])
    data = types.SimpleNamespace(
        root_link_pos_w=as_torch(qpos[:, :3] + 7.0),
        root_link_quat_w=as_torch(qpos[:, 3:7]),
        root_link_lin_vel_w=as_torch(qvel[:, :3]),
        root_link_ang_vel_b=as_torch(qvel[:, 3:6]),
        joint_pos=as_torch(qpos[:, places]),
        joint_vel=as_torch(qvel[:, places - 1]),
    )
    return types.SimpleNamespace(data=data, joint_names=names)


def test_fields_of_isaac_lab(ants):
    space: dict = {}
    exec(block("def ant_fields(robot"), space)
    expected = ants[-1]
    origins = torch.full((N, 3), 7.0)
    found = space["ant_fields"](lab_robot(ants), origins, expected["last_action"])
    assert_fields(found, expected)


class Recorder:
    """Stands in for the exported function and remembers what it was given."""

    def __call__(self, state, action, next_state, weights):
        self.state, self.action, self.next_state = state, action, next_state
        return action.sum(1), {"effort": action.sum(1)}


def methods(text, space):
    """The methods of a block, in a class."""
    exec("class Task:\n" + textwrap.indent(block(text), "    "), space)
    return space["Task"]()


def test_resets_in_isaac_gym():
    space = {"torch": torch, "compute_reward": Recorder(), "WEIGHTS": {}, "MOTORS": ("b", "a")}
    space["ant_fields"] = lambda root, pos, vel, action, names: {
        "torso_position": root[:, :3].clone(),
        "last_action": action.clone(),
    }
    task = methods("def pre_physics_step", space)
    task.device, task.dof_names, task.dof_pos, task.dof_vel = "cpu", ["a", "b"], None, None
    task.extras, task.termination_height, task.max_episode_length = {}, 0.3, 100
    task.root_states, task.actions = torch.ones(2, 13), torch.full((2, 2), 5.0)
    task.progress_buf, task.rew_buf = torch.tensor([0, 7]), torch.zeros(2)
    task.reset_buf = torch.zeros(2, dtype=torch.long)
    task.pre_physics_step(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    assert task.before["last_action"].tolist() == [[0.0, 0.0], [5.0, 5.0]]
    task.root_states[:] = 2.0  # what physics does; the second is reset after it
    task.root_states[1, 2] = 0.1
    task.progress_buf = torch.tensor([1, 0])
    task.compute_reward(task.actions)
    given = space["compute_reward"]
    assert given.state["torso_position"][0].tolist() == [1.0, 1.0, 1.0]
    assert torch.equal(given.state["torso_position"][1], given.next_state["torso_position"][1])
    assert given.action.tolist() == [[2.0, 1.0], [4.0, 3.0]]
    assert task.rew_buf.tolist() == [3.0, 7.0]
    assert task.reset_buf.tolist() == [0, 1]


def test_direct_workflow_of_isaac_lab(ants):
    space = {"torch": torch, "compute_reward": Recorder(), "WEIGHTS": {}}
    exec(block("def ant_fields(robot"), space)
    task = methods("def _pre_physics_step", space)
    task.robot, task.motors = lab_robot(ants), list(range(8))
    task.scene = types.SimpleNamespace(env_origins=torch.zeros(N, 3))
    task.actions, task.extras = torch.full((N, 8), 0.5), {}
    task.episode_length_buf = torch.arange(N)
    task._pre_physics_step(torch.full((N, 8), 3.0))
    task.robot.data.root_link_pos_w += 1.0
    assert task._get_rewards().tolist() == [8.0] * N
    given = space["compute_reward"]
    moved = given.next_state["torso_position"] - given.state["torso_position"]
    torch.testing.assert_close(moved, torch.ones(N, 3))
    assert given.state["last_action"][:, 0].tolist() == [0.0, 0.5, 0.5, 0.5, 0.5]
    assert task.extras["log"]["effort"] == 8.0


def test_manager_based_workflow_of_isaac_lab(ants):
    space = {"torch": torch, "compute_reward": Recorder(), "WEIGHTS": {}}
    exec(block("def ant_fields(robot"), space)
    exec(block("class ExportedReward"), space)
    assert space["exported"]["weight"] * 0.05 == pytest.approx(1.0)
    term = space["ExportedReward"](None, None)
    robot = lab_robot(ants)
    env = types.SimpleNamespace(
        scene=type("Scene", (dict,), {"env_origins": torch.zeros(N, 3)})(robot=robot),
        action_manager=types.SimpleNamespace(action=torch.full((N, 8), 0.5)),
        episode_length_buf=torch.ones(N),
    )
    given = space["compute_reward"]
    assert term(env).tolist() == [4.0] * N
    assert torch.equal(given.state["torso_position"], given.next_state["torso_position"])
    assert not given.state["last_action"].any()
    robot.data.root_link_pos_w = robot.data.root_link_pos_w + 1.0
    env.episode_length_buf = torch.tensor([1, 2, 2, 2, 2])
    env.action_manager.action = torch.full((N, 8), -9.0)
    assert term(env).tolist() == [-8.0] * N
    moved = given.next_state["torso_position"] - given.state["torso_position"]
    torch.testing.assert_close(moved[:, 0], torch.tensor([0.0, 1.0, 1.0, 1.0, 1.0]))
    assert given.state["last_action"][:, 0].tolist() == [0.0, 0.5, 0.5, 0.5, 0.5]
