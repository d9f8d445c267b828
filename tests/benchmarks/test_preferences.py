"""The benchmark of answers: the learned reward, what is asked, and what is not computed again."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import scipy.stats

from benchmarks.cells import append, read_lines, work_off
from benchmarks.preferences import (
    ANSWERS,
    QUERIES,
    SEARCHES,
    Cell,
    cells,
    config_of,
    learn,
)
from benchmarks.preferences_tables import fitness, load, scores
from benchmarks.reward_model import LENGTH, RewardModel, Watched, schedule
from reward_synth.feedback.teachers import Mistaken, Oracle
from reward_synth.reward.transitions import measure
from reward_synth.rollout.explore import explore
from reward_synth.task import load_task

TEACHER = Mistaken(Oracle(), 0.1, seed=0)


@pytest.fixture(scope="module")
def linear():
    """A task whose fitness is a line through what is observed of the state, and what was seen."""

    def slopes(state, action, next_state):
        return 0.5 * state.cart_position + action[0]

    task = replace(load_task("cartpole_swingup"), fitness=slopes)
    shape = 2 * LENGTH, 8
    steps = explore(task, 3, shape[1], shape[0] * 4, threads=1)
    return task, shape, steps


def watched_by(model: RewardModel, shape: tuple[int, int], steps) -> Watched:
    watched = Watched(model.function, shape)
    batch = shape[0] * shape[1]
    for start in range(0, len(steps), batch):
        some = steps.take(np.arange(start, start + batch))
        watched(some.state, some.action, some.next_state, model.reward().weights)
    return watched


def test_it_learns_the_order_of_a_linear_reward_from_answers_some_of_which_are_wrong(linear):
    task, shape, steps = linear
    model = RewardModel(task, 300, seed=0)
    watched = watched_by(model, shape, steps)
    unseen = explore(task, 4, 8, 100, threads=1)
    true = 0.5 * unseen.state[:, 0] + unseen.action[:, 0]

    def agreement() -> float:
        return float(scipy.stats.spearmanr(measure(model.reward(), unseen)[0], true).statistic)

    before, reward = agreement(), model.reward()
    for _ in range(3):
        model.ask(TEACHER, watched, 100)
        foreseen = model.fit()
    assert agreement() > 0.9 > abs(before)
    assert foreseen > 0.8
    assert not np.array_equal(model.reward().weights, reward.weights)
    assert model.reward().function is reward.function  # nothing is compiled again


def test_later_pairs_are_those_that_networks_disagree_on(linear):
    task, shape, steps = linear
    model = RewardModel(task, 40, seed=1)
    watched = watched_by(model, shape, steps)
    model.ask(TEACHER, watched, 20)
    model.fit()
    model.ask(TEACHER, watched, 20)

    def spread(inputs: np.ndarray) -> float:
        rewards = np.stack(
            [measure_inputs(model, inputs, member) for member in range(3)]
        )  # (M, n) chances
        return float(rewards.std(0).mean())

    assert spread(model.inputs[20:]) > 1.5 * spread(model.inputs[:20])


def measure_inputs(model: RewardModel, inputs: np.ndarray, member: int) -> np.ndarray:
    """One network's chances, by NumPy, that the first is preferred."""
    mean, variance = np.asarray(model.statistics.mean), np.asarray(model.statistics.variance)
    x = np.clip((inputs - mean) / np.sqrt(variance + 1e-8), -10.0, 10.0)
    *hidden, last = [(np.asarray(w)[member], np.asarray(b)[member]) for w, b in model.parameters]
    for weight, bias in hidden:
        x = x @ weight + bias
        x = np.where(x > 0.0, x, 0.01 * x)
    sums = np.tanh(x @ last[0] + last[1])[..., 0].sum(-1)
    return 1.0 / (1.0 + np.exp(sums[:, 1] - sums[:, 0]))


def test_segments_are_what_happened_and_the_teacher_sees_their_fitness(linear):
    task, shape, steps = linear
    watched = watched_by(RewardModel(task, 1, seed=0), shape, steps)
    drawn, names = watched.draw(5, np.random.default_rng(0))
    for k, name in enumerate(names):
        batch, begin, env = map(int, name.split(":"))
        places = (batch * shape[0] + begin + np.arange(LENGTH)) * shape[1] + env
        assert np.array_equal(drawn.action[k], steps.action[places])
        assert np.array_equal(drawn.next_state[k], steps.next_state[places])
    seen = []

    @dataclass(frozen=True)
    class Listener:
        name: str = "listener"

        def compare(self, one, other):
            seen.extend((one, other))
            return TEACHER.compare(one, other)

    model = RewardModel(task, 4, seed=0)
    model.ask(Listener(), watched, 4)
    assert len(seen) == 2 * model.answers == 8
    for shown in seen:
        batch, begin, env = map(int, shown.id.split(":"))
        places = (batch * shape[0] + begin + np.arange(LENGTH)) * shape[1] + env
        true = 0.5 * steps.state[places, 0] + steps.action[places, 0]
        assert shown.fitness == pytest.approx(true.sum(), abs=1e-3)


