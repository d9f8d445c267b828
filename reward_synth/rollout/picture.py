"""Pictures of a model in a posture, drawn by software: quick, calm and legible.

The scene is dressed for that: a bright background that distant floor fades into,
a pale floor, no mirror images, and shadows that are the robot's own shapes laid
flat on the floor (Blinn 1988, "Me and My (Fake) Shadow"), which costs a tenth of
what shadow maps cost. Edges are smoothed by drawing twice as large, which is
faster in software than multisampling.
"""

from __future__ import annotations

import copy
from collections.abc import Generator, Iterable

import mujoco
import numpy as np
from PIL import Image

_BACKGROUND = (0.945, 0.949, 0.957)
_FLOOR = (0.89, 0.98)  # the floor texture's darkest and brightest grey
_SHADOW = (0.66, 0.67, 0.71)
_LIGHT = np.array([0.25, 0.35, -1.0])  # the direction in which shadows fall
_OVERSAMPLING = 2
_TURNED_ELEVATION = -25.0  # degrees


def draw(
    model: mujoco.MjModel,
    camera: str | None,
    postures: Iterable[np.ndarray],
    width: int,
    height: int,
    *,
    turn: float = 0.0,
) -> Generator[Image.Image, None, None]:
    """Yield a picture of each posture.

    Args:
      model: the model; it is not changed.
      camera: a camera's name, None for MuJoCo's free camera.
      postures: F of MuJoCo's positions, (nq,), each asked for when it is drawn.
      width: in pixels.
      height: in pixels.
      turn: degrees by which the camera walks around what it looks at, to see it from above at an
        angle; at 0 it stays where the model has it.

    Raises:
      Exception: whatever the GL library raises if it cannot draw here.
    """
    width, height = width * _OVERSAMPLING, height * _OVERSAMPLING
    model = dressed(model, camera, width, height)
    floor, away = _floor_height(model), _distance(model, camera)
    data = mujoco.MjData(model)
    with mujoco.Renderer(model, height, width, max_geom=2 * model.ngeom + 1000) as renderer:
        flags = renderer.scene.flags
        flags[mujoco.mjtRndFlag.mjRND_SHADOW] = False
        flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = False
        flags[mujoco.mjtRndFlag.mjRND_SKYBOX] = False
        flags[mujoco.mjtRndFlag.mjRND_FOG] = True
        for posture in postures:
            data.qpos[:] = posture
            mujoco.mj_fwdPosition(model, data)
            renderer.update_scene(data, -1 if camera is None else camera)
            if turn:
                turned = _turned(renderer.scene, model, away, turn)
                if camera is None:  # the free camera stays where it is: one at least goes along
                    turned.lookat[:] = data.subtree_com[0]
                renderer.update_scene(data, turned)
            _surround(renderer.scene, model)
            if floor is not None:
                _lay_shadows(renderer.scene, floor)
            yield Image.fromarray(renderer.render()).reduce(_OVERSAMPLING)


def _turned(
    scene: mujoco.MjvScene, model: mujoco.MjModel, away: float, turn: float
) -> mujoco.MjvCamera:
    """Return a camera that sees what the scene's camera looks at equally large, from elsewhere.

    Args:
      scene: seen by its own camera.
      model: what it shows.
      away: metres from the camera to what it looks at.
      turn: degrees.
    """
    eye = scene.camera[0]
    place = (eye.pos + scene.camera[1].pos) / 2  # the eyes of a pair are slightly apart
    half = eye.frustum_top  # of the view's height, at the near plane; anywhere if orthographic
    if not eye.orthographic:
        half *= away / eye.frustum_near
    # One that looks straight down has no direction on the ground but the picture's own.
    ahead = eye.forward if np.linalg.norm(eye.forward[:2]) > 1e-3 else eye.up
    camera = mujoco.MjvCamera()
    camera.type = mujoco.mjtCamera.mjCAMERA_FREE
    camera.lookat[:] = place + away * eye.forward
    camera.distance = half / np.tan(np.radians(model.vis.global_.fovy) / 2)
    camera.azimuth = np.degrees(np.arctan2(ahead[1], ahead[0])) + turn
    camera.elevation = _TURNED_ELEVATION
    return camera


