"""A bundle's MuJoCo model, read back. Imports no JAX."""

from __future__ import annotations

from pathlib import Path

import mujoco

from reward_synth.task.models import tolerate_old_models

PLAIN, PACKED = "model.xml", "model.zip"


def read_model(path: Path) -> mujoco.MjModel:
    """Compile a bundle's model.

    Raises:
      ValueError: MuJoCo refuses it.
    """
    with tolerate_old_models():
        if path.suffix == ".zip":
            with path.open("rb") as file:
                return mujoco.MjSpec.from_zip(file).compile()
        return mujoco.MjModel.from_xml_path(str(path))
