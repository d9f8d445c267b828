"""The loop when training itself is lost: whose fault it is, and that nothing else is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reward_synth.errors import RunError, TrainingError
from reward_synth.records import Rejection, Stage
from reward_synth.search.config import FinalSettings
from reward_synth.search.failure import Failure, FailureKind, WorkerError
from reward_synth.search.generations import Search
from reward_synth.search.loop import resume, start
from reward_synth.search.store import Spent, Store
from tests.search.test_loop import PLAIN, Ear, config  # noqa: F401 (a fixture)


def lost(cause="SIGSEGV"):
    return WorkerError(
        Failure(FailureKind.CRASHED, cause, f"crashed: {cause}", "generation", "training.log")
    )


class Fragile:
    """A trainer whose process is lost whenever one of ``deadly`` is trained."""

    def __init__(self, training, deadly, causes=("SIGSEGV",)):
        self._training = training
        self._deadly = deadly
        self._causes = causes
        self.calls = []

    def __getattr__(self, name):
        return getattr(self._training, name)

    def generation(self, candidates, ladder, checkpoint):
        self.calls.append([c.id for c in candidates])
        for candidate in candidates:
            if candidate.id in self._deadly and candidate.trains:
                raise lost(self._causes[candidate.index % len(self._causes)])
        return self._training.generation(candidates, ladder, checkpoint)


@pytest.fixture
def quick(config):  # noqa: F811
    return replace(
        config,
        search=replace(PLAIN, generations=2, candidates=4),
        final=FinalSettings(trainings=0),
    )


def fragile(monkeypatch, deadly, **options):
    made = []

    class FragileSearch(Search):
        def __init__(self, *args):
            super().__init__(*args)
            self._training = Fragile(self._training, deadly, **options)
            made.append(self._training)

    monkeypatch.setattr("reward_synth.search.loop.Search", FragileSearch)
    return made


def test_one_deadly_reward_is_turned_down_and_the_others_train_on(quick, tmp_path, monkeypatch):
    made, ear = fragile(monkeypatch, {"g00c02"}), Ear()
    start(quick, tmp_path / "run", ear)
    first, second = ear.generations
    assert [c.score is not None for c in first] == [True, True, False, True]
    assert "crashed: SIGSEGV" in first[2].rejection.reason
    assert all(c.score for c in second)
    ids = [c.id for c in first]
    # together, again, and then each alone, the deadly one twice
    assert made[0].calls[:-1] == [ids, ids, *([id] for id in [*ids[:3], ids[2], ids[3]])]
    with Store.read(tmp_path / "run") as store:
        assert store.job("gen_00/train") is not None
        alone = [id for id, purpose, _ in store.ledger() if purpose == "training alone"]
    assert alone == ["gen_00/train/g00c00", "gen_00/train/g00c01", "gen_00/train/g00c03"]


def test_several_that_fail_alike_are_the_environments_fault(quick, tmp_path, monkeypatch):
    deadly = {f"g00c{i:02d}" for i in range(4)}
    fragile(monkeypatch, deadly)
    with pytest.raises(TrainingError, match="whatever the reward"):
        start(quick, tmp_path / "run", Ear())
    monkeypatch.undo()  # it is mended
    ear = Ear()
    resume(tmp_path / "run", ear)
    assert all(c.score for generation in ear.generations for c in generation)


def test_several_that_fail_differently_are_at_fault_themselves(quick, tmp_path, monkeypatch):
    fragile(monkeypatch, {"g00c01", "g00c02"}, causes=("SIGABRT", "SIGSEGV", "SIGBUS"))
    ear = Ear()
    start(quick, tmp_path / "run", ear)
    assert [c.rejection is None for c in ear.generations[0]] == [True, False, False, True]


def test_rewards_that_all_break_in_the_same_way_are_noticed(quick, tmp_path, monkeypatch):
    reason = Rejection(Stage.TRAIN, "the final policy drives the simulation to NaN.")

    class Broken(Fragile):
        def generation(self, candidates, ladder, checkpoint):
            return [c.rejected(reason) for c in candidates], Spent(env_steps=1)

    class BrokenSearch(Search):
        def __init__(self, *args):
            super().__init__(*args)
            self._training = Broken(self._training, ())

    monkeypatch.setattr("reward_synth.search.loop.Search", BrokenSearch)
    ear = Ear()
    with pytest.raises(RunError, match="no candidate could be trained"):
        start(quick, tmp_path / "run", ear)
    said = "All 4 candidates were turned down in training for the same reason"
    assert any(text.startswith(said) for text in ear.heard)
    with Store.read(tmp_path / "run") as store:
        assert [kind for _, kind, _ in store.events()].count("alike") == 2