def dressed(model: mujoco.MjModel, camera: str | None, width: int, height: int) -> mujoco.MjModel:
    """Return a copy of a model with an offscreen buffer of this size, light, fog, a pale floor."""
    model = copy.copy(model)
    visual = model.vis
    distance = _distance(model, camera) / model.stat.extent  # MuJoCo measures fog in extents
    visual.map.fogstart, visual.map.fogend = 1.3 * distance, 4.7 * distance
    visual.map.zfar = max(visual.map.zfar, 2.0 * visual.map.fogend)
    visual.global_.offwidth, visual.global_.offheight = width, height
    visual.quality.offsamples = 0
    visual.headlight.active = 1
    visual.headlight.ambient[:] = 0.38
    visual.headlight.diffuse[:] = 0.6
    visual.headlight.specular[:] = 0.05
    model.light_diffuse[:] = 0.4
    model.light_ambient[:] = 0.0
    model.light_specular[:] = 0.1
    visual.rgba.fog[:] = (*_BACKGROUND, 1.0)
    model.mat_reflectance[:] = 0.0
    for plane in _planes(model):
        model.geom_rgba[plane] = 1.0
        material = model.geom_matid[plane]
        if material < 0:
            model.geom_rgba[plane, :3] = _FLOOR[1]
            continue
        model.mat_rgba[material] = 1.0
        model.mat_specular[material] = 0.0
        for texture in model.mat_texid[material][model.mat_texid[material] >= 0]:
            _fade(model, texture)
    return model


def _distance(model: mujoco.MjModel, camera: str | None) -> float:
    """Metres from the camera to the centre of mass in the home posture, or about that."""
    if camera is None:
        return 1.5 * model.stat.extent
    data = mujoco.MjData(model)
    mujoco.mj_fwdPosition(model, data)
    away = np.linalg.norm(data.camera(camera).xpos - data.subtree_com[0])
    return max(float(away), 0.5 * model.stat.extent)


def _surround(scene: mujoco.MjvScene, model: mujoco.MjModel) -> None:
    """Put the camera into a sphere, inside out, that lies wholly in the fog: the background."""
    radius = 1.2 * model.vis.map.fogend * model.stat.extent
    eye = (scene.camera[0].pos + scene.camera[1].pos) / 2
    _add(scene, mujoco.mjtGeom.mjGEOM_SPHERE, np.full(3, radius), eye, -np.eye(3), _BACKGROUND)


def _add(
    scene: mujoco.MjvScene,
    kind: int,
    size: np.ndarray,
    position: np.ndarray,
    frame: np.ndarray,
    colour: tuple[float, float, float],
) -> mujoco.MjvGeom:
    geom = scene.geoms[scene.ngeom]
    rgba = np.array([*colour, 1.0], np.float32)
    mujoco.mjv_initGeom(geom, kind, size, position, frame.ravel(), rgba)
    geom.size[:] = size  # as scenes store it; mjv_initGeom reads it as models do
    geom.category = mujoco.mjtCatBit.mjCAT_DECOR
    geom.specular = 0.0
    scene.ngeom += 1
    return geom


def _planes(model: mujoco.MjModel) -> np.ndarray:
    of_world = model.geom_bodyid == 0
    return np.flatnonzero(of_world & (model.geom_type == mujoco.mjtGeom.mjGEOM_PLANE))


def _fade(model: mujoco.MjModel, texture: int) -> None:
    """Stretch a texture's brightness over the floor's pale greys."""
    start = model.tex_adr[texture]
    size = model.tex_height[texture] * model.tex_width[texture] * model.tex_nchannel[texture]
    texels = model.tex_data[start : start + size].reshape(-1, model.tex_nchannel[texture])
    grey = texels[:, :3].mean(1)
    low, high = grey.min(), grey.max()
    share = (grey - low) / max(high - low, 1.0)
    texels[:, :3] = 255 * (_FLOOR[0] + (_FLOOR[1] - _FLOOR[0]) * share)[:, None]


def _floor_height(model: mujoco.MjModel) -> float | None:
    """Height of the world's horizontal plane, None if there is none."""
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    level = [p for p in _planes(model) if data.geom_xmat[p][8] > 0.999]
    return float(data.geom_xpos[level[0]][2]) if level else None


def _lay_shadows(scene: mujoco.MjvScene, floor: float) -> None:
    """Add each solid geom of the robot again, projected along the light onto the floor."""
    project = np.eye(3)
    project[:, 2] = -_LIGHT / _LIGHT[2]
    project[2, 2] = 1e-4
    for geom in list(scene.geoms[: scene.ngeom]):
        above = geom.pos[2] > floor
        casts = geom.category == mujoco.mjtCatBit.mjCAT_DYNAMIC and geom.rgba[3] > 0.5 and above
        if not casts or scene.ngeom == scene.maxgeom:
            continue
        position = project @ (geom.pos - (0, 0, floor)) + (0, 0, floor + 0.002)
        shadow = _add(scene, geom.type, geom.size, position, project @ geom.mat, _SHADOW)
        shadow.dataid = geom.dataid
