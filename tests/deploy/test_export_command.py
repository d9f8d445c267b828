"""``reward-synth export-reward``: what it finds, and what it says when it finds nothing."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from reward_synth.cli import main
from reward_synth.files import write_text
from reward_synth.records import Rejection, RewardProgram, Stage, TracedReward
from reward_synth.reward.parse import parse_source
from reward_synth.reward.trace import trace
from reward_synth.search.candidate import Candidate
from reward_synth.search.store import Store
from reward_synth.task import load_task

SOURCE = '''"""Nearer is better."""
WEIGHTS = {"near": 1.0}


def reward(state, action, next_state, w):
    terms = {"near": -w["near"] * jnp.abs(next_state.position - 1.0)}
    return sum(terms.values()), terms
'''
TO = ("--to", "torch")


@pytest.fixture(scope="module")
def traced(point_task_folder):
    program = parse_source(SOURCE)
    assert isinstance(program, RewardProgram)
    description = load_task(point_task_folder).description
    found = trace(program, description)
    assert isinstance(found, TracedReward)
    return found, description


@pytest.fixture
def run(traced, tmp_path, monkeypatch) -> Path:
    """A run with a candidate that was traced, one that was turned down, and one on its way."""
    monkeypatch.chdir(tmp_path)
    reward, description = traced
    good = Candidate(0, 0, "initial", (), "offline", reward.program, reward.terms)
    lost = replace(good, index=1).rejected(Rejection(Stage.TRAIN, "it flies away."))
    late = Candidate(0, 2, "initial", (), "offline", reward.program)
    folder = tmp_path / "outputs" / "run"
    with Store.open(folder) as store:
        store.put("task", description.to_json())
        store.save_candidates([good, lost, late])
    for candidate in (good, lost, late):
        write_text(folder / candidate.folder / "reward.py", SOURCE)
        write_text(folder / candidate.folder / "reward.arrays.json", reward.arrays.decode())
    return Path("outputs/run")


def export(capsys, *arguments) -> tuple[int, str, str]:
    code = main(["export-reward", *map(str, arguments)])
    said = capsys.readouterr()
    return code, said.out, said.err


def refused(capsys, code, *arguments) -> str:
    before = sorted(Path().rglob("*.py"))
    found, out, err = export(capsys, *arguments)
    assert (found, out) == (code, "")
    assert err.startswith("reward-synth: ")
    assert err.count("\n") == 1, err
    assert sorted(Path().rglob("*.py")) == before
    return err


@pytest.mark.parametrize("which", ["gen_00/cand_00", "gen_00/cand_00/", "gen_00/cand_00/reward.py"])
def test_a_candidate(run, capsys, which):
    code, out, _ = export(capsys, f"{run}/{which}", *TO)
    assert code == 0
    assert out.splitlines()[-1] == "point_g00c00_reward.py"
    text = Path("point_g00c00_reward.py").read_text()
    assert ast.get_docstring(ast.parse(text)).startswith(
        "Reward of point in PyTorch: candidate g00c00 of run, by offline."
    )
    assert '_field(next_state, "position", [n])' in text
    assert "#         terms = {" in text


def test_the_expert(run, capsys, point_task_folder):
    code, out, _ = export(capsys, f"expert:{point_task_folder}", *TO, "--output", "new/best.py")
    assert (code, out.splitlines()[-1]) == (0, "new/best.py")
    assert "Written by people: written for the tests." in Path("new/best.py").read_text()


@pytest.mark.slow
def test_a_program_by_itself(run, capsys, point_task_folder):
    Path("mine.py").write_text(SOURCE)
    code, out, _ = export(capsys, "mine.py", *TO, "--task", point_task_folder)
    assert (code, out.splitlines()[-1]) == (0, "mine_torch.py")
    Path("wrong.py").write_text(SOURCE.replace("position", "positoin"))
    line = refused(capsys, 1, "wrong.py", *TO, "--task", point_task_folder)
    assert "wrong.py is turned down (lint)" in line
    assert "position" in line


def test_nothing_is_written_over(run, capsys):
    Path("mine.py").write_text("precious")
    line = refused(capsys, 2, run / "gen_00/cand_00", *TO, "--output", "mine.py")
    assert "mine.py exists: name another with --output" in line
    assert export(capsys, run / "gen_00/cand_00", *TO)[0] == 0
    assert "point_g00c00_reward.py exists" in refused(capsys, 2, run / "gen_00/cand_00", *TO)
    assert Path("mine.py").read_text() == "precious"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "takes one candidate's folder"),
        (TO, "or expert:<task>, not 0."),
        (("a", "b", *TO), "not 2."),
        (("expert:ant",), "say what for: --to torch."),
        (("expert:ant", "--to", "onnx"), "--to onnx is unknown. There is torch."),
        (("expert:ant", "--to", "torhc"), "Did you mean 'torch'?"),
        (("expert:ant", "--to"), "--to: expected one argument."),
        (("expert:ant", *TO, "--ouput", "x"), "no option '--ouput'. Did you mean '--output'?"),
        (("expert:ant", *TO, "--task", "ant"), "--task is for a reward.py by itself"),
        (("nowhere", *TO, "--task", "ant"), "--task is for a reward.py by itself"),
    ],
)
def test_a_mistake_in_the_command(run, capsys, arguments, words):
    assert words in refused(capsys, 2, *arguments)


@pytest.mark.parametrize(
    ("which", "words"),
    [
        ("nowhere", "there is no nowhere: give a candidate's folder"),
        ("expert:antt", "no task 'antt'. Did you mean 'ant'?"),
        ("outputs", "outputs is not a candidate's folder in a run."),
        ("outputs/run", "It is a run: name one of its candidates"),
        ("/", "/ is not a candidate's folder"),
        ("outputs/run/gen_00/cand_01", "g00c01 was turned down (train): it flies away."),
        ("outputs/run/gen_00/cand_02", "g00c02 has not been traced yet"),
    ],
)
def test_no_such_reward(run, capsys, which, words):
    assert words in refused(capsys, 1, which, *TO)


def test_files_of_a_candidate_that_are_not_what_they_were(run, capsys):
    folder = run / "gen_00/cand_00"
    arrays = folder / "reward.arrays.json"
    good = arrays.read_bytes()
    for bad in (b"", good[:-9], json.dumps({**json.loads(good), "outputs": [0, 1]}).encode()):
        arrays.write_bytes(bad)
        assert "the traced program is not a pure reward" in refused(capsys, 1, folder, *TO)
    arrays.unlink()
    assert "reward.arrays.json is gone" in refused(capsys, 1, folder, *TO)
    (folder / "reward.py").write_text(SOURCE.replace("1.0)", "2.0)"))
    assert "has been changed since the run traced it" in refused(capsys, 1, folder, *TO)
    other = folder.with_name("cand_09")
    other.mkdir()
    assert "knows of no candidate gen_00/cand_09" in refused(capsys, 1, other, *TO)
    (run / "run.db").write_bytes(b"no database" * 99)
    assert "run.db cannot be read" in refused(capsys, 1, folder, *TO)


def test_a_bare_file(run, capsys):
    Path("bare.py").write_text(SOURCE)
    assert "say which task bare.py is for" in refused(capsys, 2, "bare.py", *TO)
    Path("bare.py").write_text("print('hello')")
    line = refused(capsys, 1, "bare.py", *TO, "--task", "ant")
    assert "bare.py is not a reward program" in line
    Path("bare.py").write_bytes(b"\xff\xfe\x00")
    assert "bare.py is not text" in refused(capsys, 1, "bare.py", *TO, "--task", "ant")
    Path("bare.py").write_text(SOURCE)
    assert "no task 'antt'" in refused(capsys, 1, "bare.py", *TO, "--task", "antt")


@pytest.mark.parametrize("arguments", [["--help"], ["expert:ant"], ["nowhere", *TO], ["/", *TO]])
def test_help_and_mistakes_do_not_wait_for_jax(arguments):
    code = (
        "import sys; from reward_synth.cli import main; "
        f"main(['export-reward', *{arguments!r}]); "
        "sys.exit('jax' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
