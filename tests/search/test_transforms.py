"""``train.transform`` in a run: what candidates are trained on."""

import json
from dataclasses import replace

import numpy as np
import pytest

from reward_synth.gym.resolve import program
from reward_synth.report.build import build_report
from reward_synth.reward.rewards import Reward
from reward_synth.reward.transitions import measure
from reward_synth.rollout.episodes import Rollouts
from reward_synth.search.candidate import best_of
from reward_synth.search.config import (
    FinalSettings,
    LLMSettings,
    RunConfig,
    SearchSettings,
    VideoSettings,
)
from reward_synth.search.loop import start
from reward_synth.search.store import Store
from reward_synth.search.transforms import as_trained, caps_of, composition
from reward_synth.task import load_task
from reward_synth.train.config import PPOConfig
from reward_synth.train.population import Member
from tests.search.test_loop import Ear


@pytest.fixture(scope="module")
def config(point_task_folder):
    return RunConfig(
        task=str(point_task_folder),
        llm=LLMSettings(kind="offline"),
        search=SearchSettings(generations=1, candidates=2, steps=256, episodes=2),
        final=FinalSettings(trainings=1, episodes=2),
        train=PPOConfig(
            envs=4, horizon=16, epochs=2, minibatches=2, hidden=(8, 8), transform="par"
        ),
        video=VideoSettings(enabled=False),
    )


@pytest.fixture(scope="module")
def task(point_task_folder):
    return load_task(point_task_folder)


@pytest.fixture(scope="module")
def finished(config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("transforms") / "run"
    start(config, folder, Ear())
    with Store.read(folder) as store:
        best = best_of(store.candidates())
    assert best is not None
    return folder, best


def test_candidates_are_trained_and_judged_on_the_transformed_reward(finished, task):
    folder, best = finished
    for place in (best.folder, "final/found/seed_0"):
        rollouts = Rollouts.load(folder / place / "rollout.npz")
        written, terms = measure(
            program(folder / best.folder, task.description), rollouts.transitions
        )
        happened = np.arange(len(rollouts.action)) < rollouts.length[:, None]
        trained = rollouts.reward.T[happened]
        assert trained.min() > 0.0
        assert trained.max() < 1.0
        assert (np.diff(trained[np.argsort(written)]) > -1e-5).all()
        np.testing.assert_allclose(np.swapaxes(rollouts.terms, 0, 1)[happened], terms, atol=1e-5)


def test_the_report_says_what_was_trained_on(finished):
    folder, best = finished
    assert "preferred to 128 reference steps, from 0 to 1" in best.composition
    page = build_report(folder).read_text(encoding="utf-8")
    with Store.read(folder) as store:
        trained = [c for c in store.candidates() if c.composition]
    assert page.count(best.composition) == len(trained) + 1  # once more, beside the winner


def test_published_rewards_are_compared_as_they_were_published(finished, task):
    folder, _ = finished
    expert = Rollouts.load(folder / "final" / "expert" / "seed_0" / "rollout.npz")
    np.testing.assert_allclose(expert.reward, expert.terms.sum(-1), atol=1e-5)


def test_a_reward_that_cannot_be_computed_is_left_to_the_training_to_drop(config, task, tmp_path):
    def crash(state, action, next_state, weights):
        raise MemoryError("while compiling")

    broken = Reward(("only",), np.zeros(0, np.float32), crash)
    carl = replace(config, train=replace(config.train, transform="carl"))
    assert as_trained(broken, carl, task) is broken


def test_caps_come_from_trainings_of_earlier_generations(finished, config, task, tmp_path):
    folder, best = finished
    x = np.linspace(0.0, 2.0, 30)
    fitness = np.minimum(x, 1.0)
    earlier = tmp_path / "gen_00" / "cand_00"
    earlier.mkdir(parents=True)
    for name in ("reward.py", "reward.arrays.json"):
        (earlier / name).write_bytes((folder / best.folder / name).read_bytes())
    rows = [
        {"terms": dict.fromkeys(best.terms, float(a)), "fitness": float(b)}
        for a, b in zip(x, fitness, strict=True)
    ]
    (earlier / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "gen_00" / "cand_01").mkdir()
    (tmp_path / "gen_00" / "cand_01" / "metrics.jsonl").write_text("")  # dropped at once
    reward = program(earlier, task.description)
    capped = replace(config, train=replace(config.train, transform="caps"))
    child = replace(best, generation=1)
    caps = caps_of(child, reward, capped, task, tmp_path)
    assert caps is not None
    np.testing.assert_allclose(caps.limits, 1.0, atol=0.1)
    words = composition(Member(reward, 0, caps))
    assert words.startswith("A term is not paid for beyond a mean per step of ")
    assert all(
        f"{name} {limit:.3g}" in words for name, limit in zip(best.terms, caps.limits, strict=True)
    )
    assert composition(Member(reward, 0)) == ""
    assert caps_of(child, reward, config, task, tmp_path) is None
    first = replace(best, generation=0)
    assert caps_of(first, reward, capped, task, tmp_path) is None
