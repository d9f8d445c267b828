"""A whole run with trainer=sb3: results, resuming, and what resuming needs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from reward_synth.errors import ConfigError
from reward_synth.report.build import build_report
from reward_synth.search.config import (
    FinalSettings,
    LLMSettings,
    RunConfig,
    SearchSettings,
    VideoSettings,
)
from reward_synth.search.loop import resume, start
from reward_synth.search.store import Store
from reward_synth.train.config import PPOConfig
from tests.search.test_loop import Ear, results


@pytest.fixture(scope="module")
def config(point_task_folder: Path) -> RunConfig:
    return RunConfig(
        task=str(point_task_folder),
        trainer="sb3",
        llm=LLMSettings(kind="offline"),
        search=SearchSettings(generations=1, candidates=2, steps=256, episodes=4, oversample=1),
        final=FinalSettings(trainings=2, episodes=4),
        train=PPOConfig(envs=4, horizon=16, epochs=2, minibatches=2, hidden=(8, 8)),
        video=VideoSettings(enabled=False),
    )


@pytest.fixture(scope="module")
def finished(config: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished") / "run"
    comparison = start(config, folder, Ear())
    assert comparison is not None
    assert set(comparison.scores) == {"found", "expert", "sparse"}
    return folder


def test_a_run_leaves_what_it_leaves_with_our_trainer(finished: Path) -> None:
    with Store.read(finished) as store:
        candidates = store.candidates()
        versions = store.get("versions")
    assert all(candidate.score for candidate in candidates)
    assert all("Means over training" in candidate.reflection for candidate in candidates)
    assert {"torch", "stable-baselines3"} <= versions.keys()
    for folder in (finished / "gen_00/cand_01", finished / "final/found/seed_1"):
        for name in ("metrics.jsonl", "policy.npz", "rollout.npz"):
            assert (folder / name).is_file(), name
    assert build_report(finished).is_file()


def test_a_stopped_run_ends_the_same(finished: Path, config: RunConfig, tmp_path: Path) -> None:
    class Impatient(Ear):
        ticks = 0

        def tick(self, tick):
            super().tick(tick)
            self.ticks += 1
            if self.ticks == 6:  # in the second candidate of two, each of four iterations
                raise KeyboardInterrupt

    for _ in range(3):  # once while candidates train, and twice in the final comparison
        with pytest.raises(KeyboardInterrupt):
            if (tmp_path / "run").exists():
                resume(tmp_path / "run", Impatient())
            else:
                start(config, tmp_path / "run", Impatient())
    resume(tmp_path / "run", Ear())
    assert results(tmp_path / "run") == results(finished)
    assert not list((tmp_path / "run").rglob("checkpoint*"))


def test_resuming_without_the_extra_says_so_and_does_nothing(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = results(finished)
    monkeypatch.setattr("reward_synth.train.sb3.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="sb3 extra"):
        resume(finished, Ear())
    assert results(finished) == before


def test_a_minibatch_of_one_is_refused(config: RunConfig) -> None:
    train = PPOConfig(envs=1, horizon=2, minibatches=2)
    with pytest.raises(ConfigError, match="more than one step"):
        replace(config, train=train).check()
