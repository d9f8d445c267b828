"""What ``reward-synth verify`` says of a bundle that is damaged, and that it says so."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reward_synth.cli import main
from reward_synth.deploy.runtime import BundleError, load_bundle
from reward_synth.task import load_task
from tests.extras.bundles import ROBOT, make_bundle
from tests.extras.damages import DAMAGES, GUIDE, do, table, without_numbers

POLICIES = Path(__file__).resolve().parents[2] / "policies"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("bundles") / "hopper", robot=ROBOT)


@pytest.fixture
def bundle(whole, tmp_path):
    return Path(shutil.copytree(whole, tmp_path / "bundle"))


def verify(capsys, folder) -> tuple[int, str]:
    code = main(["verify", str(folder)])
    said = capsys.readouterr()
    return code, said.out + said.err


def test_a_whole_bundle_is_sound(whole, capsys):
    code, said = verify(capsys, whole)
    assert code == 0, said
    assert "WRONG" not in said
    assert said.splitlines()[-1].endswith("hopper: sound")
    for words in ("opset 17", "3 driven joints", "100 actions", "20 episodes", "99th percentile"):
        assert words in said


def test_a_bundle_says_how_it_keeps_to_the_robots_limits(whole):
    said = json.loads((whole / "deploy.json").read_text())["evidence"]["limits"]
    assert [x["limit"] for x in said] == [limit.name for limit in load_task("hopper").limits]
    assert "limits that the task declares" in (whole / "card.md").read_text(encoding="utf-8")


def test_it_needs_no_jax(whole):
    code = (
        "import sys; from reward_synth.cli import main; code = main(sys.argv[1:]); "
        "sys.exit(3 if {'jax', 'onnx'} & set(sys.modules) else code)"
    )
    done = subprocess.run([sys.executable, "-c", code, "verify", str(whole)], check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_found_and_named(bundle, capsys, name):
    do(name, bundle)
    code, said = verify(capsys, bundle)
    assert code == 1, said
    wrong = "\n".join(line for line in said.splitlines() if line.startswith("WRONG"))
    assert DAMAGES[name][2] in wrong, said
    assert said.splitlines()[-1].endswith("DAMAGED")


def test_the_guides_table_is_what_verify_says(whole, tmp_path):
    """Made anew with: python -m tests.extras.damages"""
    found = without_numbers(table(whole, tmp_path))
    assert found in without_numbers(GUIDE.read_text(encoding="utf-8"))


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_flipped_bit_is_found(whole, tmp_path_factory, data):
    """By the hashes and the signature alone, which the runtime checks as well."""
    folder = Path(shutil.copytree(whole, tmp_path_factory.mktemp("flipped") / "bundle"))
    names = sorted(path.name for path in whole.iterdir())
    path = folder / data.draw(st.sampled_from(names))
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    with pytest.raises(BundleError):
        load_bundle(folder)


@pytest.mark.parametrize("folder", sorted(POLICIES.iterdir()), ids=lambda path: path.name)
def test_released_bundles_are_sound_and_small(folder, capsys):
    code, said = verify(capsys, folder)
    assert code == 0, said
    assert sum(path.stat().st_size for path in folder.iterdir()) < 1_000_000
    task = json.loads((folder / "deploy.json").read_text())["task"]
    assert task["name"] == folder.name


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "takes one bundle's folder"),
        (("a", "b"), "takes one bundle's folder"),
        (("--fast",), "takes one bundle's folder"),
        (("nowhere",), "there is no folder nowhere"),
        ((".",), "is no bundle: give one that `reward-synth export` made"),
    ],
)
def test_a_mistake_in_the_command_is_no_damage(tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    assert main(["verify", *arguments]) == 2
    said = capsys.readouterr()
    assert words in said.err
    assert said.err.count("\n") == 1


def test_the_runtime_refuses_another_robot(whole):
    assert load_bundle(whole, tuple(ROBOT)).robot_joints == tuple(ROBOT)
    with pytest.raises(
        BundleError, match=r"for a robot with the joints knee, ankle, hip.*--joints"
    ):
        load_bundle(whole, ("hip", "knee", "ankle"))


def test_a_bundle_that_was_stressed_says_so_in_its_card_and_is_sound(bundle, capsys, monkeypatch):
    monkeypatch.chdir(bundle.parent)
    assert main(["stress", str(bundle), "episodes=2"]) == 0
    assert capsys.readouterr().out.rstrip().endswith("stress.svg")
    assert "worst case" in (bundle / "card.md").read_text(encoding="utf-8")
    code, said = verify(capsys, bundle)
    assert code == 0, said
