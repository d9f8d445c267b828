"""Screens in the loop: what is turned down, what that saves, and what is learned from it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reward_synth.records import Stage
from reward_synth.reward.screen import Exploit, Registry
from reward_synth.search.config import FinalSettings, LLMSettings
from reward_synth.search.loop import resume, start
from reward_synth.search.store import Store
from reward_synth.search.training_process import make_trainer
from reward_synth.task import load_task
from reward_synth.train.config import PPOConfig
from tests.reward.screen.worlds import episodes
from tests.search.test_loop import EXPLORED, PLAIN, PROGRAM, Ear, config  # noqa: F401 (a fixture)

NEAR = PROGRAM.format("jnp.exp(-jnp.abs(next_state.position - 1.0))")
NEAR_REWRITTEN = """```python
WEIGHTS = {"near": 1.0}


def reward(state, action, next_state, w):
    # the goal is 1 m to the right
    away = jnp.abs(next_state.position - 1.0)
    closeness = jnp.exp(-away)
    terms = {"near": w["near"] * closeness}
    return sum(terms.values()), terms
```"""
TWICE_NEAR = PROGRAM.format("2.0 * jnp.exp(-jnp.abs(next_state.position - 1.0))")
SLOW = PROGRAM.format("jnp.exp(-jnp.abs(next_state.velocity))")
TWICE_SLOW = PROGRAM.format("2.0 * jnp.exp(-jnp.abs(next_state.velocity))")
LEFT = PROGRAM.format("-next_state.position")
HOME = PROGRAM.format("jnp.exp(-(next_state.position**2))")
RENT = [  # losing the episode is the way not to pay it
    PROGRAM.format(f"{gain} - 20.0")
    for gain in ("next_state.velocity", "action[0]", "next_state.position", "state.velocity")
]
AT_HOME = Exploit(episodes(np.zeros(5)), episodes(np.ones(5)), "It stays where it begins.")


def asking(config, folder, answers, **search):  # noqa: F811
    """Settings of a run whose model gives these answers, a row for each generation."""
    folder.mkdir()
    for i, text in enumerate(text for generation in answers for text in generation):
        (folder / f"{i:03}.md").write_text(text)
    wanted = {"screens": True, "duplicates": 0.01, "audit": 0.0, "remember": False, "repairs": 0}
    shape = {"generations": len(answers), "candidates": len(answers[0])}
    return replace(
        config,
        llm=LLMSettings(kind="replay", folder=str(folder)),
        search=replace(PLAIN, **{**wanted, **shape, **search}),
        final=FinalSettings(trainings=0),
    )


def said(candidate):
    return [finding.screen for finding in candidate.findings]


@pytest.fixture(scope="module")
def screened(config, tmp_path_factory):  # noqa: F811
    """A run whose model repeats itself and asks for rent."""
    folder = tmp_path_factory.mktemp("screened")
    first = [NEAR, RENT[0], NEAR_REWRITTEN, SLOW, TWICE_SLOW]
    second = [NEAR_REWRITTEN, TWICE_NEAR, *RENT[:3]]
    settings = asking(config, folder / "answers", [first, second])
    start(settings, folder / "run", Ear())
    return folder / "run", settings


def candidates_of(folder):
    with Store.read(folder) as store:
        return {c.id: c for c in store.candidates()}


def test_a_reward_that_pays_for_dying_is_not_trained(screened):
    rent = candidates_of(screened[0])["g00c01"]
    assert rent.rejection.stage is Stage.SCREEN
    assert "Pay for every step survived" in rent.rejection.reason
    assert "living reward" in said(rent)
    assert not rent.audited
    assert rent.score is None
    assert not (screened[0] / rent.folder / "metrics.jsonl").exists()


def test_what_was_turned_down_costs_no_training(screened):
    folder, settings = screened
    with Store.read(folder) as store:
        ledger = {id: spent.env_steps for id, _, spent in store.ledger()}
    trained = [c for c in candidates_of(folder).values() if c.score and c.generation == 0]
    assert len(trained) == 3
    most = 3 * (settings.search.steps + settings.search.episodes * 20)
    assert 3 * settings.search.steps < ledger["gen_00/train"] <= most
    assert ledger["explore"] == EXPLORED
    assert ledger["gen_00/propose"] == ledger["gen_01/propose"] == 0


def test_the_same_program_written_otherwise_is_a_duplicate(screened):
    found = candidates_of(screened[0])
    for id in ("g00c02", "g01c00"):
        assert found[id].rejection.stage is Stage.SCREEN
        assert "is the same program as g00c00" in found[id].rejection.reason
        assert said(found[id])[-1] == "duplicate"


def test_one_that_behaves_alike_is_a_duplicate_once_something_was_trained(screened):
    found = candidates_of(screened[0])
    assert found["g00c04"].score is not None  # twice g00c03, on random actions alone
    assert "pays for the same as g00c00" in found["g01c01"].rejection.reason


def test_distances_are_those_of_a_metric(screened):
    with Store.read(screened[0]) as store:
        distances = store.get("distances")
    assert distances["ids"] == ["g00c00", "g00c03", "g00c04"]
    matrix = np.array(distances["matrix"])
    assert (matrix == matrix.T).all()
    assert (matrix.diagonal() == 0.0).all()
    assert matrix[1, 2] == 0.0  # EPIC does not see a scale
    assert matrix[0, 1] > 0.1


def test_another_process_says_the_same(screened):
    """What screens compute once and keep is no more than saved time."""
    folder, settings = screened
    judged = candidates_of(folder)
    unjudged = [
        replace(c, findings=(), rejection=None, score=None, standings=(), reflection="")
        for c in judged.values()
    ]
    earlier = [c for c in judged.values() if c.generation == 0]
    trainer = make_trainer(settings, folder, None, lambda *_: None)
    again = trainer.screen(unjudged[5:], earlier)
    for candidate in again:
        assert candidate.findings == judged[candidate.id].findings
        assert candidate.rejection == judged[candidate.id].rejection
    with Store.read(folder) as store:
        assert trainer.distances(tuple(judged.values())) == store.get("distances")


def test_audited_are_trained_scored_and_built_upon(config, tmp_path):  # noqa: F811
    """A model that knows nothing better, of which all is trained for the record."""
    settings = asking(
        config,
        tmp_path / "answers",
        [RENT[:2], RENT[2:]],
        audit=1.0,
        strategy="eureka_elitist",
        duplicates=0.0,
    )
    ear = Ear()
    start(settings, tmp_path / "run", ear)
    first, second = ear.generations
    for candidate in (*first, *second):
        assert candidate.audited
        assert candidate.rejection.stage is Stage.SCREEN
        assert candidate.score is not None
    scored = {c.id for c in first}
    assert any(set(c.parents) & scored for c in second)
    assert any("turned down 4 of 4 candidates; those trained" in text for text in ear.heard)


def test_without_screens_nothing_is_said_and_nothing_explored(config, tmp_path):  # noqa: F811
    answers = [[NEAR, RENT[0], NEAR_REWRITTEN], [NEAR_REWRITTEN, TWICE_NEAR, RENT[0]]]
    settings = asking(config, tmp_path / "answers", answers, screens=False, duplicates=0.0)
    start(settings, tmp_path / "run", Ear())
    found = candidates_of(tmp_path / "run").values()
    assert all(c.score and not c.rejection and not c.findings for c in found)
    assert not (tmp_path / "run" / "explored.npz").exists()
    with Store.read(tmp_path / "run") as store:
        assert store.job("gen_00/screen") is None
        assert store.get("distances") is None


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A user's cache of the test's own."""
    folder = tmp_path / "cache"
    monkeypatch.setattr("reward_synth.search.trainings.cache_folder", lambda: folder)
    return folder


