"""What ``reward-synth verify`` says of a bundle that is damaged, and that it says so."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reward_synth.cli import main
from reward_synth.deploy.runtime import BundleError, load_bundle
from reward_synth.deploy.seal import seal
from tests.extras.bundles import make_bundle

POLICIES = Path(__file__).resolve().parents[2] / "policies"
ROBOT = {"knee": "leg_joint", "ankle": "foot_joint", "hip": "thigh_joint"}


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


def test_it_needs_no_jax(whole):
    code = (
        "import sys; from reward_synth.cli import main; code = main(sys.argv[1:]); "
        "sys.exit(3 if {'jax', 'onnx'} & set(sys.modules) else code)"
    )
    done = subprocess.run([sys.executable, "-c", code, "verify", str(whole)], check=False)
    assert done.returncode == 0


def described(change):
    """Damage to deploy.json: a function that changes its content in place."""

    def damage(folder: Path) -> None:
        path = folder / "deploy.json"
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    return damage


def network(change):
    """Damage to policy.onnx."""

    def damage(folder: Path) -> None:
        model = onnx.load(folder / "policy.onnx")
        change(model)
        onnx.save(model, folder / "policy.onnx")

    return damage


def rewritten(name, change):
    return lambda folder: (folder / name).write_bytes(change((folder / name).read_bytes()))


def cut(name):
    return rewritten(name, lambda data: data[: len(data) // 2])


def flipped(data: bytes) -> bytes:
    at = len(data) // 2
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def swap_joints(content):
    one, other = content["joints"][0], content["joints"][1]
    one["name"], other["name"] = other["name"], one["name"]


def swap_robot(content):
    joints = content["robot"]["joints"]
    joints[0]["name"], joints[0]["simulation"] = "thigh_joint", "leg_joint"


def forget_period(content):
    del content["timing"]["period"]


def at(*path, value):
    def change(content):
        for key in path[:-1]:
            content = content[key]
        content[path[-1]] = value

    return change


def other_opset(model):
    model.opset_import[0].version = 18


def fixed_batch(model):
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1


def weaker(model):
    for tensor in model.graph.initializer:
        if len(tensor.dims) == 2:
            values = onnx.numpy_helper.to_array(tensor) * np.float32(1.001)
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))


def rename(name, to):
    return lambda folder: (folder / name).rename(folder / to)


def other_robot(folder: Path) -> None:
    from reward_synth.deploy.carried import carry
    from reward_synth.task import load_task

    carry(load_task("reacher"), folder)


def shorter_memory(folder: Path) -> None:
    with np.load(folder / "golden.npz") as arrays:
        saved = dict(arrays)
    saved["fitness"] = saved["fitness"] + 1.0
    np.savez(folder / "golden.npz", **saved)


CHANGED = "was changed after the export"
# What is done; whether deploy.json is signed anew after it; what verify has to say.
DAMAGES = {
    "a byte of the network": (rewritten("policy.onnx", flipped), False, f"policy.onnx {CHANGED}"),
    "a byte of the model": (rewritten("model.xml", flipped), False, f"model.xml {CHANGED}"),
    "a byte of the card": (rewritten("card.md", flipped), False, f"card.md {CHANGED}"),
    "weights": (network(weaker), True, "gives actions that differ by"),
    "swapped joints": (described(swap_joints), False, f"deploy.json {CHANGED}"),
    "swapped joints, signed": (
        described(swap_joints),
        True,
        "joints/0/name is 'leg_joint'; the model says 'thigh_joint'",
    ),
    "swapped joints in the file": (described(swap_joints), True, "policy.onnx says joint_names ="),
    "the robot's joints crossed": (described(swap_robot), True, "joint thigh_joint is mapped to"),
    "a joint mapped twice": (
        described(at("robot", "joints", 0, "simulation", value="foot_joint")),
        True,
        "the robot's joints are mapped to foot_joint, foot_joint, thigh_joint",
    ),
    "scale": (described(at("joints", 0, "scale", value=100.0)), False, f"deploy.json {CHANGED}"),
    "scale, signed": (
        described(at("joints", 0, "scale", value=100.0)),
        True,
        "joints/0/scale is 100; the model says 200",
    ),
    "scale in the file": (
        described(at("joints", 0, "scale", value=100.0)),
        True,
        "policy.onnx says action_scale = 200.0,200.0,200.0",
    ),
    "a missing key": (described(forget_period), True, "'period' is a required property"),
    "a missing section": (
        described(lambda content: content.pop("golden")),
        True,
        "'golden' is a required property",
    ),
    "a key too many": (described(at("safe", value=True)), True, "'safe' was unexpected"),
    "words for a number": (
        described(at("timing", "decimation", value="four")),
        True,
        "timing/decimation: 'four' is not of type 'integer'",
    ),
    "another opset": (network(other_opset), False, "opset 18; deploy.json says 17"),
    "another opset, signed": (network(other_opset), True, "opset 18; deploy.json says 17"),
    "a fixed batch": (network(fixed_batch), True, "the batch of the input of policy.onnx is fixed"),
    "a cut network": (cut("policy.onnx"), False, "policy.onnx is no ONNX file"),
    "a cut network, signed": (cut("policy.onnx"), True, "policy.onnx is no ONNX file"),
    "a cut observation": (cut("observe.onnx"), True, "observe.onnx cannot be read"),
    "a cut judge": (cut("judge.onnx"), True, "judge.onnx cannot be read"),
    "a cut model": (cut("model.xml"), True, "robot"),
    "cut golden episodes": (cut("golden.npz"), True, "closed loop"),
    "a cut description": (cut("deploy.json"), False, "deploy.json is cut off or damaged"),
    "an empty description": (rewritten("deploy.json", lambda _: b""), False, "is cut off"),
    "no description": (lambda folder: (folder / "deploy.json").unlink(), False, "is missing"),
    "a renamed file": (rename("observe.onnx", "obs.onnx"), False, "observe.onnx is missing"),
    "a stray file": (rename("observe.onnx", "obs.onnx"), False, "obs.onnx does not belong"),
    "another robot": (other_robot, True, "model.xml is another robot's: nq is 4, not 6"),
    "another version": (
        described(at("format", value=2)),
        True,
        "the bundle has format 2, and reward-synth",
    ),
    "a term's clip": (
        described(at("observation", "terms", 3, "clip", value=[-1.0, 1.0])),
        True,
        "is not what observe.onnx computes",
    ),
    "a term's scale": (
        described(at("observation", "terms", 0, "scale", value=2.0)),
        True,
        "the term torso_position is not what observe.onnx computes",
    ),
    "what a field reads": (
        described(at("fields", 1, "mujoco", "entries", value=[3])),
        True,
        "field torso_pitch reads thigh_joint of the model",
    ),
    "a slower loop": (
        described(at("timing", "decimation", value=8)),
        True,
        "timing/period is 0.008; the model makes it 0.016",
    ),
    "a heavier robot": (
        rewritten("model.xml", lambda data: data.replace(b'armature="1"', b'armature="1.1"')),
        True,
        "positions leave the trainer's",
    ),
    "other returns": (shorter_memory, True, "the mean fitness is"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_found_and_named(bundle, capsys, name):
    damage, signed, words = DAMAGES[name]
    damage(bundle)
    if signed:
        seal(bundle, json.loads((bundle / "deploy.json").read_text()))
    code, said = verify(capsys, bundle)
    assert code == 1, said
    wrong = "\n".join(line for line in said.splitlines() if line.startswith("WRONG"))
    assert words in wrong, said
    assert said.splitlines()[-1].endswith("DAMAGED")


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
