"""A bundle is tested in its own task: what may have changed since, and what is named if not."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from reward_synth.cli import main
from reward_synth.deploy.runtime import load_bundle
from reward_synth.deploy.same_task import check_same
from reward_synth.errors import ExportError
from reward_synth.task import load_task
from tests.extras.bundles import make_bundle


@pytest.fixture(scope="module")
def bundle(point_task_folder, tmp_path_factory):
    return load_bundle(make_bundle(tmp_path_factory.mktemp("same") / "point", point_task_folder))


@pytest.fixture
def folder(point_task_folder, tmp_path):
    return Path(shutil.copytree(point_task_folder, tmp_path / "point"))


def edit(folder: Path, old: str, new: str) -> None:
    path = folder / "task.py"
    source = path.read_text()
    assert source.count(old) == 1, old
    path.write_text(source.replace(old, new))


def check(folder: Path, bundle) -> None:
    def act(observation):
        (action,) = bundle.policy.run(None, {"obs": observation.astype(np.float32)})
        return action

    check_same(load_task(folder), bundle, act)


LIMITS = """from reward_synth.task import joint_speed

LIMITS = (joint_speed("speed", "rail", most=1.0),)
"""


def test_what_concerns_no_policy_may_change(folder, bundle):
    check(folder, bundle)
    (folder / "task.md").write_text("# Point\n\nGo to 1 m.\n\nWith new notes.\n")
    edit(folder, "-0.01 * jnp.sum", "-0.02 * jnp.sum")
    edit(folder, "TRAIN_STEPS = 512", f"TRAIN_STEPS = 1024\n{LIMITS}")
    edit(folder, '<geom size="0.1" mass="1"/>', '<geom size="0.1" mass="1" rgba="1 0 0 1"/>')
    assert load_task(folder).fingerprint != bundle.description["task"]["fingerprint"]
    check(folder, bundle)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("FRAME_SKIP = 2", "FRAME_SKIP = 3", "its decimation is 3, and was 2"),
        ("EPISODE_STEPS = 20", "EPISODE_STEPS = 30", "its episode steps is 30, and was 20"),
        ('mass="1"', 'mass="1.2"', "its model differs in body_inertia, body_mass"),
        ('timestep="0.05"', 'timestep="0.05" gravity="0 0 0"', "its model differs in opt.gravity"),
        ('joint_velocities("velocity"', 'joint_velocities("speed"', "its fields are others"),
        ("minval=-0.5, maxval=0.5", "minval=-0.5, maxval=0.6", "its episodes begin elsewhere"),
        ("jnp.stack([state.position,", "jnp.stack([2.0 * state.position,", r"observe\(\) gives"),
        ("- 1.0) / 20", "- 0.9) / 20", r"fitness\(\) gives"),
        ("> 3.0", "> 0.3", r"terminated\(\) gives"),
        ("< 0.2)", "< 0.4)", r"success\(\) gives"),
    ],
)
def test_what_concerns_it_is_named(folder, bundle, old, new, words):
    edit(folder, old, new)
    if "speed" in new:
        edit(folder, "state.velocity]", "state.speed]")
    with pytest.raises(ExportError, match=f"not as it was when the bundle was made: {words}"):
        check(folder, bundle)


def test_the_command_says_it_in_a_line(point_task_folder, bundle, folder, monkeypatch, capsys):
    """A user's task is found by its folder's name, from where that folder is."""
    monkeypatch.chdir(folder.parent)
    mine = Path(shutil.copytree(bundle.folder, folder.parent / "bundle"))
    assert main(["stress", str(mine), "episodes=2"]) == 0
    capsys.readouterr()
    edit(folder, 'mass="1"', 'mass="1.2"')
    assert main(["stress", str(mine), "episodes=2"]) == 1
    said = capsys.readouterr().err
    assert "its model differs in body_inertia, body_mass." in said
    assert said.count("\n") == 1
    (mine / "policy.onnx").write_bytes(b"")
    assert main(["stress", str(mine), "episodes=2"]) == 1
    said = capsys.readouterr().err
    assert "policy.onnx" in said and "`reward-synth verify` says more" in said
    assert said.count("\n") == 1
