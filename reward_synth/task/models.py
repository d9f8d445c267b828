"""Models for tasks: found in installed packages or beside the task, extended through MjSpec."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path

import mujoco

from reward_synth.errors import TaskError


def gymnasium_model(filename: str) -> mujoco.MjSpec:
    """Return a model that the installed gymnasium package ships, such as ``"hopper.xml"``.

    Raises:
      TaskError: gymnasium has no such model.
    """
    package = importlib.util.find_spec("gymnasium")
    if package is None or package.origin is None:
        raise TaskError("the gymnasium package is missing: pip install gymnasium.")
    path = Path(package.origin).parent / "envs" / "mujoco" / "assets" / filename
    if not path.is_file():
        known = ", ".join(sorted(p.name for p in path.parent.glob("*.xml")))
        raise TaskError(f"gymnasium ships no model {filename!r}; it has {known}.")
    return scene(path)


def scene(path: str | Path) -> mujoco.MjSpec:
    """Read an MJCF or URDF file, for example ``scene(Path(__file__).with_name("scene.xml"))``."""
    with warnings.catch_warnings():
        # gymnasium's files still use compiler attributes that MuJoCo calls deprecated
        warnings.filterwarnings("ignore", message=".*deprecated.*", category=UserWarning)
        return mujoco.MjSpec.from_file(str(path))


def add_sensor(
    spec: mujoco.MjSpec,
    name: str,
    kind: str,
    of: str,
    *,
    object_type: str = "body",
    relative_to: str | None = None,
    reference_type: str = "body",
) -> None:
    """Add a sensor to a model.

    Args:
      spec: the model, changed in place.
      name: the sensor's name, for ``sensors(..., name)``.
      kind: the mjtSensor without its prefix, in lower case: ``"framepos"``, ``"subtreelinvel"``.
      of: the name of the object that is measured.
      object_type: its mjtObj in lower case: ``"body"`` (its centre of mass), ``"xbody"`` (its
        frame), ``"site"``, ``"geom"``.
      relative_to: measure in the frame of this object rather than the world's.
      reference_type: that object's mjtObj.
    """
    sensor = spec.add_sensor(
        name=name,
        type=getattr(mujoco.mjtSensor, f"mjSENS_{kind.upper()}"),
        objtype=getattr(mujoco.mjtObj, f"mjOBJ_{object_type.upper()}"),
        objname=of,
    )
    if relative_to is not None:
        sensor.reftype = getattr(mujoco.mjtObj, f"mjOBJ_{reference_type.upper()}")
        sensor.refname = relative_to
