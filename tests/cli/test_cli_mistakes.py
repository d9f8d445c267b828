"""Mistakes: one line on stderr that names the remedy, exit code 2, nothing written."""

from __future__ import annotations

from pathlib import Path

import pytest

from reward_synth import __version__
from reward_synth.cli import main

MISTAKES = {
    "serach.generations=2": "no setting 'serach.generations'. Did you mean 'search.generations'?",
    "search.generation=2": "no setting 'search.generation'. Did you mean 'search.generations'?",
    "generations=2": "no setting 'generations'. Did you mean 'search.generations'?",
    "steps=2": "Did you mean 'search.steps' or 'final.steps'?",
    "llm.api=x": "There are llm.kind, llm.folder, llm.model,",
    "xyzzy=1": "`reward-synth run --help` lists settings",
    "+extra=1": "no setting 'extra'",
    "search.generations=many": "search.generations must be a whole number, not many.",
    "search.generations=0": "search.generations is 0; it must be at least 1.",
    "seed=1.5": "seed must be a whole number, not 1.5.",
    "video.enabled=perhaps": "video.enabled must be true or false, not perhaps.",
    "train.hidden=[a]": "train.hidden must be a list of whole numbers, such as [64,64], not [a].",
    "train.learning_rate=fast": "train.learning_rate must be a number, not fast.",
    "llm.dollars_per_million=[1]": "llm.dollars_per_million must be [input, output]",
    "trainer=sb": "trainer is 'sb'. Did you mean 'sb3'? It must be one of jax, sb3.",
    "llm=ofline": "llm has no preset 'ofline'. Did you mean 'offline'? Choose from auto,",
    "llm.kind=ofline": "llm.kind is 'ofline'. Did you mean 'offline'?",
    "sandbox=stric": "sandbox is 'stric'. Did you mean 'strict'?",
    "train.transform=crl": "train.transform is 'crl'. Did you mean 'carl'?",
    "backend=mxj": "backend is 'mxj'. Did you mean 'mjx'? It must be one of cpu, mjx.",
    "search=slow": "search has no preset 'slow'. Choose from default, eureka, ",
    "randomise.mass=[0,1.2]": "randomise.mass must be above 0, not [0.0, 1.2].",
    "randomise.delay=[0,0.5]": "randomise.delay counts whole control steps, not [0.0, 0.5].",
    "randomise.push=[2,1]": "randomise.push must be [low, high], not [2.0, 1.0].",
    "randomise.noise=0.1": "randomise.noise must be a list of two numbers",
    "randomise.masses=[1,2]": "Did you mean 'randomise.mass'?",
    "randomise=wild": "randomise has no preset 'wild'. Did you mean 'mild'?",
    "budget=null": "budget has no preset 'null'.",
    "video=false": "video is a group of settings, not one: video.enabled,",
    "task=hoper": "no task 'hoper'. Did you mean 'hopper'?",
    "task=": "task is empty",
    "hopper": "'hopper' is not a setting: write name=value, such as task=hopper.",
    "task={": "'task={' cannot be read.",
    "seed=1,2": "seed=1,2 names several values: add --multirun",
    "--search.steps=4": "settings are written without dashes: search.steps=4",
    "--multi-run": "no option '--multi-run'. Did you mean '--multirun'?",
    "--config-dir=/no/where": "there is no folder /no/where.",
    "hydra.run.dor=x": "Could not override 'hydra.run.dor'",
}


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def stderr_line(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1, captured.err
    assert captured.err.startswith("reward-synth: ")
    assert list(Path().iterdir()) == []
    return captured.err


@pytest.mark.parametrize("argument", MISTAKES)
def test_a_mistake_is_one_line_with_the_remedy(
    argument: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert MISTAKES[argument] in stderr_line(capsys, "run", argument)


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (["task=hopper,hoper"], "Did you mean 'hopper'?"),
        (["seed=range(0,3)", "llm=offline,oline"], "llm has no preset 'oline'."),
        (["search.steps=5,x"], "search.steps must be a whole number, not x."),
    ],
)
def test_a_mistake_in_the_last_of_many_runs_shows_before_the_first(
    arguments: list[str], remedy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert remedy in stderr_line(capsys, "run", "--multirun", *arguments)


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (["task=hopper"], "Did you mean `reward-synth run task=hopper`?"),
        (["taks"], "no command 'taks'. Did you mean 'tasks'?"),
        (["fly"], "The commands are run, label, report, tasks, check, compare, "),
        (["check"], "takes one task folder or name, not 0."),
        (["tasks", "x"], "takes no arguments, not 1."),
        (["report"], "takes one run folder, not 0."),
        (["run", "resume=x", "seed=1"], "give resume=<folder> alone."),
    ],
)
def test_commands(arguments: list[str], remedy: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert remedy in stderr_line(capsys, *arguments)


def test_a_missing_extra_shows_before_anything_is_written(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reward_synth.train.sb3.find_spec", lambda name: None)
    remedy = "trainer=sb3 needs the sb3 extra: pip install 'reward-synth[sb3]'."
    assert remedy in stderr_line(capsys, "run", "trainer=sb3")


def test_caps_need_our_trainer(capsys: pytest.CaptureFixture[str]) -> None:
    line = stderr_line(capsys, "run", "trainer=sb3", "train.transform=caps")
    assert "use trainer=jax, or train.transform=par or carl." in line


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"reward-synth {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "reward-synth run task=hopper"),
        (["--help"], "reward-synth run task=hopper"),
        (["run", "--help"], "search.generations=3 "),
        (["run", "-h"], "llm=offline "),
        (["run", "task=hopper", "--help"], "seed=0 "),
        (["tasks", "--help"], "list the tasks"),
        (["report", "--help"], "write report.html into a run's folder"),
        (["check", "--help"], "Exits with 0"),
    ],
)
def test_help(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert said in out
    assert max(map(len, out.splitlines())) <= 100
