"""``reward-synth compare``: what it prints, and one line for each mistake."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reward_synth.cli import main
from reward_synth.files import write_text
from reward_synth.rollout.episodes import Rollouts
from reward_synth.search.candidate import Candidate
from reward_synth.search.store import Store
from reward_synth.task import load_task

NEAR = '''"""Nearer is better."""
WEIGHTS = {"near": 1.0}


def reward(state, action, next_state, w):
    terms = {"near": -w["near"] * jnp.abs(next_state.position - 1.0)}
    return sum(terms.values()), terms
'''
REWRITTEN = NEAR.replace("terms", "parts").replace("1.0}", "1}").replace("Nearer", "Closer")


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("near.py").write_text(NEAR)
    Path("rewritten.py").write_text(REWRITTEN)
    Path("far.py").write_text(NEAR.replace('-w["near"]', 'w["near"]'))
    Path("heavy.py").write_text(NEAR.replace("1.0}", "4.0}"))
    return tmp_path


@pytest.fixture
def run(folder, point_task_folder) -> Path:
    """A run whose candidates' policies have been rolled out for 30 steps each."""
    task = load_task(point_task_folder)
    path = folder / "outputs" / "run"
    candidates = [Candidate(0, i, "initial", (), "offline") for i in range(2)]
    with Store.open(path) as store:
        store.put("task", task.description.to_json())
        store.put("config", {"task": str(point_task_folder)})
        store.save_candidates(candidates)
    rng = np.random.default_rng(0)
    size, actions = task.description.state_size, task.description.action_size
    steps = np.zeros((15, 2), np.float32)
    rollouts = Rollouts(
        length=np.array([15, 15]),
        end=np.ones(2, int),
        success=np.zeros(2, bool),
        state=rng.normal(size=(16, 2, size)).astype(np.float32),
        action=rng.uniform(-1, 1, (15, 2, actions)).astype(np.float32),
        fitness=steps,
        reward=steps,
        terms=steps[..., None],
        qpos=np.zeros((16, 2, 1), np.float32),
    )
    for candidate, source in zip(candidates, (NEAR, REWRITTEN), strict=True):
        write_text(path / candidate.folder / "reward.py", source)
        rollouts.save(path / candidate.folder / "rollout.npz")
    return Path("outputs/run")


def compared(capsys, *arguments) -> str:
    code = main(["compare", *map(str, arguments)])
    said = capsys.readouterr()
    assert (code, said.err) == (0, "")
    return said.out


def refused(capsys, code, *arguments) -> str:
    assert main(["compare", *map(str, arguments)]) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("reward-synth: ")
    assert said.err.count("\n") == 1, said.err
    return said.err


def row(out: str, name: str) -> list[str]:
    return next(line.split() for line in out.splitlines() if line.strip().startswith(name))


def test_two_programs(folder, capsys, point_task_folder):
    task = f"task={point_task_folder}"
    out = compared(capsys, "near.py", "rewritten.py", task, "transitions=500", "seed=3")
    assert "Two rewards of point, on 500 steps of random actions" in out
    assert "Texts: the same but for how they are written." in out
    for name in ("EPIC", "DARD", "STARC"):
        assert row(out, name)[1:4] == ["0.000", "[0.000,", "0.000]"]
    assert "want the same" in out
    out = compared(capsys, "near.py", "far.py", task, "transitions=500")
    assert "Texts: different." in out
    assert row(out, "EPIC")[1] == "1.000"
    assert "work against each other" in out
    out = compared(capsys, "heavy.py", "near.py", task, "transitions=500")
    assert "Texts: the same but for the values of WEIGHTS." in out
    assert row(out, "rank")[2] == "1.00"


def test_the_tasks_own_rewards(folder, capsys, point_task_folder):
    task = f"task={point_task_folder}"
    out = compared(capsys, "expert", "expert", task, "transitions=64")
    assert "Texts: one and the same." in out
    out = compared(capsys, "expert", "near.py", task, "transitions=500")
    assert "Texts: not both are programs." in out
    assert 0.0 < float(row(out, "EPIC")[1]) < 0.5


def test_candidates_of_a_run_bring_their_task_and_their_policies_steps(run, capsys):
    one, other = f"{run}/gen_00/cand_00", f"{run}/gen_00/cand_01/reward.py"
    out = compared(capsys, one, other, "transitions=200")
    assert "Two rewards of point, on 200 steps, 140 of random actions and 60 of 2 trained" in out
    out = compared(capsys, one, "expert", "transitions=100")
    assert "on 100 steps, 50 of random actions and 50 of 2 trained policies" in out


