"""The model of a task as a file of the bundle, and the task on the model that the file gives.

MJCF keeps six digits of a number, so the carried model is not bit for bit the task's. All
that a bundle says is therefore measured on the model that it carries.
"""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

import mujoco

from reward_synth.deploy.model import PACKED, PLAIN, read_model
from reward_synth.errors import ExportError
from reward_synth.task.load import task_spec
from reward_synth.task.models import tolerate_old_models
from reward_synth.task.task import Task


def carry(task: Task, folder: Path) -> tuple[Task, str]:
    """Write a task's model into a folder; return the task on it and the file's name.

    Raises:
      ExportError: the task has no MjSpec, or it does not survive being written.
    """
    with tolerate_old_models():
        spec = task_spec(task)
        if not isinstance(spec, mujoco.MjSpec):
            raise ExportError(
                f"model() of {task.name} returns a compiled model: let it return the MjSpec, "
                "which can be written into a bundle."
            )
        spec.compile()
        text = spec.to_xml()
        (folder / PLAIN).write_text(text, encoding="utf-8")
        name = PLAIN
        try:
            mujoco.MjModel.from_xml_string(text)
        except ValueError:  # it refers to meshes or other files, which are packed with it
            (folder / PLAIN).unlink()
            _pack(spec, folder / PACKED, task.name)
            name = PACKED
    model = read_model(folder / name)
    if (model.nq, model.nv, model.nu, model.nsensordata) != (
        task.model.nq,
        task.model.nv,
        task.model.nu,
        task.model.nsensordata,
    ):
        raise ExportError(f"the model of {task.name} is another when it is written and read.")
    low, high = model.actuator_ctrlrange.T
    return replace(
        task, model=model, action_scale=(high - low) / 2, action_offset=(high + low) / 2
    ), name


def _pack(spec: mujoco.MjSpec, path: Path, name: str) -> None:
    """Write a zip of a model and the files that it is made from.

    Raises:
      ExportError: a file cannot be read.
    """
    given, home = dict(spec.assets), Path(spec.modelfiledir)
    packed: dict[str, bytes] = {}
    for items, folder in (
        (spec.meshes, spec.meshdir),
        (spec.hfields, spec.meshdir),
        (spec.skins, spec.meshdir),
        (spec.textures, spec.texturedir),
    ):
        for item in [item for item in items if item.file]:
            content, file = _content(given, home / folder, item.file), Path(item.file).name
            while packed.get(file, content) != content:  # another file of this name
                file = f"_{file}"
            packed[file], item.file = content, file
    spec.meshdir = spec.texturedir = ""
    spec.assets = packed
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, content in {f"{name}.xml": spec.to_xml().encode(), **packed}.items():
            archive.writestr(zipfile.ZipInfo(file), content, zipfile.ZIP_DEFLATED)


def _content(given: dict[str, bytes], folder: Path, file: str) -> bytes:
    for key in (file, Path(file).name):
        if key in given:
            return given[key]
    try:
        return (folder / file).read_bytes()
    except OSError as error:
        raise ExportError(f"{error.filename}, of which the model is made: {error}.") from error
