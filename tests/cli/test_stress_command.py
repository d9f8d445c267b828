"""The command `stress`: which policy it takes, what it leaves, and its mistakes in a line."""

from __future__ import annotations

import json

import pytest

from reward_synth.cli.main import main
from reward_synth.search.config import (
    FinalSettings,
    LLMSettings,
    RunConfig,
    SearchSettings,
    VideoSettings,
)
from reward_synth.search.listener import Silence
from reward_synth.search.loop import start
from reward_synth.train.config import PPOConfig


@pytest.fixture(scope="module")
def run(point_task_folder, tmp_path_factory):
    """A finished run of the point task."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    config = RunConfig(
        task=str(point_task_folder),
        isolate=False,
        llm=LLMSettings(kind="offline"),
        search=SearchSettings(
            strategy="iid", generations=1, candidates=2, steps=512, episodes=4, remember=False
        ),
        train=PPOConfig(envs=8, horizon=16, epochs=1, minibatches=1, hidden=(8,)),
        final=FinalSettings(trainings=3, episodes=4),
        video=VideoSettings(enabled=False),
    )
    start(config, folder, Silence())
    return folder


def test_the_median_final_training_of_a_run_is_tested(run, capsys):
    assert main(["stress", str(run), "episodes=2"]) == 0
    out = capsys.readouterr().out
    (place,) = (run / "final" / "found").glob("*/stress.json")
    data = json.loads(place.read_text())
    assert f"final training {place.parent.name[-1]}" in data["policy"]
    assert data["episodes"] == 2
    assert f"worst case: {data['summary'][-2].partition(': ')[2]}" in out or "worst case" in out
    assert (place.parent / "stress.svg").read_text().startswith("<svg")
    assert out.rstrip().endswith("stress.svg")


def test_a_candidate_is_tested_and_a_seed_gives_the_same_again(run, capsys):
    (candidate, *_) = sorted(p.parent for p in run.glob("gen_00/cand_*/policy.npz"))
    assert main(["stress", str(candidate), "episodes=2", "seed=5", "threads=1"]) == 0
    first = (candidate / "stress.json").read_bytes()
    assert main(["stress", str(candidate), "episodes=2", "seed=5", "threads=2"]) == 0
    assert (candidate / "stress.json").read_bytes() == first
    assert f"candidate gen_00/{candidate.name} of point" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "takes one folder"),
        (["{run}", "{run}"], 2, "takes one folder"),
        (["{run}", "episodes=1"], 2, "at least 2"),
        (["{run}", "episode=9"], 2, "Did you mean 'episodes'"),
        (["{run}", "--fast"], 2, "no option"),
        (["{run}/gen_00"], 1, "neither a run, nor a candidate"),
        (["{run}/gen_00/cand_09"], 1, "has no policy.npz"),
    ],
)
def test_mistakes_are_one_line(run, capsys, arguments, code, words):
    (run / "gen_00" / "cand_09").mkdir(exist_ok=True)
    assert main(["stress", *(text.format(run=run) for text in arguments)]) == code
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_a_policy_of_a_task_that_has_changed_is_refused(run, point_task_folder, capsys):
    notes = point_task_folder / "task.md"
    before = notes.read_text()
    notes.write_text(before + "\nChanged.\n")
    try:
        assert main(["stress", str(run)]) == 1
    finally:
        notes.write_text(before)
    assert "not as it was" in capsys.readouterr().err
