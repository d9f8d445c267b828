"""The second stage: what is trained where, that it is done once, and what it costs."""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager

import jax
import numpy as np
import pytest

from reward_synth.cli.main import main
from reward_synth.cli.stress import winner
from reward_synth.errors import BudgetError
from reward_synth.propose.llm.records import Completion
from reward_synth.propose.llm.select import Choice
from reward_synth.randomisation import Randomisation
from reward_synth.search import models, robustify
from reward_synth.search.budget import Budget
from reward_synth.search.config import (
    BudgetSettings,
    FinalSettings,
    LLMSettings,
    RunConfig,
    SearchSettings,
    VideoSettings,
    config_from_json,
)
from reward_synth.search.listener import Silence
from reward_synth.search.loop import start
from reward_synth.search.robustify import KINDS, Settings, Stage
from reward_synth.search.store import Store
from reward_synth.train.config import PPOConfig
from reward_synth.train.policy import Policy
from reward_synth.train.population import Population

SETTINGS = Settings(trainings=2, steps=512, more=256, episodes=2)


@pytest.fixture(scope="module")
def finished(point_task_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    config = RunConfig(
        task=str(point_task_folder),
        isolate=False,
        threads=1,
        checkpoint_s=0.0,
        llm=LLMSettings(kind="offline"),
        search=SearchSettings(
            strategy="iid", generations=1, candidates=1, steps=512, episodes=4, remember=False
        ),
        train=PPOConfig(envs=8, horizon=16, epochs=1, minibatches=1, hidden=(8,)),
        final=FinalSettings(trainings=0),
        video=VideoSettings(enabled=False),
    )
    start(config, folder, Silence())
    return folder


@contextmanager
def stage_of(run, say=lambda text: None, budget=None):
    subject = winner(run)
    with Store.open(run) as store:
        config = config_from_json(store.get("config"))
        (best,) = [c for c in store.candidates() if c.id == store.get("best")]
        place = str(subject.folder.relative_to(run))
        spending = Budget(budget or BudgetSettings(), store)
        yield Stage(store, config, subject.task, best, place, SETTINGS, spending, say)


def do(run, **options):
    with stage_of(run, **options) as stage:
        return stage.run()


@pytest.fixture(scope="module")
def done(finished, tmp_path_factory):
    """A run whose second stage is done, what came of it, and what was trained in which worlds."""
    run = shutil.copytree(finished, tmp_path_factory.mktemp("done") / "run")
    trained, begin = [], Population.__post_init__

    def spy(self):
        begin(self)
        trained.append((self.task.randomisation, self.members, self.config, [*self.learners]))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Population, "__post_init__", spy)
        return run, do(run), trained


@pytest.fixture
def run(done, tmp_path):
    return shutil.copytree(done[0], tmp_path / "run")


def written(run) -> dict:
    return json.loads((run / SETTINGS.name / "robustness.json").read_text())


def test_both_kinds_are_trained_and_tested_alike(done):
    _, found, trained = done
    assert [worlds for worlds, *_ in trained] == [None, None, found.ranges]
    seeds = [[member.seed for member in members] for _, members, _, _ in trained]
    assert seeds[1] == seeds[2]
    assert len({*seeds[0], *seeds[1]}) == 2 * SETTINGS.trainings
    assert found.author == "offline"
    assert found.ranges.mass is not None
    nominal, robust = (found.tests[kind] for kind in KINDS)
    assert [c.name for c in nominal.curves] == [c.name for c in robust.curves]
    assert nominal.seed == robust.seed
    everything = found.rows[-1]
    assert (found.rows[0].name, everything.name) == ("nominal", "all")
    expected = [np.mean([x.fitness for _, x in found.tests[kind].levels()]) for kind in KINDS]
    np.testing.assert_allclose([np.mean(everything.fitness[kind]) for kind in KINDS], expected)
    *_, inside, outside, _ = found.rows
    assert (inside.name, outside.name) == ("inside", "outside")
    bounds = dict(found.ranges.ranges())
    for row, wanted in ((inside, True), (outside, False)):
        levels = [
            x.fitness
            for name, x in nominal.levels()
            if (bounds[name][0] <= x.value <= bounds[name][1]) == wanted
        ]
        np.testing.assert_allclose(np.mean(row.fitness["nominal"]), np.mean(levels))
    gap, low, high = everything.difference
    assert gap == pytest.approx(expected[1] - expected[0])
    assert low <= gap <= high


def test_both_continue_the_same_policies_more_slowly(done):
    run, _, trained = done
    begun, *continued = trained
    for i in range(SETTINGS.trainings):
        left = Policy.load(run / SETTINGS.name / "begun" / f"seed_{i}" / "policy.npz")
        for _, _, config, learners in continued:
            assert config.learning_rate == pytest.approx(0.3 * begun[2].learning_rate)
            started = learners[i].network, learners[i].observations
            jax.tree.map(np.testing.assert_array_equal, tuple(left), started)


