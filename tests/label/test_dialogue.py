"""Labelling without a browser: in a terminal and in a notebook."""

from __future__ import annotations

import base64
import io
import sys
import types

import pytest

from reward_synth.errors import FeedbackError
from reward_synth.feedback.annotations import Kind, standing
from reward_synth.label.desk import Desk
from reward_synth.label.terminal import ask_in_terminal
from tests.label.labelled_run import begin, film, said


@pytest.fixture
def run(tmp_path):
    return begin(tmp_path / "run")


@pytest.fixture
def type_in(monkeypatch, capsys, run):
    """Type lines in a terminal; returns what was printed."""

    def type_in(*lines):
        monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
        assert ask_in_terminal(run, "Ada") == 0
        return capsys.readouterr().out

    return type_in


def test_paths_are_printed_and_answers_kept(run, type_in):
    shown = Desk(run).turn("Ada").asked
    printed = type_in("b steadier legs", "q")
    assert f"  A  {shown.exhibits[0].path}\n  B  {shown.exhibits[1].path}\n" in printed
    (kept,) = said(run)
    assert kept.who == "Ada"
    assert kept.shown == shown.clips
    assert kept.answer == (shown.clips[1].candidate,)
    assert kept.text == "steadier legs"
    assert kept.seconds >= 0
    assert "Kept: B is better." in printed
    assert "1 answer kept" in printed


def test_ties_skips_words_and_what_is_no_answer(run, type_in):
    printed = type_in("=", "S", "x", "a b", "w arms flail", "w", "a")
    kinds = [(one.kind, one.answer != ()) for one in said(run)]
    assert kinds == [
        (Kind.PAIR, False),
        (Kind.SKIP, False),
        (Kind.PAIR, True),
        (Kind.TEXT, False),
        (Kind.PAIR, True),
    ]
    assert "'x' is none of these" in printed
    assert "'w' is none of these" in printed


def test_what_was_said_last_is_taken_back_and_asked_again(run, type_in):
    first = Desk(run).turn("Ada").asked
    printed = type_in("u", "a", "u", "b", "q")
    assert "There is nothing to take back." in printed
    assert "Taken back: A is better." in printed
    assert "1 answer kept" in printed
    (held,) = standing(said(run))
    assert held.shown == first.clips
    assert held.answer == (first.clips[1].candidate,)


def test_it_goes_on_where_it_was_left(run, type_in):
    type_in("a", "a")
    type_in("a", "a", "a")
    printed = type_in("a")
    assert "nothing left to ask you just now" in printed
    assert len(said(run)) == 6


def test_what_cannot_be_seen_can_only_be_skipped(run, type_in):
    for path in run.glob("gen_00/*/rollout.mp4"):
        path.unlink()
    printed = type_in("a", "s", "q")
    assert "rollout.mp4 is missing. " in printed
    assert "(cannot be seen)" in printed
    assert [one.kind for one in said(run)] == [Kind.SKIP]


def test_the_best_of_several_is_named_by_its_letter(tmp_path, monkeypatch, capsys):
    run = begin(tmp_path / "run", 6, strategy="icpl")
    shown = Desk(run).turn("Ada").asked.clips
    monkeypatch.setattr(sys, "stdin", io.StringIO("=\nf\nq\n"))
    ask_in_terminal(run, "Ada")
    printed = capsys.readouterr().out
    assert "Which does it best?" in printed
    assert "Which does it worst?" in printed
    (kept,) = said(run)
    assert kept.kind is Kind.BEST
    assert kept.answer == (shown[5].candidate,)


def test_a_notebook_shows_the_videos_themselves(run, monkeypatch):
    from reward_synth.label.notebook import label

    shown, replies = [], iter(["a", "q"])
    stand_in = types.SimpleNamespace(HTML=lambda text: text, display=shown.append)
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(display=stand_in))
    monkeypatch.setitem(sys.modules, "IPython.display", stand_in)
    monkeypatch.setattr("builtins.input", lambda prompt: next(replies))
    asked = Desk(run).turn("Ada").asked
    assert label(run, who="Ada") == 1
    assert said(run)[0].answer == (asked.clips[0].candidate,)
    for exhibit in asked.exhibits:
        content = base64.b64encode(exhibit.path.read_bytes()).decode()
        assert f"data:video/mp4;base64,{content}" in shown[0]
    assert "http" not in shown[0]
    assert len(film(0)) > 500


def test_elsewhere_the_notebooks_way_says_what_to_do(run, monkeypatch):
    from reward_synth.label.notebook import label

    monkeypatch.setitem(sys.modules, "IPython.display", None)
    with pytest.raises(FeedbackError, match="reward-synth label"):
        label(run)
