"""Training on the device: the CPU's episodes, members that leave each other alone, one compile."""

from __future__ import annotations

import logging
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reward_synth.randomisation import Randomisation
from reward_synth.records import Rejection
from reward_synth.reward.rewards import Reward, expert_reward, sparse_reward
from reward_synth.rollout.episodes import evaluate
from reward_synth.task import load_task
from reward_synth.train.collect import CpuCollector
from reward_synth.train.collect_mjx import MjxCollector
from reward_synth.train.config import PPOConfig
from reward_synth.train.job import train
from reward_synth.train.policy import Policy
from reward_synth.train.population import Member, Population
from reward_synth.train.ppo import init_learner

CONFIG = PPOConfig(envs=8, horizon=16, epochs=2, minibatches=2, hidden=(16, 16))


@pytest.fixture(scope="module")
def task(point_task_folder):
    return load_task(point_task_folder)


def policy(push: float) -> Policy:
    """A policy that draws around ``push``."""
    learner = init_learner(jax.random.key(0), CONFIG, 2, 1)
    *hidden, last = learner.network.actor
    biased = (*hidden, last._replace(bias=jnp.full(1, push)))
    return Policy(learner.network._replace(actor=biased), learner.observations)


def test_a_rollout_is_the_cpus(task):
    """Starts, noise, both kinds of ends, and what comes after them, over three iterations."""
    seeds, policies = [3, 4], [policy(5.0), policy(0.0)]
    cpu, device = CpuCollector(task, seeds, CONFIG, 1), MjxCollector(task, seeds, CONFIG)
    ends = {"terminated": 0, "truncated": 0}
    for iteration in range(3):
        expected = cpu.collect(policies, iteration)
        experience = device.collect(policies, iteration)
        for name in ("state", "next_state", "action"):
            np.testing.assert_allclose(
                getattr(experience, name), getattr(expected, name), atol=1e-4, err_msg=name
            )
        for name in ("terminated", "truncated", "diverged", "length"):
            np.testing.assert_array_equal(
                getattr(experience, name), getattr(expected, name), err_msg=name
            )
        for name in ends:
            ends[name] += int(getattr(experience, name).sum())
        # the true last state is kept, and the next step begins somewhere else
        done = np.asarray(experience.terminated | experience.truncated)[:, :-1]
        after, ended = (
            np.asarray(x)[done] for x in (experience.state[:, 1:], experience.next_state[:, :-1])
        )
        assert (np.abs(after[:, 0]) <= 0.5).all()
        assert (np.abs(ended - after).max(axis=1) > 1e-3).all()
    assert min(ends.values()) > 8


def test_a_policy_gone_mad_spoils_no_other(task):
    seeds = [3, 4]
    healthy = MjxCollector(task, seeds, CONFIG)
    harmed = MjxCollector(task, seeds, CONFIG)
    mad = jax.tree.map(lambda x: x * jnp.nan, policy(0.0))
    for iteration in range(2):
        expected = healthy.collect([policy(5.0), policy(0.0)], iteration)
        experience = harmed.collect([mad, policy(0.0)], iteration)
        assert experience.diverged[0].all()
        assert (experience.length[0] == 1).all()
        assert np.isfinite(experience.next_state).all()
        np.testing.assert_array_equal(experience.next_state[1], expected.next_state[1])


def progress(population: Population, iterations: int):
    return [population.iterate() for _ in range(iterations)]


def test_learns_what_the_cpu_learns(task):
    members = [Member(expert_reward(task), 3), Member(sparse_reward(task), 4)]
    cpu, device = (
        progress(Population(task, members, CONFIG, 4, threads=1, backend=backend), 4)
        for backend in ("cpu", "mjx")
    )
    for expected, found in zip(np.ravel(cpu), np.ravel(device), strict=True):
        assert found.episodes == expected.episodes
        assert found.ends == expected.ends
        for name in ("fitness", "episode_return", "reward_std", "entropy", "value_loss"):
            np.testing.assert_allclose(
                getattr(found, name), getattr(expected, name), rtol=2e-3, err_msg=name
            )


