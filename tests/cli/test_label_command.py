"""``reward-synth label``: its arguments, and how mistakes end."""

from __future__ import annotations

import builtins
import json
import socket
from dataclasses import replace

import pytest

from reward_synth.cli import main
from reward_synth.errors import ConfigError
from reward_synth.label.desk import Desk
from reward_synth.label.serve import address, listening
from reward_synth.search.store import Store
from tests.label.labelled_run import begin, said


@pytest.fixture
def run(tmp_path):
    return begin(tmp_path / "run")


def failed(capsys, *arguments):
    """The one line in which a command fails."""
    code = main(["label", *map(str, arguments)])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("reward-synth: ")
    return code, line


def test_annotations_go_out_and_come_back(run, tmp_path, capsys):
    desk, file = Desk(run), tmp_path / "answers.jsonl"
    given = replace(desk.turn("Ada").asked.answers("Ada")["0"], id="01234567")
    desk.take(given)
    assert main(["label", str(run), "--export", str(file)]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("answers.jsonl")
    assert json.loads(file.read_text())["who"] == "Ada"
    other = begin(tmp_path / "other")
    for count in (1, 0):  # the second time, all are there
        assert main(["label", str(other), "--import", str(file)]) == 0
        assert capsys.readouterr().out.startswith(f"{count} new annotations")
    assert said(other) == said(run)


def test_mistakes_are_one_line(run, tmp_path, capsys):
    assert failed(capsys, tmp_path / "nothing")[1].endswith(
        "is not a run folder: it has no run.db."
    )
    assert failed(capsys) == (2, "reward-synth: `reward-synth label` takes one run folder, not 0.")
    code, line = failed(capsys, run, "--prot", "80")
    assert code == 2
    assert "Did you mean '--port'?" in line
    assert "--port is from 0 to 65535" in failed(capsys, run, "--port", "70000")[1]
    assert "1 to 60 printable" in failed(capsys, run, "--terminal", "--who", " ")[1]
    assert "No such file" in failed(capsys, run, "--import", tmp_path / "gone.jsonl")[1]
    (tmp_path / "prose.jsonl").write_text("I like the first one\n")
    assert "line 1" in failed(capsys, run, "--import", tmp_path / "prose.jsonl")[1]
    assert said(run) == []


def test_a_run_without_videos_is_one_line(run, capsys):
    for path in run.glob("gen_00/*/rollout.mp4"):
        path.unlink()
    with Store.open(run) as store:
        config = store.get("config")
        config["video"]["enabled"] = False
        store.put("config", config)
    code, line = failed(capsys, run)
    assert code == 1
    assert "has no videos to show: it was run with video.enabled=false" in line


def test_without_the_extra_it_says_what_to_install(run, capsys, monkeypatch):
    real = builtins.__import__

    def lacking(name, *rest, **named):
        if name.split(".")[0] in ("fastapi", "uvicorn"):
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", lacking)
    code, line = failed(capsys, run)
    assert code == 1
    assert "pip install 'reward-synth[label]'" in line
    assert "--terminal" in line


def test_the_usual_port_gives_way_and_a_named_one_does_not(monkeypatch):
    with listening("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} is in use: name another"):
            listening("127.0.0.1", port)
        monkeypatch.setattr("reward_synth.label.serve.PORT", port)
        with listening("127.0.0.1", None) as other:
            assert other.getsockname()[1] not in (0, port)


def test_addresses_of_others_cannot_be_listened_on():
    with pytest.raises(ConfigError, match=r"cannot listen on 192\.0\.2\.1, port 0"):
        listening("192.0.2.1", 0)


def test_the_printed_address_can_be_opened():
    assert address("127.0.0.1", 80, "", None) == "http://127.0.0.1:80/"
    assert address("::1", 80, "", "Ada B&b") == "http://[::1]:80/?who=Ada%20B%26b"
    assert address("0.0.0.0", 8, "s", None) == f"http://{socket.gethostname()}:8/?token=s"
