"""Training with a reward from pixels: what is drawn, for whom, and that nothing else changes."""

import jax
import numpy as np
import pytest

from reward_synth.looks import LooksConfig
from reward_synth.looks.steps import Looks, with_clip_score
from reward_synth.records import Rejection
from reward_synth.reward.rewards import Reward, expert_reward, looks_reward
from reward_synth.task import load_task
from reward_synth.train.config import PPOConfig
from reward_synth.train.job import train
from reward_synth.train.policy import Policy
from reward_synth.train.population import Member, Population

CONFIG = PPOConfig(envs=4, horizon=13, epochs=2, minibatches=2, hidden=(8,))
ITERATIONS = 5
FIELD = LooksConfig(model="a:b", goal="g").field(0.0)


@pytest.fixture(scope="module")
def plain(point_task_folder):
    return load_task(point_task_folder)


@pytest.fixture(scope="module")
def task(plain):
    return with_clip_score(plain, FIELD)


class Eye:
    """Sees how near the point is to 1 m; keeps what it was shown."""

    def __init__(self):
        self.seen = []

    def __call__(self, postures):
        assert postures.dtype == np.float32
        self.seen.append(postures.copy())
        return (-np.abs(postures[:, 0] - 1.0)).astype(np.float32)

    @property
    def pictures(self):
        return sum(map(len, self.seen))


def seeing(task):
    return looks_reward(task)


def run(task, members, folder, steps=CONFIG.batch * ITERATIONS, **options):
    folders = [folder / str(k) for k in range(len(members))]
    checkpoint = folder / "checkpoint.npz"
    return train(task, members, folders, CONFIG, steps, checkpoint=checkpoint, **options)


def leaves(policy):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(policy)]


def assert_identical(one, other):
    for a, b in zip(leaves(one), leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)


def test_rewards_are_paid_for_the_states_that_were_drawn(task):
    """Every state is drawn, and the point's coordinate is the first entry of its vector."""
    population = Population(task, [Member(seeing(task), 0)], CONFIG, 5, looks=Looks(Eye(), 1))
    ended = 0
    for iteration in range(4):
        policies = [Policy.of(learner) for learner in population.learners]
        out = population._collector.collect(policies, iteration)
        for states in (out.state, out.next_state):
            np.testing.assert_array_equal(states[..., -1], -np.abs(states[..., 0] - 1.0))
        ended += np.count_nonzero(out.truncated | out.terminated)
    assert ended >= 8  # also where an episode ended and the next had begun


def test_a_policy_learns_from_pictures_alone(task, tmp_path):
    config = PPOConfig(envs=8, horizon=32, epochs=4, minibatches=4, hidden=(32, 32))
    members = [Member(seeing(task), seed) for seed in (0, 1)]
    eye, fitness = Eye(), []
    train(
        task,
        members,
        [tmp_path / "0", tmp_path / "1"],
        config,
        config.batch * 60,
        checkpoint=tmp_path / "c.npz",
        looks=Looks(eye, 2),
        on_iteration=lambda done, progress: fitness.append([p.fitness for p in progress]),
    )
    assert (np.array(fitness[-1]) > np.array(fitness[0]) + 0.2).all()
    # Every second state of episodes of at most 20 steps, and the first of each.
    assert eye.pictures < 2 * config.batch * 60 * 0.57


@pytest.mark.parametrize("every", [1, 4])
def test_continuing_equals_not_stopping(task, tmp_path, every):
    members = [Member(seeing(task), 0), Member(expert_reward(task), 1)]
    whole = run(task, members, tmp_path / "whole", looks=Looks(Eye(), every))

    class PulledPlugError(Exception):
        pass

    for stop_at in (2, 4):

        def pull_plug(done, progress, stop_at=stop_at):
            if done == stop_at * CONFIG.batch * len(members):
                raise PulledPlugError

        options = {"looks": Looks(Eye(), every), "checkpoint_s": 0.0, "on_iteration": pull_plug}
        with pytest.raises(PulledPlugError):
            run(task, members, tmp_path / "cut", **options)
    assert (tmp_path / "cut" / "checkpoint.npz").exists()
    continued = run(task, members, tmp_path / "cut", looks=Looks(Eye(), every))
    for a, b in zip(whole, continued, strict=True):
        assert_identical(a, b)
    for name in ("metrics.jsonl", "policy.npz"):
        whole_file, cut_file = (tmp_path / w / "0" / name for w in ("whole", "cut"))
        assert whole_file.read_bytes() == cut_file.read_bytes()


def test_who_does_not_read_pictures_is_not_drawn_and_learns_the_same(plain, task, tmp_path):
    def refuse(postures):
        raise AssertionError

    (without,) = run(plain, [Member(expert_reward(plain), 3)], tmp_path / "without")
    (beside,) = run(
        task, [Member(expert_reward(task), 3)], tmp_path / "with", looks=Looks(refuse, 1)
    )
    assert_identical(without, beside)


def test_neighbours_change_neither_scores_nor_pictures(task, tmp_path):
    alone, together = Eye(), Eye()
    mine = Member(seeing(task), 3)
    run(task, [mine, Member(expert_reward(task), 4)], tmp_path / "one", looks=Looks(alone, 3))
    run(task, [mine, Member(seeing(task), 4)], tmp_path / "two", looks=Looks(together, 3))
    for one, other in zip(alone.seen, together.seen[::2], strict=True):
        np.testing.assert_array_equal(one, other)
    one, two = ((tmp_path / n / "0" / "policy.npz").read_bytes() for n in ("one", "two"))
    assert one == two


def test_a_dropped_member_is_drawn_no_more(task, tmp_path):
    def broken(state, action, next_state, weights):
        raise MemoryError

    eye = Eye()
    bad = Member(Reward(("only",), np.zeros(0, np.float32), broken), 1)
    dropped, _ = run(task, [bad, Member(expert_reward(task), 2)], tmp_path, looks=Looks(eye, 1))
    assert isinstance(dropped, Rejection)
    assert len(eye.seen) == 1


def test_a_member_that_is_left_behind_is_drawn_no_more(task):
    eye = Eye()
    members = [Member(seeing(task), 0), Member(seeing(task), 1)]
    population = Population(task, members, CONFIG, 5, looks=Looks(eye, 1))
    population.iterate()
    population.stop(0)
    population.iterate()
    assert len(eye.seen) == 3


def test_without_pictures_a_checkpoint_is_as_it_always_was(plain, task):
    def names(task, looks):
        population = Population(task, [Member(expert_reward(task), 0)], CONFIG, 5, looks=looks)
        return set(population.checkpoint())

    assert names(plain, None) == names(task, Looks(Eye(), 1))