def test_members_learn_what_they_would_alone(task):
    members = [Member(expert_reward(task), seed) for seed in (3, 4)]
    together = Population(task, members, CONFIG, 4, backend="mjx")
    alone = Population(task, members[1:], CONFIG, 4, backend="mjx")
    progress(together, 4), progress(alone, 4)
    for a, b in zip(*map(jax.tree.leaves, (together.learners[1], alone.learners[0])), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


def spoiled(state, action, next_state, weights):
    values = jnp.log(-jnp.square(state[:, 0]))
    return values, values[:, None]


def test_a_reward_of_nan_drops_its_member_only(task, monkeypatch):
    """With the members' updates apart, as on a CPU, and together, as on an accelerator."""
    well = Member(expert_reward(task), 3)
    ill = Member(Reward(("only",), np.zeros(1, np.float32), jax.jit(spoiled)), 4)
    for together in (False, True):
        monkeypatch.setattr("reward_synth.train.population._accelerated", lambda t=together: t)
        disturbed = Population(task, [well, ill], CONFIG, 4, backend="mjx")
        healthy = Population(task, [well, well], CONFIG, 4, backend="mjx")
        progress(disturbed, 4), progress(healthy, 4)
        assert isinstance(disturbed.rejections[1], Rejection)
        for a, b in zip(
            *map(jax.tree.leaves, (disturbed.learners[0], healthy.learners[0])), strict=True
        ):
            np.testing.assert_array_equal(a, b)


class PulledPlugError(Exception):
    pass


def test_continuing_equals_not_stopping(task, tmp_path):
    members = [Member(expert_reward(task), 3), Member(sparse_reward(task), 4)]

    def run(name, **options):
        folders = [tmp_path / name / str(k) for k in range(2)]
        checkpoint = tmp_path / name / "checkpoint.npz"
        return train(
            task,
            members,
            folders,
            CONFIG,
            4 * CONFIG.batch,
            checkpoint=checkpoint,
            backend="mjx",
            **options,
        )

    def pull_plug(done, progress):
        if done == 3 * CONFIG.batch * len(members):
            raise PulledPlugError

    with pytest.raises(PulledPlugError):
        run("stopped", checkpoint_s=0.0, on_iteration=pull_plug)
    assert (tmp_path / "stopped" / "checkpoint.npz").is_file()
    for a, b in zip(*map(jax.tree.leaves, (run("stopped"), run("whole"))), strict=True):
        np.testing.assert_array_equal(a, b)


def test_physics_is_compiled_once_for_two_rewards(point_task_folder, caplog):
    task = load_task(point_task_folder)  # of its own: nothing is compiled for it yet

    def compilations() -> int:
        return sum("Compiling jit(_run)" in record.getMessage() for record in caplog.records)

    with jax.log_compiles(), caplog.at_level(logging.WARNING):
        for reward in (expert_reward(task), sparse_reward(task)):
            population = Population(task, [Member(reward, 3)] * 2, CONFIG, 3, backend="mjx")
            progress(population, 3)
            assert compilations() == 1


def test_a_policy_trained_in_mjx_is_better_in_mujoco(task, tmp_path):
    reward, config = expert_reward(task), PPOConfig(envs=16, horizon=20, minibatches=4)
    untrained = Policy.of(init_learner(jax.random.key(0), config, 2, 1))
    trained = train(
        task,
        [Member(reward, 0)],
        [tmp_path],
        config,
        20 * config.batch,
        checkpoint=tmp_path / "checkpoint.npz",
        backend="mjx",
    )
    assert isinstance(trained[0], Policy)
    before, after = evaluate(task, [untrained, trained[0]], [reward] * 2, [7, 7], 10)
    assert after.episode_fitness.mean() > before.episode_fitness.mean() + 0.3


EVERYTHING = Randomisation(
    mass=(0.5, 2.0), gain=(0.5, 1.5), delay=(0, 2), noise=(0.0, 0.5), push=(0.0, 1.0)
)


def first_episodes(experience) -> np.ndarray:
    """(K, T, N) bool, where a step is of its environment's first episode of this rollout."""
    done = np.asarray(experience.terminated | experience.truncated)
    return np.cumsum(done, axis=1) - done == 0


def test_worlds_are_the_cpus(task):
    """Factors of a first episode, delays, pushes and disturbances; later factors stay, here."""
    world = replace(task, randomisation=EVERYTHING)
    policies = [policy(5.0), policy(0.0)]
    cpu, device = CpuCollector(world, [3, 4], CONFIG, 1), MjxCollector(world, [3, 4], CONFIG)
    expected, found = cpu.collect(policies, 0), device.collect(policies, 0)
    same = first_episodes(expected)
    assert same.mean() > 0.3
    np.testing.assert_array_equal(first_episodes(found), same)
    for name in ("state", "next_state", "action", "disturbance"):
        np.testing.assert_allclose(
            np.asarray(getattr(found, name))[same],
            np.asarray(getattr(expected, name))[same],
            atol=1e-4,
            err_msg=name,
        )
    nominal = MjxCollector(task, [3, 4], CONFIG).collect(policies, 0)
    assert nominal.disturbance is None
    assert np.abs(np.asarray(nominal.state) - np.asarray(found.state))[same].max() > 0.1


def test_a_randomised_rollout_continues_bit_identically(task):
    world, policies = replace(task, randomisation=EVERYTHING), [policy(1.0)]
    collector = MjxCollector(world, [3], CONFIG)
    collector.collect(policies, 0)
    saved = collector.checkpoint()
    expected = collector.collect(policies, 1)
    again = MjxCollector(world, [3], CONFIG)
    again.restore(saved)
    found = again.collect(policies, 1)
    for name in ("state", "next_state", "action", "disturbance"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)
