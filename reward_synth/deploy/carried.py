"""The model of a task as a file of the bundle, and the task on the model that the file gives.

MJCF keeps six digits of a number, so the carried model is not bit for bit the task's. All
that a bundle says is therefore measured on the model that it carries.
"""

from __future__ import annotations

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
        except ValueError:  # it refers to meshes or textures, which are packed with it
            (folder / PLAIN).unlink()
            spec.modelname = spec.modelname or task.name
            spec.to_zip(str(folder / PACKED))
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
