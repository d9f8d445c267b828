"""Safety limits: resolved against the model, counted over held-out episodes, kept in scores."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

from reward_synth.errors import TaskError
from reward_synth.feedback.scores import Score, joined, score
from reward_synth.records import Violation
from reward_synth.reward.rewards import expert_reward
from reward_synth.rollout.episodes import Rollouts, evaluate, violations
from reward_synth.task import (
    joint_range,
    joint_speed,
    joint_stops,
    joint_torque,
    load_task,
    sensor_limit,
)
from reward_synth.task.limits import resolve_limits
from reward_synth.train.config import PPOConfig
from reward_synth.train.policy import Policy
from reward_synth.train.population import Member, Population

RAIL = """
<mujoco>
  <option timestep="0.0005" gravity="0 0 0"/>
  <worldbody>
    <body>
      <joint name="rail" type="slide" axis="1 0 0" range="-1 1" limited="true"
             solreflimit="{time} 1"/>
      <geom size="0.1" mass="3"/>
    </body>
  </worldbody>
</mujoco>
"""
CONFIG = PPOConfig(envs=2, horizon=2, epochs=1, minibatches=1, hidden=(4,))


@pytest.fixture(scope="module")
def point(point_task_folder):
    return load_task(point_task_folder)


def pushing(task, action=9.0) -> Policy:
    """A policy that always pushes to the right, with all it has if it is not told how much."""
    (learner,) = Population(task, [Member(expert_reward(task), 0)], CONFIG, 1).learners
    *hidden, last = learner.network.actor
    last = last._replace(weight=0.0 * last.weight, bias=jnp.full(1, action))
    biased = (*hidden, last)
    return Policy(learner.network._replace(actor=biased), learner.observations)


def limited(task, *sources):
    return replace(task, limits=resolve_limits(task.model, sources))


def test_episodes_count_what_exceeds_limits(point, tmp_path):
    task = limited(
        point,
        joint_speed("speed", "rail", most=1.0),
        joint_torque("force", "rail", most=1.5),
        joint_range("place", "rail", low=-9.0, high=9.0),
    )
    (ran,) = evaluate(task, [pushing(task)], [expert_reward(task)], [3], 4)
    happened = np.arange(len(ran.action))[:, None] < ran.length
    speed = ran.state[1:, :, 1]
    expected = np.where(happened, np.maximum(np.abs(speed) - 1.0, 0.0), 0.0)
    np.testing.assert_allclose(ran.excess[..., 0], expected, atol=1e-5)
    np.testing.assert_allclose(ran.excess[..., 1], np.where(happened, 0.5, 0.0), atol=1e-6)
    found = violations(task, [ran, ran])
    assert [v.limit for v in found] == ["speed", "force", "place"]
    assert [v.unit for v in found] == ["m/s", "N", "m"]
    assert found[0].share == pytest.approx((expected > 0).sum() / happened.sum())
    assert 0.3 < found[0].share < 1.0
    assert found[0].worst == pytest.approx(expected.max(), rel=1e-5)
    assert (found[1].share, found[2].share, found[2].worst) == (1.0, 0.0, 0.0)
    ran.save(tmp_path / "rollout.npz")
    np.testing.assert_array_equal(Rollouts.load(tmp_path / "rollout.npz").excess, ran.excess)


@pytest.mark.parametrize("speed", [0.5, 2.0, 8.0])
def test_how_far_a_joint_is_driven_into_its_stop_says_how_fast_it_came(speed):
    """The formula in joint_stops, against MuJoCo."""
    model = mujoco.MjModel.from_xml_string(RAIL.format(time=0.05))
    data = mujoco.MjData(model)
    (limit,) = resolve_limits(model, [joint_stops("stops", "rail", give=0.35 * speed * 0.05)])
    np.testing.assert_allclose([-limit.low[0], limit.high[0]], 1.0 + 0.0175 * speed)
    for direction in (1.0, -1.0):
        mujoco.mj_resetData(model, data)
        data.qvel[:] = direction * speed
        deepest = 0.0
        while abs(data.qpos[0]) < 1.0 or data.qvel[0] * direction > 0.0:
            mujoco.mj_step(model, data)
            deepest = max(deepest, abs(data.qpos[0]) - 1.0)
        assert deepest == pytest.approx(0.35 * speed * 0.05, rel=0.1)


def test_a_stop_that_is_touched_is_no_violation_and_one_that_is_rammed_is():
    """The cart leans on the end of its rail, or comes with all that its motor has."""
    task, reward = load_task("cartpole_swingup"), [expert_reward(load_task("cartpole_swingup"))]
    (leaning,) = evaluate(task, [pushing(task, 0.025)], reward, [0], 4)
    place = leaning.qpos[:, :, 0]
    assert (place.max(0) > 1.8).all()  # it is beyond the stop, which is soft
    assert (place[-50:] > 1.79).all()
    assert not any(v.share for v in violations(task, [leaning]))
    (ramming,) = evaluate(task, [pushing(task)], reward, [0], 4)
    stops, speed = violations(task, [ramming])
    assert stops.limit == "stops of the rail" and stops.worst > 0.1
    assert stops.share > 0.01
    assert speed.worst == pytest.approx(np.sqrt(2 * 10.0 / 1.1 * 1.8) - 5.0, abs=0.2)


def test_without_limits_nothing_is_kept(point, tmp_path):
    (ran,) = evaluate(point, [pushing(point)], [expert_reward(point)], [3], 2)
    assert ran.excess is None
    assert violations(point, [ran]) == ()
    ran.save(tmp_path / "rollout.npz")
    assert Rollouts.load(tmp_path / "rollout.npz").excess is None


def scored(*found: Violation) -> Score:
    ones = [np.array([1.0, 2.0])]
    return score(ones, [np.ones(2)], ones, violations=found)


def test_scores_keep_them_and_old_records_have_none():
    one = scored(Violation("speed", "m/s", 0.2, 3.0), Violation("force", "N", 0.0, 0.0))
    data = json.loads(json.dumps(asdict(one)))
    assert Score.from_json(data) == one
    assert [v.limit for v in one.violated] == ["speed"]
    del data["violations"]
    assert Score.from_json(data) == replace(one, violations=())


def test_trainings_together_have_the_mean_share_and_the_worst():
    one, other = (
        scored(Violation("speed", "m/s", share, worst)) for share, worst in ((0.2, 3.0), (0.8, 1.0))
    )
    both = joined(joined(one, other), other)
    assert both.violations[0].share == pytest.approx(0.6)
    assert both.violations[0].worst == 3.0


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ([joint_speed("speed", "rial", most=1.0)], "in LIMITS, .*did you mean 'rail'"),
        ([sensor_limit("touch", "foot", most=1.0)], "in LIMITS, .*no sensor|has not"),
        ([joint_stops("stops", "rail", give=0.1)], "joint 'rail' has no stops"),
        ([joint_range("place", "rail", low=1.0, high=1.0)], "low must be below high"),
        ([joint_speed("speed", "rail", most=1.0)] * 2, "a name of its own"),
        ([joint_speed("speed", most=1.0)], "names no joint or sensor"),
    ],
)
def test_limits_that_do_not_fit_the_model_are_named(point, wrong, words):
    with pytest.raises(TaskError, match=f"(?i){words}"):
        resolve_limits(point.model, wrong)


@pytest.mark.parametrize("name", ["hopper", "cartpole_swingup"])
def test_bundled_limits_allow_where_episodes_start(name):
    task = load_task(name)
    assert task.limits
    (learner,) = Population(task, [Member(expert_reward(task), 0)], CONFIG, 1).learners
    short = replace(task, description=replace(task.description, episode_steps=5))
    (ran,) = evaluate(short, [Policy.of(learner)], [expert_reward(task)], [0], 4)
    assert ran.excess.shape == (len(ran.action), 4, len(task.limits))
    assert not ran.excess.any()