def test_exploits_of_one_run_are_replayed_in_the_next(config, tmp_path, cache):  # noqa: F811
    ppo = PPOConfig(envs=16, horizon=20, epochs=4, minibatches=4, hidden=(8, 8), learning_rate=0.01)
    patient = replace(config, train=ppo)
    run = {"duplicates": 0.0, "episodes": 6, "remember": True}
    answers = [[NEAR, LEFT], RENT[:2]]  # the second generation only to be screened
    start(asking(patient, tmp_path / "1", answers, **run, steps=12_800), tmp_path / "first", Ear())
    near, left, *_ = candidates_of(tmp_path / "first").values()
    assert left.score.fitness < near.score.fitness
    assert len(list(cache.glob("exploits/*/*.npz"))) == 1
    for remember in (True, False):
        answers, folder = tmp_path / f"answers_{remember}", tmp_path / f"next_{remember}"
        run["remember"] = remember
        start(asking(config, answers, [[LEFT, NEAR]], **run), folder, Ear())
        left, near = candidates_of(folder).values()
        assert ("exploit" in said(left)) == remember
        assert "exploit" not in said(near)


@pytest.mark.parametrize("when", ["before", "between"])
def test_what_other_runs_find_meanwhile_changes_nothing(config, tmp_path, cache, when):  # noqa: F811
    class Impatient(Ear):
        def generation(self, archive, best, total):
            raise KeyboardInterrupt

    task = load_task(config.task)
    shared = Registry.open(cache / "exploits", task.fingerprint, task.description)
    settings = asking(config, tmp_path / "answers", [[NEAR], [HOME]], remember=True)
    if when == "before":
        shared.add(AT_HOME)
    with pytest.raises(KeyboardInterrupt):
        start(settings, tmp_path / "run", Impatient())
    if when == "between":
        shared.add(AT_HOME)
    resume(tmp_path / "run", Ear())
    home = candidates_of(tmp_path / "run")["g01c00"]
    assert ("exploit" in said(home)) == (when == "before")
