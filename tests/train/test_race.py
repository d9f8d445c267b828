"""Races: who is left behind, and that those who are not learn what they would anyway."""

import json

import numpy as np
import pytest

from reward_synth.reward.rewards import expert_reward, sparse_reward
from reward_synth.task import load_task
from reward_synth.train.config import PPOConfig
from reward_synth.train.job import train
from reward_synth.train.population import Member
from reward_synth.train.race import Race

CONFIG = PPOConfig(envs=8, horizon=16, epochs=2, minibatches=2, hidden=(16, 16))
ITERATIONS = 8


def race(rungs, wildcards=(), episode_steps=20):
    return Race(tuple(rungs), frozenset(wildcards), CONFIG.batch, episode_steps)


def history(rate, iterations=ITERATIONS, terminated=0):
    ends = {"terminated": terminated, "time limit": 0, "diverged": 0}
    return [{"step_fitness": rate, "ends": ends}] * iterations


def kept(standings):
    return [k for k, mine in enumerate(standings) if all(s.kept for s in mine)]


def test_shares_become_iterations_and_counts():
    planned = Race.plan(12, 24, (0.15, 0.4), (0.5, 0.25), frozenset({5}), 100, 1000)
    assert planned.rungs == ((4, 6), (10, 3))
    # all until the first rung, 6 and the wildcard until the second, 3 and it until the end
    assert planned.steps(12, 24) == 100 * (12 * 4 + 7 * 6 + 4 * 14)
    assert planned.finishers(12) == 4
    alone = Race.plan(1, 24, (0.15, 0.4), (0.5, 0.25), frozenset({0}), 100, 1000)
    assert alone.steps(1, 24) == 100 * 24
    assert Race.plan(4, 1, (0.15, 0.4), (0.5, 0.25), frozenset(), 100, 9).rungs == ()


def test_the_best_lower_bounds_train_on_and_a_wildcard_beside_them():
    rates = [0.1, 0.4, 0.2, 0.3, 0.0]
    standings = race([(2, 3), (4, 1)], {4}).standings([history(rate) for rate in rates])
    assert [len(mine) for mine in standings] == [1, 2, 2, 2, 2]
    assert kept(standings) == [1, 4]
    assert standings[1][0].fitness == pytest.approx(0.4 * 20)


def test_a_bound_is_lower_where_training_is_unsteady():
    shaky = [{**line, "step_fitness": 0.3 + 0.3 * (-1) ** i} for i, line in enumerate(history(0))]
    standings = race([(8, 1)]).standings([shaky, history(0.25)])
    assert standings[0][0].fitness > standings[1][0].fitness
    assert kept(standings) == [1]


def test_fitness_is_projected_to_an_episode_of_the_length_to_come():
    falls, stands = history(0.5, terminated=CONFIG.batch // 4), history(0.4)
    (fallen,), (standing,) = race([(8, 1)]).standings([falls, stands])
    assert fallen.fitness == pytest.approx(0.5 * (1 - 0.75**20) / 0.25)
    assert standing.fitness == pytest.approx(0.4 * 20)


def test_where_nothing_tells_them_apart_none_is_left_behind():
    standings = race([(2, 1), (4, 1)]).standings([history(0.0)] * 3)
    assert kept(standings) == [0, 1, 2]
    succeeded = [history(0.0), history(0.0), history(0.1)]
    assert kept(race([(2, 1)]).standings(succeeded)) == [2]


def test_who_was_dropped_before_a_rung_has_no_standing_there():
    standings = race([(2, 2), (4, 1)]).standings([history(0.9, 1), history(0.1), history(0.2)])
    assert standings[0] == ()
    assert kept(standings[1:]) == [1]
    early = race([(2, 2), (4, 1)]).standings([history(0.1, 2), history(0.2, 2)])
    assert [len(mine) for mine in early] == [1, 1]  # the second rung is still to come


@pytest.fixture(scope="module")
def task(point_task_folder):
    return load_task(point_task_folder)


def run(task, folder, rivals, **options):
    members = [
        Member(expert_reward(task), 0),
        *(Member(sparse_reward(task), 1 + k) for k in rivals),
    ]
    folders = [folder / str(k) for k in range(len(members))]
    options = {"checkpoint": folder / "checkpoint.npz"} | options
    steps = CONFIG.batch * ITERATIONS
    policies = train(task, members, folders, CONFIG, steps, **options)
    lengths = [len((place / "metrics.jsonl").read_text().splitlines()) for place in folders]
    return policies, lengths, folders


def test_the_left_behind_cost_nothing_more_and_the_others_do_not_notice(task, tmp_path):
    rungs = race([(2, 2), (4, 1)])
    _, lengths, folders = run(task, tmp_path / "race", range(3), race=rungs)
    assert sorted(lengths) == [2, 2, 4, 8]
    winner = lengths.index(8)
    _, _, whole = run(task, tmp_path / "whole", range(3))
    lines = [
        [json.loads(line) for line in (f[winner] / "metrics.jsonl").read_text().splitlines()]
        for f in (folders, whole)
    ]
    for one, other in zip(*lines, strict=True):
        np.testing.assert_allclose(one["step_fitness"], other["step_fitness"], rtol=1e-3, atol=1e-4)


def test_a_race_that_was_stopped_ends_the_same(task, tmp_path):
    rungs = race([(2, 2), (4, 1)], {0})
    _, lengths, whole = run(task, tmp_path / "whole", range(3), race=rungs)

    class PulledPlugError(Exception):
        pass

    for stop_at in (1, 2, 4, 5, 7):
        heard = []

        def pull_plug(done, progress, heard=heard, stop_at=stop_at):
            heard.append(done)
            if progress[0] is not None and progress[0].steps == stop_at * CONFIG.batch:
                raise PulledPlugError

        with pytest.raises(PulledPlugError):
            run(
                task,
                tmp_path / "cut",
                range(3),
                race=rungs,
                checkpoint_s=0.0,
                on_iteration=pull_plug,
            )
    _, again, cut = run(task, tmp_path / "cut", range(3), race=rungs)
    assert again == lengths
    for one, other in zip(whole, cut, strict=True):
        for name in ("metrics.jsonl", "policy.npz"):
            assert (one / name).read_bytes() == (other / name).read_bytes()
