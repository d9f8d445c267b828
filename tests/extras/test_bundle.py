"""``reward-synth export`` from a run to a bundle that is sound."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import mujoco
import numpy as np
import onnx
import pytest

from reward_synth.cli import main
from reward_synth.deploy.bundle import GOLDEN_EPISODES
from reward_synth.deploy.carried import carry
from reward_synth.deploy.model import read_model
from reward_synth.deploy.runtime import load_bundle
from reward_synth.deploy.verify import verify
from reward_synth.task import bundled_tasks, load_task
from tests.conftest import POINT_TASK
from tests.extras.bundles import make_bundle


@pytest.fixture(scope="module")
def run(point_task_folder, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "run"
    settings = (
        f"task={point_task_folder}",
        f"hydra.run.dir={folder}",
        "llm=offline",
        "search=smoke",
        "search.steps=2048",
        "search.generations=1",
        "final.trainings=2",
        "randomise.mass=[0.9,1.1]",
        "final.episodes=2",
        "video.enabled=false",
    )
    assert main(["run", *settings]) == 0
    return folder


def test_a_run_becomes_a_sound_bundle(run, capsys):
    assert main(["export", str(run)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("point: the final training seed_")
    assert Path(said[-1]).resolve() == (run / "deploy").resolve()
    folder = run / "deploy"
    assert sorted(path.name for path in folder.iterdir()) == [
        *("card.html", "card.md", "deploy.json", "golden.npz", "judge.onnx", "model.xml"),
        *("observe.onnx", "policy.onnx"),
    ]
    assert main(["verify", str(folder)]) == 0
    description = json.loads((folder / "deploy.json").read_text())
    assert len(description["golden"]["observations"]) == 100
    assert description["evidence"]["episodes"] == 100
    assert description["provenance"]["worlds"] == "mass 0.9 to 1.1"
    assert description["timing"]["period"] == pytest.approx(0.1)
    (joint,) = description["joints"]
    assert (joint["name"], joint["kind"], joint["unit"], joint["scale"]) == (
        *("rail", "effort", "N"),
        2.0,
    )
    assert [field["source"] for field in description["fields"]] == [
        *("joint position", "joint velocity", "action"),
    ]
    reward = description["provenance"]["reward"]
    assert reward in [p.read_text(encoding="utf-8") for p in run.glob("gen_*/cand_*/reward.py")]
    assert reward.strip() in (folder / "card.md").read_text(encoding="utf-8")


def test_a_candidate_becomes_one(run, tmp_path, capsys):
    candidate = next(path.parent for path in sorted(run.glob("gen_00/cand_*/rollout.npz")))
    assert main(["export", str(candidate), "--output", str(tmp_path / "b")]) == 0
    bundle = load_bundle(tmp_path / "b")
    assert bundle.description["evidence"]["comparison"] == {}
    assert "No final comparison was made with this reward" in (tmp_path / "b/card.md").read_text()
    # the network is the candidate's: its weights are in the file
    with np.load(candidate / "policy.npz") as arrays:
        weights = arrays["actor_0_weight"]
    model = onnx.load(tmp_path / "b/policy.onnx")
    tensors = [onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer]
    assert any(np.array_equal(tensor, weights) for tensor in tensors)


def test_a_joint_that_the_simulation_has_not(run, tmp_path, capsys):
    arguments = ("--output", str(tmp_path / "b"), "--joints", "motor=rial")
    assert main(["export", str(run), *arguments]) == 1
    assert "--joints must name each of the simulation's rail once" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_metadata_is_in_full_precision(tmp_path):
    folder = make_bundle(tmp_path / "pusher", "pusher")
    written = {p.key: p.value for p in onnx.load(folder / "policy.onnx").metadata_props}
    assert written["joint_names"].split(",")[0] == "r_shoulder_pan_joint"
    model = load_task("pusher").model
    expected = [float(repr(float(x))) for x in model.actuator_ctrlrange[:, 1]]
    assert [float(x) for x in written["action_scale"].split(",")] == expected
    keys = "joint_names joint_stiffness joint_damping default_joint_pos command_names"
    assert set(f"{keys} observation_names action_scale".split()) <= set(written)


@pytest.mark.parametrize("name", bundled_tasks())
def test_every_bundled_task_makes_a_sound_bundle(name, tmp_path):
    folder = make_bundle(tmp_path / name, name)
    findings = list(verify(folder))
    assert [check for check in findings if not check.sound] == []
    with np.load(folder / "golden.npz") as golden:
        assert len(golden["initial_qpos"]) == GOLDEN_EPISODES
    assert sum(path.stat().st_size for path in folder.iterdir()) < 1_000_000


@pytest.mark.parametrize("name", bundled_tasks())
def test_the_carried_model_is_the_tasks_to_six_digits(name, tmp_path):
    task = load_task(name)
    carried, file = carry(task, tmp_path)
    assert file == "model.xml"
    for array in ("body_mass", "dof_damping", "dof_armature", "actuator_gear", "jnt_axis"):
        mine, its = getattr(task.model, array), getattr(carried.model, array)
        assert its == pytest.approx(mine, rel=1e-5, abs=1e-6), array
    assert carried.model.opt.timestep == task.model.opt.timestep
    assert carried.model.opt.integrator == task.model.opt.integrator


TETRAHEDRON = "v 0 0 0\nv 0.2 0 0\nv 0 0.2 0\nv 0 0 0.2\nf 1 3 2\nf 1 2 4\nf 2 3 4\nf 1 4 3\n"


def test_meshes_are_packed_with_the_model(tmp_path):
    folder = tmp_path / "meshed"
    folder.mkdir()
    text = POINT_TASK.replace('<geom size="0.1" mass="1"/>', '<geom type="mesh" mesh="rock"/>')
    text = text.replace(
        "<worldbody>", '<asset><mesh name="rock" file="rock.obj"/></asset><worldbody>'
    )
    text = text.replace(
        "return mujoco.MjSpec.from_string(XML)",
        "spec = mujoco.MjSpec.from_string(XML)\n    spec.modelfiledir = FOLDER\n    return spec",
    )
    (folder / "task.py").write_text(f"{text}\n\nFOLDER = {str(folder)!r}\n")
    (folder / "task.md").write_text("# Meshed\n\nBring the rock to rest.\n")
    (folder / "rock.obj").write_text(TETRAHEDRON)
    bundle = make_bundle(tmp_path / "bundle", folder)
    (folder / "rock.obj").unlink()  # the bundle has it
    assert (bundle / "model.zip").is_file()
    assert not (bundle / "model.xml").exists()
    assert isinstance(read_model(bundle / "model.zip"), mujoco.MjModel)
    assert all(check.sound for check in verify(bundle))


def test_the_example_drives_a_robot_in_another_process(run, tmp_path):
    assert main(["export", str(run), "--output", str(tmp_path / "b")]) == 0
    command = [sys.executable, "-m", "reward_synth.deploy.example_robot", str(tmp_path / "b")]
    done = subprocess.run(
        [*command, "--seconds", "1"], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "10 control periods of 100 ms, over UDP on 127.0.0.1"
    assert re.match(r"reading to command: median \d+\.\d+ ms, 99th percentile", lines[2])
    assert lines[4].startswith("fitness: ")
    assert lines[4].endswith("in 10 of 20 steps")
