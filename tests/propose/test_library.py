"""The library of rewards: what is kept, what is found, and what must not be."""

import json
import os
from dataclasses import replace

import pytest

from reward_synth.propose import library
from reward_synth.propose.library import Example, add, example, load, similar
from reward_synth.reward.parse import parse_source
from tests.propose.test_prompts import PARENT, PENDULUM

SENTENCES = {
    "hopper": "Hop forward on one leg as fast as possible without falling over.",
    "ant": "Walk forward as fast as you can on four legs.",
    "reacher": "Move the fingertip of the arm to the red ball and stop there.",
    "pusher": "Push the puck to the red ball with the fingertip of the arm.",
    "cartpole": "Swing the hanging pole up and balance it.",
}


def made(task, when=0.0, source=PARENT, sentence=None):
    return Example(task, sentence or SENTENCES[task], "class State:", source, "a run", when)


ALL = [made(task) for task in SENTENCES]


def task(name, sentence):
    return replace(PENDULUM, name=name, sentence=sentence)


def names(found):
    return [e.task for e in found]


@pytest.mark.parametrize(
    ("sentence", "first"),
    [
        ("Run forward fast, hopping on a single leg.", "hopper"),
        ("Balance a pole.", "cartpole"),
        ("Push a box with the arm.", "pusher"),
        ("REACH THE BALL, and stop!", "reacher"),
    ],
)
def test_the_most_similar_task_comes_first(sentence, first):
    assert names(similar(ALL, task("new", sentence), 3))[0] == first


def test_nothing_in_common_is_not_similar():
    assert similar(ALL, task("new", "Whisk eggs."), 3) == ()
    assert similar([], task("new", "Walk."), 3) == ()
    assert similar(ALL, task("new", ""), 3) == ()
    assert similar(ALL, task("new", "Walk forward."), 0) == ()


def test_common_words_count_less_than_rare_ones():
    some = [made(w, sentence=f"Make the robot {w}.") for w in ("stand", "twirl", "sit", "lie")]
    assert names(similar(some, task("new", "Twirl the robot on stage."), 1)) == ["twirl"]


def test_a_task_is_not_its_own_example():
    same_name = task("hopper", "Jump forward on one leg.")
    same_words = task("my_hopper", SENTENCES["hopper"].upper() + "  ")
    for description in (same_name, same_words):
        assert "hopper" not in names(similar(ALL, description, 9))
        assert names(similar(ALL, description, 1, own=True)) == ["hopper"]


def test_one_example_of_each_task_and_that_the_newest():
    some = [*ALL, made("ant", 5.0, "new"), made("ant", 3.0, "old")]
    found = similar(some, task("new", "Walk forward on legs."), 9)
    assert len(names(found)) == len(set(names(found)))
    assert next(e for e in found if e.task == "ant").source == "new"


def test_kept_once_and_read_back(tmp_path):
    program = parse_source(PARENT)
    new = example(PENDULUM, program, "outputs/run, seed 0", 12.5)
    add(tmp_path, new)
    add(tmp_path, replace(new, when=13.0))
    assert load(tmp_path) == [replace(new, when=13.0)]
    assert new.source == program.source
    assert "pole_direction" in new.environment
    assert "fitness" not in json.dumps(new.note)


def test_a_folder_that_is_not_there_is_an_empty_library(tmp_path):
    assert load(tmp_path / "none") == []


def test_the_oldest_goes_where_the_library_is_full(tmp_path, monkeypatch):
    monkeypatch.setattr(library, "_MOST_EXAMPLES", 3)
    for when in (5.0, 1.0, 3.0, 4.0, 2.0):
        add(tmp_path, made("ant", when, f"program {when}"))
    # Each that came was kept while it was among the newest three.
    assert [e.when for e in load(tmp_path)] == [3.0, 4.0, 5.0]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[1, 2]",
        "{}",
        '{"task": 1}',
        "[" * 100_000,
        json.dumps({"task": "x" * 70_000}),
        json.dumps({**dict.fromkeys(Example.__slots__, "text"), "when": "yesterday"}),
        json.dumps({**dict.fromkeys(Example.__slots__, 1), "when": 1}),
        '{"task": "", "sentence": "", "environment": "", "source": "", "note": "", "when": NaN}',
        json.dumps({**dict.fromkeys(Example.__slots__, "text"), "when": 1, "fitness": 3.0}),
    ],
    ids=range(11),
)
def test_what_is_no_example_is_skipped_with_a_warning(tmp_path, text, caplog):
    add(tmp_path, ALL[0])
    (tmp_path / "broken.json").write_text(text)
    (tmp_path / "notes.txt").write_text("not ours")
    assert load(tmp_path) == [ALL[0]]
    assert "broken.json" in caplog.text
    add(tmp_path, ALL[1])  # nor does it stand in the way of others
    assert len(load(tmp_path)) == 2


def test_bytes_that_are_no_text_are_skipped(tmp_path):
    (tmp_path / "broken.json").write_bytes(b"\xff\xfe\x00")
    assert load(tmp_path) == []


def test_a_file_is_whole_or_not_there(tmp_path, monkeypatch):
    def fails(*_):
        raise OSError("the disk is full")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="full"):
        add(tmp_path, ALL[0])
    assert list(tmp_path.iterdir()) == []


def test_a_program_that_is_too_long_is_left_out(tmp_path):
    add(tmp_path, made("ant", source="x" * 70_000))
    assert load(tmp_path) == []
