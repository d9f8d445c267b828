"""What can happen to a bundle, and the table in docs/deploy.md of what verify says of it.

.venv/bin/python -m tests.extras.damages

damages a bundle of the hopper in each of the ways in ``TOLD`` and writes the table anew.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx

from reward_synth.cli import main as command
from reward_synth.deploy.seal import seal
from reward_synth.deploy.verify import verify
from tests.extras.bundles import ROBOT, make_bundle

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "deploy.md"
Damage = Callable[[Path], object]


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
DAMAGES: dict[str, tuple[Damage, bool, str]] = {
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

# Those in the guide's table, in its words.
TOLD = {
    "a byte of the network": "a bit of `policy.onnx` flipped",
    "a cut network": "`policy.onnx` cut off in the middle",
    "a cut description": "`deploy.json` cut off in the middle",
    "a renamed file": "`observe.onnx` renamed",
    "swapped joints": "two joints swapped",
    "swapped joints, signed": "two joints swapped, signed",
    "the robot's joints crossed": "the robot's joints crossed, signed",
    "scale": "the scale of an action halved",
    "scale, signed": "the scale of an action halved, signed",
    "a term's scale": "an observation scaled by 2, signed",
    "a missing key": "the control period missing, signed",
    "another opset": "another opset written into `policy.onnx`",
    "weights": "weights 0.1% larger, signed",
    "a slower loop": "twice as many physics steps an action, signed",
    "a heavier robot": "rotors 10% heavier in the model, signed",
    "another robot": "the model of the reacher, signed",
    "another version": "format 2, signed",
    "other returns": "the trainer's returns raised by 1, signed",
}


def do(name: str, folder: Path) -> None:
    """Damage a bundle."""
    damage, signed, _ = DAMAGES[name]
    damage(folder)
    if signed:
        seal(folder, json.loads((folder / "deploy.json").read_text()))


def table(whole: Path, scratch: Path) -> str:
    """Return the table, in Markdown, of what verify says of copies of a bundle."""
    lines = ["| what was done | what verify says first | what fails | code |", "|---|---|---|---|"]
    for i, (name, words) in enumerate(TOLD.items()):
        folder = Path(shutil.copytree(whole, scratch / str(i)))
        do(name, folder)
        wrong = [check for check in verify(folder) if not check.sound]
        with contextlib.redirect_stdout(io.StringIO()):
            code = command(["verify", str(folder)])
        checks = ", ".join(check.name for check in wrong)
        lines.append(f"| {words} | {wrong[0].words[0]} | {checks} | {code} |")
    return "\n".join(lines)


def without_numbers(text: str) -> str:
    """Leave out what depends on the machine and on versions: numbers, and where a cut falls."""
    return re.sub(r"\d[\d.,e+-]*", "#", re.sub(r"damaged: [^|]*", "damaged: #", text))


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        made = table(make_bundle(place / "hopper", robot=ROBOT), place)
    text = GUIDE.read_text(encoding="utf-8")
    old = re.search(r"\| what was done \|.*?(?=\n\n)", text, re.DOTALL)
    assert old is not None
    GUIDE.write_text(text.replace(old[0], made), encoding="utf-8")
    print(made)


if __name__ == "__main__":
    main()
