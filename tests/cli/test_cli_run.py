"""``reward-synth run`` with a loop that does nothing: folders, endings, many runs."""

from __future__ import annotations

import errno
import re
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from reward_synth.cli import main
from reward_synth.errors import ModelError, SandboxError
from reward_synth.search.blame import environment_error
from reward_synth.search.config import RunConfig
from reward_synth.search.failure import Failure
from reward_synth.search.listener import Listener

Work = Callable[[RunConfig, Path, Listener], object]


class Loop:
    """Stands in for reward_synth.search.loop."""

    def __init__(self) -> None:
        self.started: list[tuple[RunConfig, Path]] = []
        self.resumed: list[Path] = []
        self.work: Work = lambda config, folder, listener: None

    def start(self, config: RunConfig, folder: Path, listener: Listener) -> None:
        self.started.append((config, folder))
        (folder / "run.db").touch()
        self.work(config, folder, listener)

    def resume(self, folder: Path, listener: Listener) -> None:
        self.resumed.append(folder)
        self.work(RunConfig(), folder, listener)

    def fails(self, error: BaseException) -> None:
        def work(config: RunConfig, folder: Path, listener: Listener) -> None:
            raise error

        self.work = work


@pytest.fixture(autouse=True)
def loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loop:
    monkeypatch.chdir(tmp_path)
    # Hydra's logging set-up closes all handlers there are. absl's, which other tests bring in
    # with JAX, would close its stream with it: pytest's capture.
    monkeypatch.setattr("absl.logging.PythonHandler.close", lambda handler: None)
    monkeypatch.setattr("reward_synth.report.build.build_report", lambda folder: folder)
    loop = Loop()
    stub = SimpleNamespace(start=loop.start, resume=loop.resume)
    monkeypatch.setitem(sys.modules, "reward_synth.search.loop", stub)
    return loop


def test_the_last_line_is_the_run_folder(loop: Loop, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "seed=3", "llm=offline", "train.hidden=[8,8]"]) == 0
    ((config, folder),) = loop.started
    last = capsys.readouterr().out.splitlines()[-1]
    assert Path(last).resolve() == folder
    assert re.fullmatch(r"outputs/hopper/\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d-[0-9a-f]{4}", last)
    assert (config.task, config.seed, config.llm.kind) == ("hopper", 3, "offline")
    assert config.train.hidden == (8, 8)
    saved = yaml.safe_load((folder / ".hydra" / "config.yaml").read_text())
    assert saved["seed"] == 3


def test_defaults_are_those_of_the_schema(loop: Loop) -> None:
    assert main(["run"]) == 0
    assert loop.started[0][0] == RunConfig()


def test_a_run_of_a_folder_is_named_after_it_and_knows_its_whole_path(
    loop: Loop, point_task_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(point_task_folder.parent)
    assert main(["run", "task=./point/"]) == 0
    ((config, folder),) = loop.started
    assert Path(config.task) == point_task_folder.resolve()
    assert folder.parent.name == "point"


def test_presets_and_those_of_the_user(loop: Loop, tmp_path: Path) -> None:
    (tmp_path / "mine" / "search").mkdir(parents=True)
    (tmp_path / "mine" / "search" / "wide.yaml").write_text("candidates: 99\n")
    assert main(["run", "--config-dir", "mine", "search=wide", "budget=small"]) == 0
    config = loop.started[0][0]
    assert (config.search.candidates, config.budget.dollars) == (99, 1.0)


def test_settings_are_shown_without_a_run(loop: Loop, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--cfg", "job", "task=ant"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["task"] == "ant"
    assert loop.started == []
    assert not Path("outputs").exists()


def test_resume(loop: Loop, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "resume=outputs/hopper/x"]) == 0
    assert loop.resumed == [Path("outputs/hopper/x")]
    assert capsys.readouterr().out.splitlines()[-1] == "outputs/hopper/x"


def test_ctrl_c_says_how_to_go_on(loop: Loop, capsys: pytest.CaptureFixture[str]) -> None:
    loop.fails(KeyboardInterrupt())
    with pytest.raises(SystemExit) as stopped:
        main(["run"])
    assert stopped.value.code == 130
    folder = loop.started[0][1].relative_to(Path.cwd())
    assert capsys.readouterr().err == (
        f"Stopped. Continue with: reward-synth run resume={folder}\n"
    )


def test_a_trouble_of_the_users_is_one_line(loop: Loop, capsys: pytest.CaptureFixture[str]) -> None:
    loop.fails(SandboxError("sandbox=strict, but this machine lacks Landlock."))
    assert main(["run"]) == 1
    assert capsys.readouterr().err == (
        "reward-synth: sandbox=strict, but this machine lacks Landlock.\n"
    )


def test_a_server_that_is_down_can_be_started_and_the_run_continued(
    loop: Loop, capsys: pytest.CaptureFixture[str]
) -> None:
    loop.fails(ModelError("no server at http://127.0.0.1:8000/v1: start it with vllm serve."))
    assert main(["run"]) == 1
    folder = loop.started[0][1].relative_to(Path.cwd())
    assert capsys.readouterr().err == (
        "reward-synth: no server at http://127.0.0.1:8000/v1: start it with vllm serve. "
        f"Continue with: reward-synth run resume={folder}\n"
    )


def test_a_training_that_crashed_can_be_continued(
    loop: Loop, capsys: pytest.CaptureFixture[str]
) -> None:
    loop.fails(environment_error(Failure.ended(-11, "generation", Path("x/training.log"))))
    assert main(["run"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("reward-synth: the training process crashed: Segmentation fault")
    assert "Continue with: reward-synth run resume=" in err
    assert err.count("\n") == 1


def sqlite_full() -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    return error


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), sqlite_full()])
def test_a_full_disk_is_one_line(
    error: Exception, loop: Loop, capsys: pytest.CaptureFixture[str]
) -> None:
    loop.fails(error)
    assert main(["run"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("reward-synth: the disk is full. Make some room. Continue with: ")
    assert err.count("\n") == 1


def test_a_fault_of_ours_is_shown_whole_and_ends_with_how_to_go_on(
    loop: Loop, capsys: pytest.CaptureFixture[str]
) -> None:
    loop.fails(ZeroDivisionError("oh"))
    assert main(["run"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Traceback")
    assert "ZeroDivisionError: oh" in lines
    assert "Continue with: reward-synth run resume=outputs/hopper/" in lines[-1]


def test_many_runs_have_folders_of_their_own_and_outlive_a_failed_one(
    loop: Loop, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(config: RunConfig, folder: Path, listener: Listener) -> None:
        if config.seed == 0:
            raise SandboxError("not now.")

    loop.work = work
    assert main(["run", "-m", "seed=0,1", "task=hopper,ant"]) == 1
    captured = capsys.readouterr()
    assert captured.err == "reward-synth: not now.\n" * 2
    folders = [folder for _, folder in loop.started]
    assert [f.name for f in folders] == ["0-hopper", "1-ant", "2-hopper", "3-ant"]
    assert len({f.parent for f in folders}) == 1
    assert folders[0].parent.parent == Path("outputs/multirun").resolve()
    assert captured.out.splitlines()[-1] == str(folders[-1].relative_to(Path.cwd()))


def test_ctrl_c_ends_many_runs(loop: Loop) -> None:
    loop.fails(KeyboardInterrupt())
    with pytest.raises(SystemExit):
        main(["run", "--multirun", "seed=0,1"])
    assert len(loop.started) == 1


def test_a_folder_that_cannot_be_written_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "outputs").write_text("a file where the folder should be")
    assert main(["run"]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "outputs" in err
