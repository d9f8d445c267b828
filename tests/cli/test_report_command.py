"""``reward-synth report``: the page of a run, also of one that another process goes on with."""

from __future__ import annotations

from pathlib import Path

import pytest

from reward_synth.cli import main
from reward_synth.search.store import Store


def test_writes_the_page_of_a_run_that_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "a run"
    with Store.open(folder) as store:
        store.log("sitting", seconds=0.0)
        assert main(["report", str(folder)]) == 0
    assert capsys.readouterr().out == "a run/report.html\n"
    assert "The run has only begun" in (folder / "report.html").read_text(encoding="utf-8")


def test_a_folder_without_a_run_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(tmp_path)]) != 0
    assert "it has no run.db" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
