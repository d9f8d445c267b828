"""The journal: several write at once, and nothing that was written is lost."""

import json
import os
import signal
import subprocess
import sys
import textwrap

import pytest

from reward_synth.errors import FeedbackError, RunError
from reward_synth.feedback.annotations import Annotation, Clip, Kind
from reward_synth.feedback.journal import Journal
from reward_synth.search.store import Store

PAIR = (Clip("g00c00"), Clip("g00c01"))


def choice(number, who="ann"):
    return Annotation(who, Kind.PAIR, PAIR, ("g00c00",), when=float(number))


@pytest.fixture
def run(tmp_path):
    with Store.open(tmp_path):
        pass
    return tmp_path


def test_annotations_come_back_in_their_order(run):
    with Journal.open(run) as journal:
        assert journal.append([choice(2), choice(1)]) == 2
        assert journal.append([choice(3), choice(2)]) == 1  # one of them was there
        assert journal.read() == [choice(2), choice(1), choice(3)]
        assert journal.read(after=1) == [choice(1), choice(3)]
        assert journal.read(upto=2) == [choice(2), choice(1)]
        assert journal.read(after=1, upto=2) == [choice(1)]
        assert len(journal) == 3


def test_a_search_holds_its_run_and_people_write_all_the_same(run):
    with Store.open(run) as store, Journal.open(run) as journal:
        journal.append([choice(1)])
        store.put("waiting", True)
        journal.append([choice(2)])
        assert store.journal.read() == [choice(1), choice(2)]


def test_there_must_be_a_run(tmp_path):
    with pytest.raises(RunError, match="not a run folder"), Journal.open(tmp_path):
        pass


WRITER = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from reward_synth.feedback.annotations import Annotation, Clip, Kind
    from reward_synth.feedback.journal import Journal

    folder, who, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    shown = (Clip("g00c00"), Clip("g00c01"))
    with Journal.open(folder) as journal:
        for number in range(count):
            journal.append([Annotation(who, Kind.PAIR, shown, ("g00c00",), when=float(number))])
            print(number, flush=True)
    """
)


def writer(run, who, count):
    command = [sys.executable, "-c", WRITER, str(run), who, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_several_processes_write_at_once(run):
    processes = [writer(run, who, 60) for who in ("ann", "ben", "cat")]
    assert [process.communicate()[0].count("\n") for process in processes] == [60] * 3
    with Journal.open(run) as journal:
        said = journal.read()
    for who in ("ann", "ben", "cat"):
        assert [a.when for a in said if a.who == who] == list(range(60))


def test_what_was_acknowledged_survives_a_kill(run):
    acknowledged = {}
    for turn in range(5):
        process = writer(run, f"who{turn}", 10_000)
        for _ in range(3 + 7 * turn):
            acknowledged[f"who{turn}"] = int(process.stdout.readline())
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    with Journal.open(run) as journal:
        said = journal.read()
    for who, last in acknowledged.items():
        mine = [a.when for a in said if a.who == who]
        assert mine == list(range(len(mine)))
        assert len(mine) > last


def test_export_and_import(run, tmp_path):
    path = tmp_path / "answers.jsonl"
    undo = Annotation("ann", Kind.UNDO, undoes=choice(1).id)
    words = Annotation("ann", Kind.TEXT, text="arms “should” not\nflail")
    everything = [choice(1), undo, words]
    with Journal.open(run) as journal:
        journal.append(everything)
        assert journal.export(path) == 3
    other = tmp_path / "other"
    with Store.open(other) as store:
        assert store.journal.take_in(path, ["g00c00", "g00c01"]) == 3
        assert store.journal.take_in(path, ["g00c00", "g00c01"]) == 0
        assert store.journal.read() == everything


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("not json", "line 2"),
        ("[]", "line 2"),
        ('{"who": "x", "kind": "pair"}', "line 2: a choice is among"),
        (json.dumps(Annotation("x", Kind.TEXT, (Clip("g09c09"),), text="a").to_json()), "g09c09"),
    ],
)
def test_a_bad_line_and_nothing_is_taken_in(run, tmp_path, line, reason):
    path = tmp_path / "answers.jsonl"
    path.write_text(f"{json.dumps(choice(1).to_json())}\n{line}\n")
    with Journal.open(run) as journal:
        with pytest.raises(FeedbackError, match=reason):
            journal.take_in(path, ["g00c00", "g00c01"])
        assert len(journal) == 0
