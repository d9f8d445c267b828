"""A population: reproducible, independent members, continued without a trace."""

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
from reward_synth.train.config import PPOConfig
from reward_synth.train.job import train
from reward_synth.train.networks import action_mean
from reward_synth.train.policy import Policy
from reward_synth.train.population import Member, Population
from reward_synth.train.progress import episode_sums

CONFIG = PPOConfig(envs=8, horizon=16, epochs=2, minibatches=2, hidden=(16, 16))
STEPS = CONFIG.batch * 6


@pytest.fixture(scope="module")
def task(point_task_folder):
    return load_task(point_task_folder)


@pytest.fixture(scope="module", params=["nominal", "randomised"])
def any_task(request, task):
    everything = Randomisation(
        mass=(0.5, 2.0), gain=(0.5, 1.5), delay=(0, 2), noise=(0.0, 0.5), push=(0.0, 1.0)
    )
    return replace(task, randomisation=everything) if request.param == "randomised" else task


def reward_of(function, terms=("only",)):
    def batched(state, action, next_state, weights):
        values = function(state, action, next_state, weights)
        return values, values[:, None]

    return Reward(terms, np.zeros(1, np.float32), jax.jit(batched))


def leaves(policy):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(policy)]


def assert_identical(one, other):
    for a, b in zip(leaves(one), leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)


def run(task, members, tmp_path, **options):
    folders = [tmp_path / str(k) for k in range(len(members))]
    options = {"checkpoint": tmp_path / "checkpoint.npz"} | options
    return train(task, members, folders, CONFIG, STEPS, **options)


def test_same_bits_at_any_thread_count(any_task, tmp_path):
    members = [Member(expert_reward(any_task), 3), Member(sparse_reward(any_task), 4)]
    one = run(any_task, members, tmp_path / "one", threads=1)
    two = run(any_task, members, tmp_path / "two", threads=2)
    for a, b in zip(one, two, strict=True):
        assert_identical(a, b)


def test_members_learn_what_they_would_alone(task, tmp_path):
    members = [Member(expert_reward(task), seed) for seed in range(3)]
    together = run(task, members, tmp_path / "together")
    for k, member in enumerate(members):
        (alone,) = run(task, [member], tmp_path / f"alone{k}")
        for a, b in zip(leaves(alone), leaves(together[k]), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


def test_continuing_equals_not_stopping(any_task, tmp_path):
    members = [Member(expert_reward(any_task), 0), Member(expert_reward(any_task), 1)]
    whole = run(any_task, members, tmp_path / "whole")

    class PulledPlugError(Exception):
        pass

    for stop_at in (2, 3, 5):  # thrice in a row, each time a fresh process would begin again

        def pull_plug(done, progress, stop_at=stop_at):
            if done == stop_at * CONFIG.batch * len(members):
                raise PulledPlugError

        with pytest.raises(PulledPlugError):
            run(any_task, members, tmp_path / "cut", checkpoint_s=0.0, on_iteration=pull_plug)
        assert (tmp_path / "cut" / "checkpoint.npz").exists() == (stop_at > 1)
    continued = run(any_task, members, tmp_path / "cut")
    for a, b in zip(whole, continued, strict=True):
        assert_identical(a, b)
    for k in "01":
        for name in ("metrics.jsonl", "policy.npz"):
            whole_file, cut_file = (tmp_path / w / k / name for w in ("whole", "cut"))
            assert whole_file.read_bytes() == cut_file.read_bytes()
    assert not (tmp_path / "cut" / "checkpoint.npz").exists()


def test_randomisation_that_is_off_changes_no_bit(task, tmp_path):
    members = [Member(expert_reward(task), 3)]
    (plain,) = run(task, members, tmp_path / "plain")
    off = replace(task, randomisation=Randomisation(mass=(1.0, 1.0), noise=(0.0, 0.0)))
    (same,) = run(off, members, tmp_path / "off")
    assert_identical(plain, same)
    (other,) = run(
        replace(task, randomisation=Randomisation(mass=(0.5, 2.0))), members, tmp_path / "on"
    )
    assert not np.array_equal(leaves(plain)[0], leaves(other)[0])


def test_what_was_acted_on_is_what_is_learned_from(task):
    """Actions of a policy without spread are the mean of what is said to have been observed."""
    noisy = replace(task, randomisation=Randomisation(noise=(0.5, 0.5)))
    population = Population(noisy, [Member(expert_reward(task), 0)], CONFIG, 6)
    (learner,) = population.learners
    network = learner.network._replace(log_std=jnp.full(1, -20.0))
    calm = learner._replace(network=network)
    population.learners = [calm]
    policy = Policy.of(calm)
    experience = population._collector.collect([policy], 0)
    (states,), (disturbance,) = experience.state, experience.disturbance
    assert disturbance.std() == pytest.approx(0.5, rel=0.2)  # before training the unit is 1
    # the state is position, velocity and last action; the observation is the first two
    observed = policy.observations.normalize(states[..., :2] + disturbance)
    mean = action_mean(policy.network, observed)
    np.testing.assert_allclose(experience.action[0], mean, atol=1e-5)
    judged = population._judge(experience, 0)
    np.testing.assert_allclose(
        judged.samples.observation, np.reshape(observed, (CONFIG.batch, 2)), atol=1e-5
    )


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda s, a, n, w: n[:, 0] / jnp.zeros(()), "infinite or NaN"),
        (lambda s, a, n, w: n[:, 0] * 1e30, "reached"),
        (lambda s, a, n, w: jnp.where(n[:, 0] > 0.0, jnp.nan, 1.0), "infinite or NaN"),
    ],
)
def test_a_bad_reward_is_dropped_with_its_reason_and_disturbs_nobody(
    task, tmp_path, function, words
):
    good = Member(expert_reward(task), 5)
    alone, _ = run(task, [good, good], tmp_path / "alone")
    kept, dropped = run(task, [good, Member(reward_of(function), 6)], tmp_path / "both")
    assert isinstance(dropped, Rejection)
    assert words in dropped.reason
    assert "only" in dropped.reason
    assert_identical(alone, kept)


