"""Caps: where they come from, and what they do to a training."""

import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reward_synth.reward.rewards import Reward
from reward_synth.reward.transforms.caps import Caps, caps_from, proxy_point
from reward_synth.rollout.episodes import evaluate
from reward_synth.rollout.explore import explore
from reward_synth.task import load_task
from reward_synth.train.config import PPOConfig
from reward_synth.train.job import train
from reward_synth.train.population import Member

CONFIG = PPOConfig(envs=8, horizon=32, epochs=4, minibatches=4, hidden=(32, 32), learning_rate=2e-3)
STEPS = CONFIG.batch * 100


@pytest.fixture(scope="module")
def task(point_task_folder):
    return load_task(point_task_folder)


def point_reward(near, right):
    """What counts is to be near 1 m; going right helps to get there, and then leads away."""

    def batched(state, action, next_state, weights):
        position = next_state[:, 0]
        terms = jnp.stack(
            [weights[0] * (2.0 - jnp.abs(position - 1.0)), weights[1] * position], axis=-1
        )
        return terms.sum(-1), terms

    return Reward(("near", "right"), np.float32([near, right]), jax.jit(batched))


LURED = point_reward(1.0, 3.0)


def run(task, members, folder, steps=STEPS, **options):
    folders = [folder / str(k) for k in range(len(members))]
    policies = train(
        task, members, folders, CONFIG, steps, checkpoint=folder / "checkpoint.npz", **options
    )
    curves = [
        [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        for folder in folders
    ]
    return policies, curves


# --- proxy points


def noisy(y, seed=0):
    return y + 0.03 * np.random.default_rng(seed).normal(size=len(y))


X = np.linspace(0.0, 2.0, 40)


@pytest.mark.parametrize("behind", [0.0, -0.5, -3.0])
def test_a_proxy_point_is_where_fitness_stops_rising(behind):
    fitness = np.minimum(X, 1.2) + behind * np.maximum(X - 1.2, 0.0)
    order = np.random.default_rng(1).permutation(len(X))  # time does not matter
    found = proxy_point(7.0 * X[order] - 3.0, noisy(100.0 * fitness[order]))
    assert found.value == pytest.approx(7.0 * 1.2 - 3.0, abs=0.4)
    assert found.span == pytest.approx(14.0)


@pytest.mark.parametrize(
    ("means", "fitness", "reason"),
    [
        (X[:11], np.minimum(X[:11], 0.2), "11 points are too few"),
        (X, np.where(np.arange(40) < 11, X, np.nan), "11 points are too few"),
        (np.full(40, 2.0), X, "does not move"),
        (X, np.full(40, 2.0), "does not move"),
        (X, noisy(2.0 * X), "one straight line"),
        (X, noisy(np.zeros(40)), "one straight line"),
        (X, noisy(np.minimum(X, 1.0) + 0.4 * np.maximum(X - 1.0, 0.0)), "still rises"),
        (X, noisy(-np.minimum(X, 1.0)), "does not rise with the term to begin with"),
        (X, noisy(np.abs(X - 1.0)), "does not rise with the term to begin with"),
        # training has run its course: the term stands still with fitness
        (np.tanh(2.0 * X), noisy(np.tanh(2.0 * X)), "one straight line"),
    ],
)
def test_no_proxy_point_is_told_where_none_shows(means, fitness, reason):
    found = proxy_point(means, fitness)
    assert found.value is None
    assert reason in found.reason


def lines(near, right, fitness):
    return [
        {"terms": {"near": float(n), "right": float(r)}, "fitness": float(f)}
        for n, r, f in zip(near, right, fitness, strict=True)
    ]


def test_caps_carry_over_to_terms_that_measure_the_same(task):
    references = explore(task, 0, 8, 32)
    turning = noisy(np.minimum(X, 1.0) - np.maximum(X - 1.0, 0.0))
    curve = [*lines(turning, X, turning), {"terms": {"near": 0.0, "right": 9.0}, "fitness": None}]
    trained = [(point_reward(1.0, 2.0), curve)]
    caps = caps_from(point_reward(1.0, 6.0), references, trained)
    assert caps.limits[0] == np.inf  # "near" rises with fitness to the end
    assert caps.limits[1] == pytest.approx(3.0, abs=0.2)  # three times the weight
    assert caps.spans[1] == pytest.approx(6.0)

    def squared(state, action, next_state, weights):
        terms = jnp.stack([next_state[:, 1], next_state[:, 0] ** 2], axis=-1)
        return terms.sum(-1), terms

    namesake = Reward(("near", "right"), np.zeros(0, np.float32), jax.jit(squared))
    assert caps_from(namesake, references, trained) is None
    undisturbed = caps_from(
        point_reward(1.0, 6.0), references, [*trained, (namesake, lines(X, X, 5.0 * X))]
    )
    np.testing.assert_array_equal(undisturbed.limits, caps.limits)
    stranger = replace(point_reward(1.0, 6.0), terms=("close", "rightward"))
    assert caps_from(stranger, references, trained) is None
    assert caps_from(point_reward(1.0, 6.0), references, []) is None


# --- multipliers

CAPS = Caps(limits=np.array([np.inf, 1.0]), spans=np.array([1.0, 2.0]), rate=0.5)


def test_multipliers_rise_while_a_cap_is_exceeded_and_decay_when_it_is_not():
    multipliers, rising, falling = np.zeros(2), [], []
    for _ in range(6):
        multipliers = CAPS.step(multipliers, np.array([50.0, 2.0]))
        rising.append(multipliers)
    for _ in range(6):
        multipliers = CAPS.step(multipliers, np.array([50.0, 0.0]))
        falling.append(multipliers)
    np.testing.assert_allclose(np.array(rising)[:, 1], [0.25, 0.5, 0.75, 1.0, 1.0, 1.0])
    np.testing.assert_allclose(np.array(falling)[:, 1], [0.75, 0.5, 0.25, 0.0, 0.0, 0.0])
    assert not np.any(np.array(rising + falling)[:, 0])  # no cap, no multiplier


def test_a_multiplier_of_one_takes_its_term_out_of_the_reward():
    terms = np.random.default_rng(0).normal(size=(5, 4, 2)).astype(np.float32)
    paid = CAPS.paid(terms.sum(-1), terms, np.array([0.0, 1.0]))
    np.testing.assert_allclose(paid, terms[..., 0], atol=1e-6)
    assert paid.dtype == np.float32


# --- trainings


def distances_to_the_goal(task, policies):
    """Each policy's mean distance from 1 m when its episodes end."""
    rollouts = evaluate(task, policies, [LURED] * len(policies), [7] * len(policies), 10)
    last = [np.take_along_axis(r.state, r.length[None, :, None], axis=0)[0, :, 0] for r in rollouts]
    return np.abs(np.array(last) - 1.0).mean(1)


def test_a_cap_found_in_trainings_keeps_the_next_ones_from_being_lured_away(task, tmp_path):
    seeds = range(3)
    lured, curves = run(task, [Member(LURED, seed) for seed in seeds], tmp_path / "lured")
    references = explore(task, 0, 8, 32)
    caps = caps_from(LURED, references, [(LURED, curve) for curve in curves])
    # Fitness stops rising at the mean position of those who go to 1 m and stay there, and
    # rises with being near it to the end.
    assert caps.limits[0] == np.inf
    assert 0.4 < caps.limits[1] / LURED.weights[1] < 0.9
    members = [Member(LURED, 10 + seed, caps) for seed in seeds]
    capped, after = run(task, members, tmp_path / "capped")
    assert distances_to_the_goal(task, lured).mean() > 1.0
    assert distances_to_the_goal(task, capped).mean() < 0.5
    for curve in after:
        multipliers = [line["multipliers"]["right"] for line in curve]
        assert multipliers[0] == 0.0
        assert max(multipliers) > 0.3  # that is what held them back
        assert all("near" not in line["multipliers"] for line in curve)


def test_a_cap_that_is_never_reached_changes_nothing(task, tmp_path):
    loose = Caps(limits=np.array([np.inf, 1e3]), spans=np.ones(2))
    members = [Member(LURED, 0), Member(LURED, 0, loose)]
    (one, other), (_, curve) = run(task, members, tmp_path, CONFIG.batch * 3)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)
    assert [line["multipliers"] for line in curve] == [{"right": 0.0}] * 3


def test_a_killed_training_with_caps_ends_with_the_same_bits(task, tmp_path, monkeypatch):
    tight = Caps(limits=np.array([np.inf, -0.5]), spans=np.ones(2), rate=0.2)
    members = [Member(LURED, 0), Member(LURED, 1, tight)]
    steps = CONFIG.batch * 6
    whole, curves = run(task, members, tmp_path / "whole", steps)
    multipliers = [line["multipliers"]["right"] for line in curves[1]]
    assert 0.0 < multipliers[3] < multipliers[4] < 1.0  # or nothing would be lost with them

    class PulledPlugError(Exception):
        pass

    def pull_plug(done, progress):
        if done == 4 * CONFIG.batch:
            raise PulledPlugError

    with pytest.raises(PulledPlugError):
        run(task, members, tmp_path / "cut", steps, checkpoint_s=0.0, on_iteration=pull_plug)
    assert (tmp_path / "cut" / "checkpoint.npz").is_file()
    continued, again = run(task, members, tmp_path / "cut", steps)
    assert again == curves
    for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(continued), strict=True):
        np.testing.assert_array_equal(a, b)