def test_steps_of_a_task_that_has_changed_are_left_out(run, capsys):
    with Store.open(run) as store:
        task = store.get("task")
        task["fields"] = task["fields"][::-1]
        store.put("task", task)
    out = compared(capsys, f"{run}/gen_00/cand_00", "expert", "transitions=100")
    assert "on 100 steps of random actions" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "takes two rewards"),
        (("expert",), "not 1."),
        (("expert", "sparse", "near.py"), "not 3."),
        (("expert", "sparse"), "say which task these rewards are for: task=<name or folder>."),
        (("expert", "sparse", "task="), "task is empty"),
        (("expert", "sparse", "tsak=ant"), "no setting 'tsak'. Did you mean 'task'?"),
        (("expert", "sparse", "--task=ant"), "no option '--task=ant'. Settings are task=, seed="),
        (("expert", "sparse", "task=ant", "seed=-1"), "seed must be a whole number from 0"),
        (("expert", "sparse", "task=ant", "seed=many"), "not many."),
        (("expert", "sparse", "task=ant", "transitions=63"), "from 64 to 65,536, not 63."),
        (("expert", "sparse", "task=ant", "transitions=" + "9" * 5000), "transitions must be"),
        (("exprt", "sparse", "task=ant"), "there is no exprt. Did you mean 'expert'?"),
        (("nowhere.py", "near.py", "task=ant"), "there is no nowhere.py. A reward is a reward.py"),
        ((".", "near.py", "task=ant"), ". has no reward.py."),
        (("bad.py", "near.py", "task=ant"), "bad.py is not a reward program: "),
        (("binary.py", "near.py", "task=ant"), "binary.py is not text."),
    ],
)
def test_a_mistake_in_the_command(folder, capsys, arguments, words):
    Path("bad.py").write_text("print('hello')")
    Path("binary.py").write_bytes(b"\xff\xfe\x00")
    assert words in refused(capsys, 2, *arguments)


def test_a_task_that_is_not_there(folder, capsys):
    line = refused(capsys, 1, "expert", "sparse", "task=antt")
    assert "no task 'antt'. Did you mean 'ant'?" in line


def test_a_task_without_an_expert(folder, capsys, point_task_folder):
    plain = folder / "plain"
    plain.mkdir()
    text = (point_task_folder / "task.py").read_text()
    (plain / "task.py").write_text(text[: text.index("EXPERT_SOURCE")])
    (plain / "task.md").write_text("# Plain\n\nAs point.\n")
    assert "task plain has no expert_reward" in refused(
        capsys, 1, "expert", "sparse", f"task={plain}"
    )


def test_a_program_that_is_turned_down(folder, capsys, point_task_folder):
    Path("wrong.py").write_text(NEAR.replace("position", "positoin"))
    line = refused(capsys, 2, "wrong.py", "near.py", f"task={point_task_folder}")
    assert "wrong.py is turned down for point (lint): " in line
    assert "position" in line


def test_runs_that_do_not_go_together(run, capsys, point_task_folder):
    candidate = run / "gen_00/cand_00"
    assert f"{run} is a run: name one of its candidates" in refused(capsys, 2, run, candidate)
    assert "is a run of point, not of ant: leave task= out." in refused(
        capsys, 2, candidate, "expert", "task=ant"
    )
    other = Path("outputs/other")
    ant = replace(load_task(point_task_folder).description, name="line")
    with Store.open(other) as store:
        store.put("task", ant.to_json())
    write_text(other / "gen_00/cand_00/reward.py", NEAR)
    line = refused(capsys, 2, candidate, other / "gen_00/cand_00")
    assert "these are rewards of different tasks, line and point." in line
    early = Path("outputs/early")
    with Store.open(early):
        write_text(early / "gen_00/cand_00/reward.py", NEAR)
    assert "has not begun" in refused(capsys, 2, candidate, early / "gen_00/cand_00")


@pytest.mark.parametrize(
    "arguments", [["--help"], ["expert"], ["nowhere.py", "expert", "task=ant"]]
)
def test_help_and_mistakes_do_not_wait_for_jax(arguments):
    code = (
        "import sys; from reward_synth.cli import main; "
        f"main(['compare', *{arguments!r}]); sys.exit('jax' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