def test_a_reward_that_cannot_be_computed_is_dropped_and_disturbs_nobody(task, tmp_path):
    def crash(state, action, next_state, weights):
        raise MemoryError("out of memory while compiling")

    good = Member(expert_reward(task), 5)
    alone, _ = run(task, [good, good], tmp_path / "alone")
    kept, dropped = run(
        task, [good, Member(Reward(("only",), np.zeros(0), crash), 6)], tmp_path / "both"
    )
    assert isinstance(dropped, Rejection)
    assert "cannot be computed (MemoryError)" in dropped.reason
    assert_identical(alone, kept)


def test_a_dropped_member_is_stepped_no_more_and_stays_dropped(task):
    nan = reward_of(lambda s, a, n, w: n[:, 0] * jnp.nan)
    members = [Member(nan, 6), Member(expert_reward(task), 5)]
    population = Population(task, members, CONFIG, 6)
    assert [p is None for p in population.iterate()] == [True, False]
    stepped = []

    def spy(batch):
        step = batch.step

        def counted(ids=None, **options):
            stepped.append(batch.nsim if ids is None else len(ids))
            step(ids, **options)

        batch.step = counted

    spy(population._collector._backend._batch)
    population.iterate()
    assert set(stepped) == {CONFIG.envs}
    again = Population(task, members, CONFIG, 6)
    again.restore(population.checkpoint())
    one, other = population.iterate(), again.iterate()
    assert one == other
    assert one[0] is None
    assert again.rejections == population.rejections


def test_episode_sums_equal_those_of_a_loop():
    rng = np.random.default_rng(0)
    running, expected_running = np.zeros(3), np.zeros(3)
    for _ in range(4):  # episodes go on from one batch to the next
        values, done = rng.normal(size=(7, 3)), rng.random((7, 3)) < 0.3
        expected = []
        for n in range(3):
            for value, over in zip(values[:, n], done[:, n], strict=True):
                expected_running[n] += value
                if over:
                    expected.append(expected_running[n])
                    expected_running[n] = 0.0
        np.testing.assert_allclose(episode_sums(values, done, running), expected)
        np.testing.assert_allclose(running, expected_running)


def test_progress_adds_up(task):
    population = Population(task, [Member(expert_reward(task), 0)], CONFIG, 6)
    episodes = 0
    for _ in range(6):
        (progress,) = population.iterate()
        episodes += progress.episodes
        assert sum(progress.ends.values()) == progress.episodes
        assert set(progress.terms) == {"near", "effort"}
    # 8 environments, 96 steps each, episodes of 20 steps at the most
    assert episodes >= 8 * 4
    assert progress.steps == STEPS


def test_training_improves_and_policies_survive_a_round_trip(task, tmp_path):
    steps = CONFIG.batch * 60
    reward = expert_reward(task)
    members = [Member(reward, seed) for seed in (0, 1)]
    folders = [tmp_path / "0", tmp_path / "1"]
    config = PPOConfig(envs=8, horizon=32, epochs=4, minibatches=4, hidden=(32, 32))
    trained = train(task, members, folders, config, steps, checkpoint=tmp_path / "c.npz")
    untrained = [Policy.of(x) for x in Population(task, members, config, 1).learners]
    after = evaluate(task, trained, [reward] * 2, [7, 7], 10)
    before = evaluate(task, untrained, [reward] * 2, [7, 7], 10)
    for a, b in zip(after, before, strict=True):
        assert a.episode_fitness.mean() > b.episode_fitness.mean() + 0.2
    loaded = Policy.load(tmp_path / "1" / "policy.npz")
    assert_identical(loaded, trained[1])
    (again,) = evaluate(task, [loaded], [reward], [7], 10)
    np.testing.assert_allclose(again.episode_fitness, after[1].episode_fitness, rtol=1e-3)


def test_a_policy_that_diverges_is_dropped_in_words(task, tmp_path):
    wild = PPOConfig(envs=8, horizon=16, epochs=2, minibatches=2, hidden=(16,), learning_rate=1e30)
    members = [Member(expert_reward(task), 0)]
    (dropped,) = train(
        task, members, [tmp_path / "0"], wild, STEPS, checkpoint=tmp_path / "checkpoint.npz"
    )
    assert isinstance(dropped, Rejection)
    assert "infinite or NaN" in dropped.reason
    assert not (tmp_path / "0" / "policy.npz").exists()