@pytest.mark.parametrize("queries", [3, 49, 150, 1500])
def test_all_queries_are_asked_in_the_first_half(queries: int):
    plan = np.array(schedule(queries, 960))
    asked = np.flatnonzero(plan)
    assert plan.sum() == queries
    assert (asked[0], len(asked)) == (16, min(10, queries))
    assert asked[-1] == 480
    assert np.ptp(plan[asked]) <= 1


def test_a_learned_reward_takes_the_steps_and_the_answers_that_it_may():
    budget = 24 * 512
    found = learn(Cell("cartpole_swingup", "learned", 13, 0, budget, ""))
    assert (found["queries"], found["env_steps"]) == (13, budget)
    assert len(found["foreseen"]) >= 1
    assert np.isfinite(found["fitness"])


@pytest.mark.parametrize("arm", SEARCHES)
def test_searches_ask_as_much_and_know_no_fitness(arm: str):
    config = config_of(Cell("hopper", arm, QUERIES, 0, 491_520, "offline"))
    config.check()
    search = config.search
    assert not config.feedback.fitness
    if arm == "icpl":
        asked = search.generations * (2 * search.candidates - 3) + search.generations - 1
    else:
        asked = search.generations * ANSWERS
    assert asked == QUERIES


def counted(cell: Cell, folder: Path) -> dict:
    """Leave a trace of having been computed."""
    name = "-".join(map(str, cell.key))
    (folder / f"{name}-{len(list(folder.iterdir()))}").touch()
    return {"key": cell.key, "fitness": 1.0}


def test_what_is_done_is_not_done_again(tmp_path: Path):
    folder, output = tmp_path / "done", tmp_path / "results" / "some.jsonl"
    folder.mkdir()
    some = [Cell("hopper", "expert", 0, seed, 512, "") for seed in range(3)]
    work = partial(counted, folder=folder)
    assert len(list(work_off(some[:2], work, output, 1))) == 2
    with output.open("a") as file:
        file.write('{"key": ["hopper", "expert", 0, 2], "points": [{}')  # a kill
    assert len(read_lines(output)) == 2
    assert [line["key"][3] for line in work_off(some, work, output, 1)] == [2]
    assert list(work_off(some, work, output, 1)) == []
    assert len(list(folder.iterdir())) == 3
    assert [line["key"][3] for line in read_lines(output)] == [0, 1, 2]


def test_lines_that_come_together_stay_apart(tmp_path: Path):
    output = tmp_path / "some.jsonl"
    for k in range(3):
        append(output, {"key": [k]})
    assert [json.loads(text)["key"] for text in output.read_text().splitlines()] == [[0], [1], [2]]


def test_seeds_that_an_arm_lacks_are_left_out():
    class Options:
        tasks, seeds, llm = ("hopper",), 2, "offline"

    lines = [{"key": cell.key, "fitness": 3.0 + cell.seed} for cell in cells(Options())]
    whole = load(lines)
    assert len(whole) == 9
    assert list(whole)[-2:] == [("expert", 0), ("fitness", 0)]
    assert all(list(tasks["hopper"]) == [0, 1] for tasks in whole.values())
    lacking = [x for x in lines if x["key"][1:4] != ["learned", 150, 1]]
    assert all(list(tasks["hopper"]) == [0] for tasks in load(lacking).values())
    extra = [x for x in lines if x["key"][1:4] != ["icpl, again", 49, 1]]
    assert list(load(extra)["evolve", 49]["hopper"]) == [0, 1]
    assert list(load(extra)["evolve, again", 49]["hopper"]) == [0]


def test_scores_are_shares_of_the_expert_and_what_broke_has_none():
    by_seed = {0: {"fitness": 3.0}, 1: {"fitness": float("-inf")}}
    assert fitness(by_seed).tolist() == [3.0, 0.0]
    assert scores({"hopper": by_seed}, {"hopper": 6.0})["hopper"].tolist() == [[0.5], [0.0]]
