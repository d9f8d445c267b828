"""The GPU benchmark's order, its handling of processes, and its tables; measuring is an extra's."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest

from benchmarks.gpu.drive import Results, run, verdict
from benchmarks.gpu.plan import TOY_SETTINGS, Cell, Grid, plan
from benchmarks.gpu.tables import report

GRID = Grid(("half_cheetah", "ant"), ("mjx",), (16, 1), (1024, 256), ("jax",))


def test_every_combination_is_measured_once():
    cells = plan(GRID)
    trained = {(c.task, c.candidates, c.envs) for c in cells if c.kind == "train"}
    assert trained == {(t, k, n) for t in GRID.tasks for k in GRID.candidates for n in GRID.envs}
    assert len({cell.name for cell in cells}) == len(cells) == 1 + 8 + 2 + 2
    assert {c.task for c in cells if c.kind == "brax"} == {"half_cheetah"}  # there is no such ant


def test_the_heads_of_the_lists_come_first_and_the_tails_last():
    cells = plan(GRID)
    assert cells[0].kind == "machine"
    assert cells[1] == Cell("train", "half_cheetah", "mjx", 16, 1024)
    assert cells[2] == Cell("brax", "half_cheetah", "jax", 1, 1024)
    assert cells[-1] == Cell("train", "ant", "mjx", 1, 256)
    names = [cell.name for cell in cells]
    for one_away, two_away in (
        ("train-half_cheetah-mjx-1x1024", "train-half_cheetah-mjx-1x256"),
        ("train-ant-mjx-16x1024", "train-ant-mjx-1x1024"),
        ("together-half_cheetah-mjx-16x1024", "together-ant-mjx-16x1024"),
    ):
        assert names.index(one_away) < names.index(two_away)


@pytest.mark.parametrize(
    ("code", "log", "words"),
    [
        (0, "a warning", "ok"),
        (None, "", "over time"),
        (1, "Traceback\nTaskError: no task 'x'.\n", "failed: TaskError: no task 'x'."),
        (1, "XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory allocating", "out of memory"),
        (-9, "", "ended by signal 9, as when memory runs out"),
        (-11, "", "ended by signal 11"),
        (3, "", "failed with exit status 3"),
    ],
)
def test_how_a_process_ended_in_words(code: int | None, log: str, words: str):
    assert verdict(code, log) == words


# Stand-ins for the cells' process: what each does after it has reported a first part.
BEHAVIOURS = {
    "a": "pass",
    "b": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "c": "import time; time.sleep(60)",
    "d": "pass",
}


class Machine:
    """Runs the stand-ins and remembers which."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.started: list[str] = []
        self.said: list[str] = []

    def command(self, cell: Cell, settings: object, path: Path) -> list[str]:
        self.started.append(cell.task)
        part = f"import pathlib; pathlib.Path({str(path)!r}).write_text('{{\"part\": 1}}')"
        return [sys.executable, "-c", f"{part}; {BEHAVIOURS[cell.task]}"]

    def run(self, tasks: str, *, limit: float = 60.0, seconds: float = 60.0) -> Results:
        self.started.clear()
        return run(
            [Cell("train", task, "cpu") for task in tasks],
            TOY_SETTINGS,
            self.work,
            limit=limit,
            deadline=time.monotonic() + seconds,
            say=self.said.append,
            shortest=1.0,
            command=self.command,
        )


def test_a_cell_that_fails_keeps_its_parts_and_the_rest_goes_on(tmp_path: Path):
    machine = Machine(tmp_path)
    results = machine.run("abcd", limit=5.0)
    assert [found["status"] for found in results.values()] == [
        "ok",
        "ended by signal 9, as when memory runs out",
        "over time",
        "ok",
    ]
    assert all(found["part"] == 1 for found in results.values())
    assert machine.run("abcd") == results  # all of it is read back
    assert machine.started == []


def test_a_cell_cut_short_by_the_end_of_the_time_is_measured_again(tmp_path: Path):
    machine = Machine(tmp_path)
    assert machine.run("cd", seconds=2.0) == {}
    assert machine.said == ["[1/2] train-c-cpu-1x1: cut short by the end of the time"]
    assert machine.run("cd", seconds=2.0) == {}
    assert machine.started == ["c"]


def test_no_cell_is_begun_that_there_is_no_time_for(tmp_path: Path):
    machine = Machine(tmp_path)
    assert machine.run("ad", seconds=0.5) == {}
    assert machine.said == ["time is up before cell 1 of 2; run it again to go on"]
    assert machine.started == []


def test_results_of_other_settings_are_not_mixed(tmp_path: Path):
    Machine(tmp_path).run("a", seconds=0.0)
    (tmp_path / "settings").write_text("{}")
    with pytest.raises(SystemExit, match="has results of other settings"):
        Machine(tmp_path).run("a")


def test_tables_compare_what_there_is():
    job = {"seconds": 30.0, "first_iteration": 20.0}
    results = {
        Cell("machine"): {"status": "failed: no device"},
        Cell("train", "half_cheetah", "mjx", 16, 1024): {
            "status": "ok",
            "steps_per_second": 600_000.0,
            "memory": {"bytes": 3 * 2**30, "of": "device"},
        },
        Cell("train", "half_cheetah", "mjx", 1, 1024): {"status": "out of memory"},
        Cell("together", "half_cheetah", "mjx", 4, 1024): {
            "status": "over time",
            "together": {"seconds": 50.0, "first_iteration": 30.0},
            "alone": [job, job],
        },
        Cell("brax", "half_cheetah", "jax", 1, 1024): {
            "status": "ok",
            "steps_per_second": 200_000.0,
        },
    }
    lines = report(results, TOY_SETTINGS).splitlines()
    assert lines[0] == "machine: failed: no device"
    rows = {tuple(line.split()[:4]): line.split() for line in lines if line}
    assert rows["half_cheetah", "mjx", "16", "1024"][4:] == [
        *("600,000", "-", "-", "-", "-", "-"),
        *("3.00", "GiB", "device"),
    ]
    assert rows["half_cheetah", "mjx", "1", "1024"][-3:] == ["out", "of", "memory"]
    # 2 of 4 took 60 s, so 4 take 120 s, of which 40 s are not first iterations
    assert rows["half_cheetah", "mjx", "4", "x"][5:] == [
        *("-", "50.0", "s", "120.0", "s", "2.40", "2.00", "2", "over", "time")
    ]
    brax = next(line for line in lines if line.startswith("CheetahRun"))
    assert brax.endswith("mjx K=1: -; mjx K=16: 3.00")


def test_summary_is_json_without_folders_of_this_machine():
    from benchmarks.gpu.__main__ import summary

    cell = Cell("train", "/somewhere/point", "mjx", 2, 4)
    text = json.dumps(summary({cell: {"status": "ok"}}, TOY_SETTINGS))
    assert json.loads(text)["cells"] == [
        {"kind": "train", "task": "point", "engine": "mjx", "candidates": 2, "envs": 4}
        | {"status": "ok"}
    ]
