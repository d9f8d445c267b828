"""Models for tasks: found in installed packages or beside the task, extended through MjSpec."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import mujoco
import numpy as np

from reward_synth.errors import TaskError

# MuJoCo answers a bad position, velocity or acceleration by putting the simulation back home and
# going on; only its count of these warnings tells.
DIVERGENCE = [
    int(mujoco.mjtWarning.mjWARN_BADQPOS),
    int(mujoco.mjtWarning.mjWARN_BADQVEL),
    int(mujoco.mjtWarning.mjWARN_BADQACC),
]


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
    with tolerate_old_models():
        return mujoco.MjSpec.from_file(str(path))


@contextmanager
def tolerate_old_models() -> Iterator[None]:
    """Silence MuJoCo on the deprecated compiler attributes that gymnasium's models still use."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*deprecated.*", category=UserWarning)
        yield


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


def add_camera(
    spec: mujoco.MjSpec,
    name: str,
    *,
    position: Sequence[float],
    target: Sequence[float],
    follow: str | None = None,
) -> None:
    """Add a camera with the world's z upwards in its picture.

    Args:
      spec: the model, changed in place.
      name: the camera's name, for ``CAMERA``.
      position: (3,) where it stands, in m; in the frame of the body ``follow``, else the world's.
      target: (3,) the point it looks at, in the same frame.
      follow: a body whose subtree's centre of mass it keeps its distance to, without turning.
    """
    forward = np.subtract(target, position)
    forward = forward / np.linalg.norm(forward)
    right = np.cross(forward, (0.0, 0.0, 1.0))
    if np.linalg.norm(right) < 1e-6:  # straight down: x to the right, y upwards
        right = np.array((1.0, 0.0, 0.0))
    right = right / np.linalg.norm(right)
    # a MuJoCo camera looks along its -z, with x to the right and y upwards
    axes = np.stack((right, np.cross(right, forward), -forward), axis=1)
    quat = np.empty(4)
    mujoco.mju_mat2Quat(quat, axes.ravel())
    modes = mujoco.mjtCamLight
    body = spec.worldbody if follow is None else spec.body(follow)
    camera = body.add_camera(name=name, pos=list(position), quat=quat)
    camera.mode = modes.mjCAMLIGHT_FIXED if follow is None else modes.mjCAMLIGHT_TRACKCOM


def dress(spec: mujoco.MjSpec, *, tile: float = 1.0) -> None:
    """Give a model the look of all our videos: soft light, evening sky, tiled floor.

    Physics is untouched, and nothing is added that is slow to render.

    Args:
      spec: the model, changed in place.
      tile: side of a floor tile in m; tiles are what shows motion.
    """
    light = spec.visual.headlight
    light.ambient, light.diffuse, light.specular = [0.45] * 3, [0.55] * 3, [0.05] * 3
    for material in spec.materials:
        material.reflectance = 0.0
    sky = mujoco.mjtTexture.mjTEXTURE_SKYBOX
    for texture in [t for t in spec.textures if t.type == sky]:
        spec.delete(texture)
    spec.add_texture(
        name="dress_sky",
        type=sky,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=[0.62, 0.72, 0.82],
        rgb2=[0.20, 0.26, 0.36],
        width=128,
        height=128,
    )
    spec.add_texture(
        name="dress_floor",
        type=mujoco.mjtTexture.mjTEXTURE_2D,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_CHECKER,
        rgb1=[0.23, 0.30, 0.38],
        rgb2=[0.29, 0.37, 0.46],
        width=128,
        height=128,
    )
    # On planes MuJoCo repeats a uniform texture every 2/texrepeat m, and one holds 2 x 2 tiles.
    floor = spec.add_material(name="dress_floor", texuniform=True, texrepeat=[1.0 / tile] * 2)
    floor.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = "dress_floor"
    for geom in spec.geoms:
        if geom.type == mujoco.mjtGeom.mjGEOM_PLANE:
            geom.material = "dress_floor"
            geom.rgba = [1.0] * 4