def test_the_ledger_says_what_it_took(done, finished):
    run, found, _ = done
    with Store.read(finished) as store:
        before = store.spent().env_steps
    with Store.read(run) as store:
        mine = [entry for entry in store.expenses() if entry.purpose == "robustness"]
        (prior,) = [entry for entry in mine if "priors" in entry.id]
        tests = sum(test.env_steps for test in found.tests.values())
        trainings = SETTINGS.trainings * (SETTINGS.steps + 2 * SETTINGS.more)
        assert store.spent().env_steps - before == prior.spent.env_steps + tests + trainings


def test_what_was_done_is_not_done_again(run, done, monkeypatch):
    def never(*args, **options):
        raise AssertionError

    for name in ("train", "sweep", "models_of"):
        monkeypatch.setattr(robustify, name, never)
    assert do(run) == done[1]


def test_killed_and_continued_it_ends_at_the_same_place(done, finished, tmp_path, monkeypatch):
    cut = shutil.copytree(finished, tmp_path / "cut")

    class PulledPlugError(Exception):
        pass

    seconds = Budget.check_seconds
    for last in (
        2,
        3,
        1,
    ):  # iterations: within the trainings, then in either of their continuations
        calls = []

        def pull_plug(self, last=last, calls=calls):
            calls.append(1)
            if len(calls) > last:
                raise PulledPlugError
            seconds(self)

        monkeypatch.setattr(Budget, "check_seconds", pull_plug)
        with pytest.raises(PulledPlugError):
            do(cut)
    assert (cut / SETTINGS.name / "nominal" / "seed_1" / "policy.npz").is_file()
    monkeypatch.setattr(Budget, "check_seconds", seconds)
    do(cut)
    assert written(cut) == written(done[0])


class Model:
    """Says the same to everybody."""

    name = "a-model"

    def __init__(self, text: str) -> None:
        self.text = text
        self.identity = {"model": "a-model"}

    async def complete(self, requests, on_answer):
        answers = [
            Completion(
                text=self.text,
                model="a-model",
                finish_reason="stop",
                prompt_tokens=700,
                completion_tokens=30,
                seconds=0.5,
                dollars=0.01,
            )
            for _ in requests
        ]
        for place, answer in enumerate(answers):
            on_answer(place, answer)
        return answers


def choose_with(run, monkeypatch, text: str, say=lambda text: None):
    """Have the bounds chosen, in a run where how far the winner goes is known."""
    choice = Choice((Model(text),), "a-model answers")
    monkeypatch.setattr(models, "choose", lambda *args, **options: choice)
    with stage_of(run, say=say) as stage:
        return stage._ask(stage._priors())


def test_a_language_model_may_choose_and_is_paid_for(run, monkeypatch):
    found = choose_with(run, monkeypatch, 'Here: {"mass": [0.7, 1.4], "delay": [0, 1]}')
    assert found == (Randomisation(mass=(0.7, 1.4), delay=(0.0, 1.0)), "a-model")
    with Store.read(run) as store:
        paid = [e.spent for e in store.expenses() if e.purpose == "language model"]
    assert (paid[-1].tokens, paid[-1].dollars) == (730, 0.01)


def test_an_answer_of_no_use_leaves_the_choice_to_the_rule(run, done, monkeypatch):
    heard = []
    found = choose_with(run, monkeypatch, "Wide ones.", heard.append)
    assert found == (done[1].ranges, "offline")
    assert "no use (it holds no JSON object)" in heard[-1]


def test_the_budget_stops_it_before_it_is_passed(finished, tmp_path):
    run = shutil.copytree(finished, tmp_path / "run")
    with Store.read(run) as store:
        spent = store.spent().env_steps
    with pytest.raises(BudgetError, match="more environment steps"):
        do(run, budget=BudgetSettings(env_steps=spent + 2 * SETTINGS.steps))
    with Store.read(run) as store:
        assert store.spent().env_steps == spent


def test_the_command_prints_the_comparison_and_says_mistakes_in_a_line(run, tmp_path, capsys):
    assert main(["robustify", str(run), "trainings=2", "steps=512", "more=256", "episodes=2"]) == 0
    out = capsys.readouterr().out
    for words in ("2 trainings of 512 steps each, continued for 256", "the model as it is",
                  "mass 0.5 to 2", "worlds beyond them", "all perturbed worlds",
                  "as chosen by offline"):  # fmt: skip
        assert words in out
    assert out.rstrip().endswith("robustness.svg")
    assert (run / SETTINGS.name / "robustness.svg").is_file()
    for arguments, code, words in (
        ([str(tmp_path)], 1, "is not a run folder"),
        ([], 2, "takes one run folder"),
        ([str(run), "trainings=0"], 2, "at least 1"),
        ([str(run), "training=2"], 2, "Did you mean 'trainings'"),
    ):
        assert main(["robustify", *arguments]) == code
        error = capsys.readouterr().err
        assert words in error
        assert error.count("\n") == 1
