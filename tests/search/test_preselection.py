"""Preselection: what is judged well is trained, and a continued run decides the same."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest

from reward_synth.records import Stage
from reward_synth.rollout.episodes import Rollouts, step_fitness
from reward_synth.search.loop import resume, start
from reward_synth.search.preselection import accord, choose
from reward_synth.search.store import Store
from reward_synth.task import load_task
from tests.search.test_loop import PROGRAM, Ear, config, results  # noqa: F401 (a fixture)
from tests.search.test_screening import asking, candidates_of

NEAR = PROGRAM.format("jnp.exp(-jnp.abs(next_state.position - 1.0))")
FAR = PROGRAM.format("jnp.abs(next_state.position - 1.0)")
VELOCITY = PROGRAM.format("next_state.velocity")
LEFT = PROGRAM.format("-next_state.position")


def test_accord_is_pearsons_correlation_whatever_the_scale():
    rng = np.random.default_rng(0)
    values, fitness = rng.standard_normal((2, 50)).astype(np.float32)
    expected = np.corrcoef(values, fitness)[0, 1]
    assert accord(values, fitness) == pytest.approx(expected, abs=1e-6)
    assert accord(1e6 * values - 3.0, fitness) == pytest.approx(expected, abs=1e-4)
    assert accord(-values, fitness) == pytest.approx(-expected, abs=1e-6)
    assert accord(fitness, fitness) == pytest.approx(1.0)


def test_where_nothing_varies_nothing_is_known():
    varied = np.arange(4.0)
    assert accord(np.full(4, 7.0), varied) == 0.0
    assert accord(varied, np.zeros(4)) == 0.0
    assert accord(np.array([0.0, 1.0, 2.0, np.inf]), varied) == 0.0


def test_the_odds_are_five_to_one_at_the_most():
    taken = np.zeros(4)
    for seed in range(4000):
        (one,) = choose([1.0, 0.0, -0.9, 0.5], 1, np.random.default_rng(seed))
        taken[one] += 1 / 4000
    assert taken == pytest.approx(np.array([1.25, 0.25, 0.25, 0.75]) / 2.5, abs=0.03)


def test_each_is_taken_once_and_as_many_as_there_are_places():
    rng = np.random.default_rng(0)
    assert len(choose([0.3, 0.9, -0.5, 0.2, 0.0], 3, rng)) == 3
    assert choose([0.1, -0.9], 5, rng) == {0, 1}
    assert choose([0.1, 0.9], -1, rng) == choose([], 3, rng) == set()


@pytest.fixture(scope="module")
def chosen(config, tmp_path_factory):  # noqa: F811
    """Two generations of two, of four proposals each."""
    folder = tmp_path_factory.mktemp("chosen")
    answers = [[FAR, NEAR, LEFT, VELOCITY], [FAR, NEAR, LEFT, VELOCITY]]
    settings = asking(config, folder / "answers", answers, screens=False, oversample=2)
    settings = replace(settings, search=replace(settings.search, candidates=2))
    start(settings, folder / "run", Ear())
    return folder / "run", settings


def test_who_is_not_taken_is_passed_over_with_what_was_judged(chosen):
    found = candidates_of(chosen[0])
    first = [found[f"g00c0{i}"] for i in range(4)]
    assert first[0].judgement == pytest.approx(-1.0, abs=1e-3)
    assert first[1].judgement == pytest.approx(0.9, abs=0.05)
    trained = [c for c in first if not c.passed_over]
    assert len(trained) == 2
    for candidate in first:
        assert (candidate.score is not None) == (candidate in trained)
        assert (chosen[0] / candidate.folder / "metrics.jsonl").exists() == candidate.trains
    passed_over = next(c for c in first if c.passed_over)
    assert passed_over.rejection.stage is Stage.CHOICE
    assert f"{passed_over.judgement:.2f}" in passed_over.rejection.reason


def test_what_was_passed_over_may_be_proposed_again_and_what_was_trained_not(chosen):
    found = candidates_of(chosen[0])
    for index in range(4):
        first, again = found[f"g00c0{index}"], found[f"g01c0{index}"]
        findings = [finding.screen for finding in again.findings]
        assert ("duplicate" in findings) != first.passed_over


def test_all_answers_are_counted_and_only_places_are_paid_for(chosen):
    with Store.read(chosen[0]) as store:
        (explored,) = [s.env_steps for _, purpose, s in store.ledger() if purpose == "exploring"]
        trained = [s.env_steps for _, purpose, s in store.ledger() if purpose == "training"]
        noted = [d["candidates"] for _, kind, d in store.events() if kind == "incumbent"]
    assert explored == 16 * 128
    assert noted[:2] == [4, 8]
    assert len(trained) == 2
    assert trained[0] == trained[1]


@pytest.mark.parametrize("job", ["gen_00/train", "gen_01/propose", "gen_01/train"])
def test_a_run_that_stopped_chooses_the_same(config, tmp_path, monkeypatch, job):  # noqa: F811
    settings = replace(config, search=replace(config.search, oversample=3, audit=0.3))
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    start(settings, whole, Ear())
    finish, stop = Store.finish_job, True

    def stopping(self, id, *args, **more):
        nonlocal stop
        if id == job and stop:
            stop = False
            raise KeyboardInterrupt
        return finish(self, id, *args, **more)

    monkeypatch.setattr(Store, "finish_job", stopping)
    with pytest.raises(KeyboardInterrupt):
        start(settings, torn, Ear())
    resume(torn, Ear())
    assert results(torn) == results(whole)
    found = candidates_of(whole).values()
    assert any(c.passed_over for c in found)
    shutil.rmtree(whole)


def test_steps_and_their_fitness_are_in_the_same_order(chosen):
    folder, settings = chosen
    found = next(c for c in candidates_of(folder).values() if c.score is not None)
    rollouts = Rollouts.load(folder / found.folder / "rollout.npz")
    expected = step_fitness(load_task(settings.task), rollouts.transitions)
    np.testing.assert_allclose(rollouts.step_fitness, expected, rtol=1e-6)
