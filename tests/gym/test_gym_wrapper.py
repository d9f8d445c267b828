"""Reward programs on Gymnasium's own environments, against rewards computed by hand."""

from __future__ import annotations

import warnings
from pathlib import Path

import gymnasium
import numpy as np
import pytest

from reward_synth.errors import ConfigError, TaskError
from reward_synth.gym.wrapper import RewardProgramWrapper, describe, mujoco_fields
from reward_synth.records import Field
from reward_synth.task import joint_positions, joint_velocities

HOPPER = (
    joint_positions("height", "rootz", meaning="of the torso"),
    joint_velocities("velocity", "rootx", "rootz", meaning="x and z of the torso"),
)

HOPPER_PROGRAM = '''"""Move, smoothly."""

WEIGHTS = {"forward": 2.0, "effort": 0.1}


def reward(state, action, next_state, w):
    terms = {
        "forward": w["forward"] * next_state.velocity[0],
        "lift": next_state.height - state.height,
        "effort": -w["effort"] * jnp.sum(action**2),
        "jerk": -jnp.sum((action - state.last_action) ** 2),
    }
    return sum(terms.values()), terms
'''

PENDULUM = (
    Field("angle", (), "rad", "world", "0 upright", (0.0,)),
    Field("rate", (), "rad/s", "world", "of the angle", (0.0,)),
)

PENDULUM_PROGRAM = '''"""Upright and calm."""

WEIGHTS = {"calm": 0.1}


def reward(state, action, next_state, w):
    terms = {
        "upright": jnp.cos(next_state.angle),
        "calm": -w["calm"] * next_state.rate**2,
        "torque": -jnp.abs(action[0]),
    }
    return sum(terms.values()), terms
'''


def read_pendulum(env, observation):
    cosine, sine, rate = observation
    return {"angle": np.arctan2(sine, cosine), "rate": rate}


def hopper():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*deprecated.*")
        return gymnasium.make("Hopper-v5")


def written(folder: Path, text: str) -> Path:
    path = folder / "reward.py"
    path.write_text(text)
    return path


def test_hopper(tmp_path: Path) -> None:
    env = hopper()
    fields, read = mujoco_fields(env, HOPPER)
    wrapped = RewardProgramWrapper(env, written(tmp_path, HOPPER_PROGRAM), fields, read)
    assert wrapped.action_space == env.action_space
    data, rng = env.unwrapped.data, np.random.default_rng(0)  # type: ignore[attr-defined]
    for seed in (0, None):  # twice: last_action begins anew
        wrapped.reset(seed=seed)
        last = np.zeros(3)
        for _ in range(4):
            height, action = data.qpos[1], rng.uniform(-1, 1, 3).astype(np.float32)
            _, reward, _, _, info = wrapped.step(action)
            expected = {
                "forward": 2.0 * data.qvel[0],
                "lift": data.qpos[1] - height,
                "effort": -0.1 * np.sum(action**2),
                "jerk": -np.sum((action - last) ** 2),
            }
            assert info["reward_terms"] == pytest.approx(expected, rel=1e-4, abs=1e-6)
            assert reward == pytest.approx(sum(expected.values()), rel=1e-4, abs=1e-6)
            assert info["original_reward"] == pytest.approx(
                info["reward_forward"] + info["reward_survive"] + info["reward_ctrl"]
            )
            last = action


def test_pendulum_whose_actions_are_torques_of_2_newton_metres(tmp_path: Path) -> None:
    env = gymnasium.make("Pendulum-v1")
    wrapped = RewardProgramWrapper(
        env, written(tmp_path, PENDULUM_PROGRAM), PENDULUM, read_pendulum
    )
    observation, _ = wrapped.reset(seed=0)
    for torque, share in ((1.0, 0.5), (-2.0, 1.0), (0.0, 0.0), (9.0, 1.0)):
        observation, reward, _, _, info = wrapped.step(np.array([torque], np.float32))
        expected = observation[0] - 0.1 * observation[2] ** 2 - share
        assert reward == pytest.approx(expected, rel=1e-4, abs=1e-5)
        assert info["reward_terms"]["torque"] == pytest.approx(-share)
        assert info["original_reward"] <= 0.0


def test_the_description_is_what_a_proposer_needs() -> None:
    env = hopper()
    fields, _ = mujoco_fields(env, HOPPER)
    description = describe(env, fields, sentence="Hop.")
    assert [field.name for field in description.fields] == ["height", "velocity", "last_action"]
    assert (description.name, description.sentence) == ("Hopper-v5", "Hop.")
    assert (description.action_size, description.episode_steps) == (3, 1000)
    assert description.timestep == pytest.approx(0.008)
    assert mujoco_fields(env)[0][0].name == "rootx_position"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("next_state.rate", "next_state.speed", "'speed'.*Fields: angle, rate, last_action"),
        ('"calm": 0.1', '"calm": [', "line 3"),
    ],
)
def test_a_program_that_does_not_fit_is_refused_in_words(
    old: str, new: str, words: str, tmp_path: Path
) -> None:
    path = written(tmp_path, PENDULUM_PROGRAM.replace(old, new, 1))
    with pytest.raises(ConfigError, match=f"(?s){words}"):
        RewardProgramWrapper(gymnasium.make("Pendulum-v1"), path, PENDULUM, read_pendulum)


@pytest.mark.parametrize(
    ("read", "words"),
    [
        (lambda env, o: {"angle": o[0], "rat": o[2]}, "unknown field 'rat'. Did you mean 'rate'?"),
        (lambda env, o: {"angle": o[0]}, "does not give field 'rate'. Fields: angle, rate, last_"),
        (lambda env, o: {"angle": o[:2], "rate": o[2]}, r"'angle' the shape \(2,\)"),
    ],
)
def test_a_reader_that_does_not_fit_is_told_so(read, words: str, tmp_path: Path) -> None:
    env = gymnasium.make("Pendulum-v1")
    wrapped = RewardProgramWrapper(env, written(tmp_path, PENDULUM_PROGRAM), PENDULUM, read)
    with pytest.raises(TaskError, match=words.replace("?", r"\?")):
        wrapped.reset(seed=0)


def test_environments_that_cannot_be_described_say_what_is_missing() -> None:
    with pytest.raises(ConfigError, match="finite bounds"):
        describe(gymnasium.make("CartPole-v1"), PENDULUM)
    with pytest.raises(ConfigError, match="no MuJoCo model"):
        mujoco_fields(gymnasium.make("Pendulum-v1"))
    with pytest.raises(ConfigError, match="episode_steps"):
        describe(gymnasium.make("Pendulum-v1").unwrapped, PENDULUM)
    with pytest.raises(TaskError, match="built in"):
        describe(
            gymnasium.make("Pendulum-v1"),
            (*PENDULUM, Field("last_action", (1,), "1", "", "mine", (0.0,))),
        )
    with pytest.raises(TaskError, match="Joints: rootx, rootz"):
        mujoco_fields(hopper(), [joint_positions("x", "rooot", meaning="")])
