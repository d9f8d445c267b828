"""The run's memory."""

import json
import sqlite3
import subprocess
import sys
import time
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reward_synth.errors import RunError
from reward_synth.feedback.scores import Score
from reward_synth.records import Finding, Rejection, RewardProgram, Stage
from reward_synth.search.candidate import Candidate
from reward_synth.search.config import RunConfig, config_from_json
from reward_synth.search.store import FORMAT, Spent, Store
from reward_synth.train.race import Standing

text = st.text(max_size=20)
number = st.floats(allow_nan=False)
programs = st.builds(
    RewardProgram, text, text, st.lists(st.tuples(text, number), max_size=3).map(tuple)
)
scores = st.builds(
    Score, number, number, number, number, number, st.lists(number).map(tuple), st.integers(1, 99)
)
candidates = st.builds(
    Candidate,
    st.integers(0, 99),
    st.integers(0, 99),
    text,
    st.lists(text, max_size=2).map(tuple),
    text,
    program=st.none() | programs,
    terms=st.lists(text, max_size=3).map(tuple),
    lineage=st.integers(0, 99),
    findings=st.lists(st.builds(Finding, text, st.booleans(), text), max_size=2).map(tuple),
    rejection=st.none() | st.builds(Rejection, st.sampled_from(Stage), text),
    standings=st.lists(
        st.builds(Standing, st.integers(1, 99), number, number, st.booleans()), max_size=2
    ).map(tuple),
    score=st.none() | scores,
    reflection=text,
    model=text,
    tokens=st.integers(0, 99),
    dollars=number,
)


@given(candidates)
def test_candidates_survive_json(candidate):
    assert Candidate.from_json(json.loads(json.dumps(candidate.to_json()))) == candidate


def test_config_survives_json():
    config = RunConfig(task="ant", seed=3)
    assert config_from_json(json.loads(json.dumps(asdict(config)))) == config


def test_candidates_come_back_by_place_and_generation(tmp_path):
    made = [Candidate(g, i, "initial", (), "offline") for g in (1, 0) for i in (2, 0, 1)]
    with Store.open(tmp_path) as store:
        store.save_candidates(made)
        assert [c.id for c in store.candidates(0)] == ["g00c00", "g00c01", "g00c02"]
        changed = made[0].rejected(Rejection(Stage.TRACE, "no"))
        store.finish_job("gen_01/train", {}, "training", Spent(env_steps=5), [changed])
    with Store.read(tmp_path) as store:
        assert len(store.candidates()) == 6
        assert store.candidates(1)[2] == changed


def test_a_job_and_what_it_cost_are_recorded_together_or_not_at_all(tmp_path):
    with Store.open(tmp_path) as store:
        store.finish_job("job", {"x": 1}, "training", Spent(env_steps=5))
        with pytest.raises(sqlite3.IntegrityError):
            store.finish_job("job", {"x": 2}, "training", Spent(env_steps=7))
        assert store.job("job") == {"x": 1}
        assert store.spent() == Spent(env_steps=5)


def test_the_ledger_adds_up_and_replaces_entries_of_the_same_id(tmp_path):
    with Store.open(tmp_path) as store:
        store.charge("a", "answers", Spent(10, 20, 0.5, 0, 1.0))
        store.charge("b", "answers", Spent(1, 2, 0.25, 0, 1.0))
        store.charge("b", "answers", Spent(2, 4, 0.5, 0, 2.0))
        assert store.spent() == Spent(12, 24, 1.0, 0, 3.0)
        assert store.spent().tokens == 36


def test_an_expense_has_the_time_at_which_it_was_entered(tmp_path):
    with Store.open(tmp_path) as store:
        before = time.time()
        store.charge("a", "answers", Spent(seconds=1.0))
        store.finish_job("b", {}, "training", Spent(env_steps=5))
        after = time.time()
        first, second = store.expenses()
    assert before <= first.time <= second.time <= after
    assert (second.id, second.purpose, second.spent) == ("b", "training", Spent(env_steps=5))


def test_a_run_from_before_expenses_had_a_time_is_refused(tmp_path):
    with Store.open(tmp_path) as store:
        store.put("format", 1)
        store.put("version", "0.1.0")
    with sqlite3.connect(tmp_path / "run.db") as connection:
        connection.execute("ALTER TABLE ledger DROP COLUMN time")
    connection.close()
    for opened in (Store.open, Store.read):
        with pytest.raises(RunError, match=r"format 1\).*with that version"), opened(tmp_path):
            pass


def test_two_runs_cannot_share_a_folder(tmp_path):
    code = f"""
import pathlib, sys
from reward_synth.search.store import Store
with Store.open(pathlib.Path({str(tmp_path)!r})):
    print("held", flush=True)
    sys.stdin.readline()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(RunError, match="another process is running"), Store.open(tmp_path):
            pass
        with Store.read(tmp_path):  # looking is allowed
            pass
        other.communicate("\n")
    with Store.open(tmp_path):  # and it is free again
        pass


def test_a_run_of_another_format_is_refused_with_the_version_to_use(tmp_path):
    with Store.open(tmp_path) as store:
        store.put("format", FORMAT + 1)
        store.put("version", "9.9.9")
    for opened in (Store.open, Store.read):
        with pytest.raises(RunError, match=r"9\.9\.9"), opened(tmp_path):
            pass


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(RunError, match=r"no run\.db"), Store.read(tmp_path / "nowhere"):
        pass
    (tmp_path / "run.db").write_bytes(b"this is not a database" * 100)
    with pytest.raises(RunError, match="cannot be"), Store.open(tmp_path):
        pass


def test_records_survive_kill_9(tmp_path):
    code = f"""
import os, pathlib, signal
from reward_synth.search.store import Spent, Store
with Store.open(pathlib.Path({str(tmp_path)!r})) as store:
    for i in range(50):
        store.finish_job(f"job{{i}}", i, "training", Spent(env_steps=1))
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    with Store.open(tmp_path) as store:
        assert [store.job(f"job{i}") for i in range(50)] == list(range(50))
        assert store.spent().env_steps == 50


def test_a_run_from_before_there_were_annotations_has_none(tmp_path):
    with Store.open(tmp_path) as store:
        store._db.execute("DROP TABLE annotations")
    with Store.read(tmp_path) as store:
        assert store.journal.read() == []
        assert len(store.journal) == 0


def test_of_a_write_that_was_cut_off_there_is_nothing(tmp_path):
    """A kill or a power cut leaves any number of a write-ahead log's bytes."""
    whole, done = tmp_path / "whole", Candidate(0, 0, "initial", (), "offline")
    with Store.open(whole) as store:
        sizes = []
        for i in range(4):
            store.finish_job(f"job{i}", i, "training", Spent(env_steps=1), [replace(done, index=i)])
            sizes.append((whole / "run.db-wal").stat().st_size)
        database, log = (whole / "run.db").read_bytes(), (whole / "run.db-wal").read_bytes()
    cuts = sorted({*sizes, *(size - 1 for size in sizes), *range(sizes[0], sizes[-1], 1999)})
    for cut in cuts:
        folder = tmp_path / f"cut_{cut}"
        folder.mkdir()
        (folder / "run.db").write_bytes(database)
        (folder / "run.db-wal").write_bytes(log[:cut])
        survived = sum(size <= cut for size in sizes)
        for opened in (Store.read, Store.open):
            with opened(folder) as store:
                jobs = [store.job(f"job{i}") for i in range(4)]
                assert jobs == [*range(survived), *[None] * (4 - survived)]
                assert store.spent().env_steps == len(store.candidates()) == survived
