"""``reward-synth export``: what it takes, and what it says to what it cannot take."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from reward_synth.cli import export_policy, main
from reward_synth.deploy import bundle
from reward_synth.search.store import Store


@pytest.fixture(scope="module")
def finished(point_task_folder, tmp_path_factory) -> tuple[Path, Path]:
    """A run that has ended, and the folder of its task."""
    place = tmp_path_factory.mktemp("place")
    task = Path(shutil.copytree(point_task_folder, place / "point"))
    settings = (
        f"task={task}",
        f"hydra.run.dir={place / 'run'}",
        "llm=offline",
        "search=smoke",
        "search.steps=2048",
        "search.generations=1",
        "final.trainings=3",
        "final.episodes=2",
        "video.enabled=false",
    )
    assert main(["run", *settings]) == 0
    return place / "run", task


@pytest.fixture
def run(finished, tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(finished[0], tmp_path / "outputs" / "run"))


def refused(capsys, code, *arguments) -> str:
    assert main(["export", *map(str, arguments)]) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("reward-synth: ")
    assert said.err.count("\n") == 1, said.err
    return said.err


def forget(run: Path, *keys: str) -> None:
    with sqlite3.connect(run / "run.db") as db:
        db.executemany("DELETE FROM meta WHERE key = ?", [(key,) for key in keys])
    db.close()


def test_the_training_of_median_fitness_is_taken(run):
    from reward_synth.rollout.episodes import Rollouts

    found = export_policy.find(run)
    fitness = {
        i: Rollouts.load(run / f"final/found/seed_{i}/rollout.npz").episode_fitness.mean()
        for i in range(3)
    }
    middle = sorted(fitness, key=fitness.__getitem__)[1]
    assert found.provenance["training"] == f"the final training seed_{middle}, the median of 3"
    with Store.read(run) as store:
        result = store.get("result")
    assert set(found.comparison) == {"found", "expert", "sparse"}
    assert found.comparison["found"]["mean"] == result["scores"]["found"]["fitness"]
    assert found.provenance["candidate"] == result["best"]
    place = f"gen_00/cand_{result['best'][-2:]}/reward.py"
    assert found.provenance["reward"] == (run / place).read_text(encoding="utf-8")


def test_a_run_that_has_not_ended(run, capsys):
    forget(run, "best", "result")
    line = refused(capsys, 1, run)
    assert "outputs/run has not ended: let it go on, or export one of its candidates." in line
    assert "reward-synth run resume=outputs/run" in line


def test_a_run_without_a_final_comparison(run, capsys):
    forget(run, "result")
    assert "has no final comparison: export what it stood by, outputs/run/gen_00/cand_0" in (
        refused(capsys, 1, run)
    )


def test_a_run_of_another_version(run, capsys):
    with sqlite3.connect(run / "run.db") as db:
        db.execute("UPDATE meta SET value = '99' WHERE key = 'format'")
    db.close()
    assert "(run format 99); this is" in refused(capsys, 1, run)


def test_a_task_that_is_not_as_it_was(finished, run, capsys):
    task = finished[1] / "task.py"
    before = task.read_text()
    try:
        task.write_text(before.replace('mass="1"', 'mass="2"'))
        line = refused(capsys, 1, run)
    finally:
        task.write_text(before)
    assert "task point is not as it was when the run in outputs/run began" in line


def test_candidates_that_have_no_policy_of_use(run, capsys):
    with Store.open(run) as store:
        candidates = store.candidates()
        one = candidates[0].to_json() | {"score": None, "rejection": None, "standings": []}
        cut = {"steps": 9, "fitness": 0.0, "low": 0.0, "kept": False}
        two = candidates[1].to_json() | {"score": None, "rejection": None, "standings": [cut]}
        three = candidates[2].to_json() | {"rejection": {"stage": "train", "reason": "it flies."}}
        from reward_synth.search.candidate import Candidate

        store.save_candidates([Candidate.from_json(record) for record in (one, two, three)])
    assert "g00c00 is not trained yet" in refused(capsys, 1, run / "gen_00/cand_00")
    assert "g00c01 was left behind" in refused(capsys, 1, run / "gen_00/cand_01")
    assert "g00c02 was turned down (train): it flies." in refused(capsys, 1, run / "gen_00/cand_02")
    shutil.copytree(run / "gen_00/cand_00", run / "gen_07/cand_00")
    assert "knows of no candidate gen_07/cand_00" in refused(capsys, 1, run / "gen_07/cand_00")


def test_a_policy_that_cannot_be_read(run, capsys):
    for path in (run / "final/found").glob("*/policy.npz"):
        path.write_bytes(path.read_bytes()[:100])
    assert "its files cannot be read" in refused(capsys, 1, run)
    shutil.rmtree(run / "final")
    assert "holds no policy any more" in refused(capsys, 1, run)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "takes one run's or candidate's folder, not 0"),
        (("a", "b"), 2, "not 2"),
        (("nowhere",), 2, "there is no folder nowhere: give a run's"),
        (("outputs",), 1, "outputs is neither a run nor a candidate of one"),
        (("outputs/run", "--outptu", "x"), 2, "Did you mean '--output'?"),
        (("outputs/run", "--output", "outputs"), 2, "outputs exists: name another with --output"),
        (("outputs/run", "--joints", "a"), 2, "--joints takes the robot's joints in its order"),
        (("outputs/run", "--joints", "a=x,a=y"), 2, "--joints takes the robot's joints"),
    ],
)
def test_mistakes_in_the_command(run, capsys, arguments, code, words):
    assert words in refused(capsys, code, *arguments)


def test_without_the_extra(run, capsys, monkeypatch):
    monkeypatch.setattr(bundle, "find_spec", lambda name: None)
    line = refused(capsys, 2, run)
    assert "needs the deploy extra: pip install 'reward-synth[deploy]'" in line
    assert not (run / "deploy").exists()


def test_what_was_there_is_not_touched(run, capsys):
    (run / "deploy").mkdir()
    (run / "deploy" / "mine").write_text("precious")
    assert "deploy exists: name another with --output" in refused(capsys, 2, run)
    assert json.dumps([p.name for p in (run / "deploy").iterdir()]) == '["mine"]'
