"""The GPU benchmark, all of it but Brax, on a task that trains in a blink."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.gpu.__main__ import main

SIZES = "--candidates 2 --envs 4 --horizon 4 --epochs 1 --minibatches 2 --seconds 0 --steps 32"


def test_cells_are_measured_and_reported(
    point_task_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    places = ["--tasks", str(point_task_folder), "--work", str(tmp_path / "work")]
    main([*places, *SIZES.split(), "--brax", "--output", str(tmp_path / "gpu.json")])
    printed = capsys.readouterr().out.splitlines()
    assert json.loads(printed[-1]) == json.loads((tmp_path / "gpu.json").read_text())
    machine, trained, together = json.loads(printed[-1])["cells"]
    assert [cell["status"] for cell in (machine, trained, together)] == ["ok"] * 3
    assert machine["versions"]["mujoco-mjx"]

    steps = 2 * 4 * 4
    assert trained["steps_per_second"] == pytest.approx(steps / trained["iteration"])
    assert trained["physics_steps_per_second"] == pytest.approx(2 * trained["steps_per_second"])
    assert 0 < trained["collecting"] < trained["compile"]
    # nothing but the rewards themselves
    assert {name for name, _ in trained["second_compiled"]["longest"]} == {"jit(batched)"}
    assert trained["second_compiled"]["programs"] == 2

    assert together["steps"] == 32
    assert len(together["alone"]) == 2
    assert all(0 < job["first_iteration"] < job["seconds"] for job in together["alone"])
