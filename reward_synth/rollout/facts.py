"""What happened in an episode, measured in the simulation and said in sentences.

For whoever sees a few still pictures, in which a fall looks like a leap. It holds for any task:
all is read from the task's fields and from where the model's bodies are. Fitness, success and
the rewards are not looked at, so that a judgement made from this owes them nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from reward_synth.records import Field
from reward_synth.rollout.episodes import ENDS, Rollouts
from reward_synth.task import Task

_MOST_COMPONENTS = 12  # of a field; a list of more numbers says nothing to a reader
_MOST_IN_FULL = 4  # of more, only the first and the last are told
_MOST_CONTACTS = 8
_MOST_TREES = 4
_AT_LIMIT = 0.98
_TILTED = 5.0  # degrees
_STILL = 1e-3  # m, along a whole path


def facts(task: Task, rollouts: Rollouts, episode: int) -> tuple[str, ...]:
    """Return sentences about an episode, and how the policy's other episodes ended.

    Args:
      task: the task.
      rollouts: E episodes of a policy.
      episode: the one that is shown.
    """
    length = int(rollouts.length[episode])
    motion = _Motion.of(task.model, rollouts.qpos[: length + 1, episode])
    return (
        *_endings(task, rollouts, episode),
        *_travels(motion, task.description.timestep),
        _contacts(motion),
        _effort(rollouts.action[:length, episode]),
        *_fields(task.description.fields, rollouts, episode),
    )


def _endings(task: Task, rollouts: Rollouts, episode: int) -> Iterator[str]:
    timestep, full = task.description.timestep, task.description.episode_steps
    seconds = rollouts.length * timestep
    lasted = f"after {_number(seconds[episode])} s of {_number(full * timestep)} s"
    yield {
        "terminated": f"It ended early, {lasted}, by the task's rule of when an episode is over.",
        "time limit": f"It lasted the whole {_number(full * timestep)} s.",
        "diverged": f"It ended early, {lasted}, because the simulation broke down.",
    }[ENDS[int(rollouts.end[episode])]]
    count, early = len(seconds), rollouts.end != ENDS.index("time limit")
    if count > 1:
        after = ""
        if early.any():
            first, last = _number(seconds[early].min()), _number(seconds[early].max())
            after = f", after {first if first == last else f'{first} to {last}'} s"
        yield f"Of the policy's {count} episodes {int(early.sum())} ended early{after}."


@dataclass(frozen=True, slots=True, eq=False)
class _Motion:
    """Where the bodies were in L + 1 postures.

    Attributes:
      names: of the T kinematic trees, each by its root.
      centres: (T, L + 1, 3) their centres of mass, in m.
      tilts: (T, L + 1) angle between a root's upward direction and that at first, in degrees.
      contacts: pairs of bodies to the number of postures in which they touch.
    """

    names: tuple[str, ...]
    centres: np.ndarray
    tilts: np.ndarray
    contacts: Counter[tuple[str, str]]

    @classmethod
    def of(cls, model: mujoco.MjModel, postures: np.ndarray) -> _Motion:
        data = mujoco.MjData(model)
        moving = np.flatnonzero(model.body_weldid != 0)
        roots = list(dict.fromkeys(_root(model, int(body)) for body in moving))[:_MOST_TREES]
        centres = np.zeros((len(roots), len(postures), 3))
        ups = np.zeros((len(roots), len(postures), 3))
        contacts: Counter[tuple[str, str]] = Counter()
        at_first = np.zeros((len(roots), 3))
        for t, posture in enumerate(postures):
            data.qpos[:] = posture
            mujoco.mj_fwdPosition(model, data)
            centres[:, t] = data.subtree_com[roots]
            frames = data.xmat[roots].reshape(-1, 3, 3)
            if t == 0:
                at_first = frames[:, 2]  # the vertical, as each root's own frame has it
            ups[:, t] = np.einsum("rij,rj->ri", frames, at_first)
            contacts.update(_touching(model, data))
        tilts = np.degrees(np.arccos(np.clip(ups[..., 2], -1.0, 1.0)))
        return cls(tuple(_name(model, root) for root in roots), centres, tilts, contacts)


def _root(model: mujoco.MjModel, body: int) -> int:
    """Return the uppermost of a body's ancestors that moves."""
    while model.body_weldid[model.body_parentid[body]] != 0:
        body = int(model.body_parentid[body])
    return body


def _touching(model: mujoco.MjModel, data: mujoco.MjData) -> set[tuple[str, str]]:
    near = data.contact.dist < data.contact.includemargin
    found = set()
    for geoms in data.contact.geom[near]:
        if (geoms < 0).any():
            continue  # of a flex, which has no geom
        one, other = sorted(geoms, key=lambda geom: model.geom_bodyid[geom] == 0)
        pair = _part(model, one), _part(model, other)
        found.add(pair if model.geom_bodyid[other] == 0 else tuple(sorted(pair)))
    return found


def _part(model: mujoco.MjModel, geom: int) -> str:
    body = int(model.geom_bodyid[geom])
    if body:
        return _name(model, body)
    if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_PLANE:
        return "floor"
    return model.geom(geom).name or "surroundings"


def _name(model: mujoco.MjModel, body: int) -> str:
    """Return a body's name, or whose part it is."""
    part = ""
    while body and not model.body(body).name:
        body, part = int(model.body_parentid[body]), "part of "
    return f"{part}{model.body(body).name}" if body else "a part"


def _travels(motion: _Motion, timestep: float) -> Iterator[str]:
    for name, centre, tilt in zip(motion.names, motion.centres, motion.tilts, strict=True):
        steps = np.linalg.norm(np.diff(centre, axis=0), axis=1)
        if steps.sum() < _STILL:
            yield f"{name} stayed where it was."
            continue
        speed, height = steps / timestep, centre[:, 2]
        text = (
            f"The centre of mass of {name} and of what hangs on it moved by "
            f"{_numbers(centre[-1] - centre[0])} m in x, y and z from first to last, "
            f"{_number(steps.sum())} m along its path, at {_number(speed.mean())} m/s on average "
            f"and {_number(speed.max())} m/s at most; its height was {_number(height[0])} m at "
            f"first, {_number(height.min())} m at the lowest, {_number(height.max())} m at the "
            f"highest and {_number(height[-1])} m at last."
        )
        if tilt.max() > _TILTED:
            text += (
                f" {name} was tilted by up to {tilt.max():.0f} degrees from how it began, and by "
                f"{tilt[-1]:.0f} degrees at last."
            )
        yield text


def _contacts(motion: _Motion) -> str:
    postures = motion.centres.shape[1]
    most = motion.contacts.most_common(_MOST_CONTACTS)
    if not most:
        return "Nothing touched anything."
    shares = "; ".join(f"{one} and {other} {count / postures:.0%}" for (one, other), count in most)
    return f"What touched, by share of the time: {shares}."


def _effort(action: np.ndarray) -> str:
    """Describe actions, (L, A), in [-1, 1]."""
    if not action.size:
        return "No motor was used."
    return (
        f"The motors ran at {np.abs(action).mean():.0%} of their range on average, and "
        f"{(np.abs(action) > _AT_LIMIT).mean():.0%} of the time at its limit."
    )


def _fields(fields: Sequence[Field], rollouts: Rollouts, episode: int) -> Iterator[str]:
    length, start = rollouts.length, 0
    last = np.take_along_axis(rollouts.state, length[None, :, None], axis=0)[0]  # (E, S)
    for field in fields:
        mine = slice(start, start + field.size)
        start += field.size
        if field.size > _MOST_COMPONENTS or field.name == "last_action":
            continue
        values = rollouts.state[: length[episode] + 1, episode, mine]
        unit = "" if field.unit == "1" else f", {field.unit}"
        shown = {"first": values[0], "last": values[-1]}
        if (values == values[0]).all():
            shown = {"throughout": values[0]}
        elif field.size <= _MOST_IN_FULL:
            shown |= {"lowest": values.min(0), "highest": values.max(0), "mean": values.mean(0)}
            if len(length) > 1:
                shown["last of all episodes, mean"] = last[:, mine].mean(0)
        told = "; ".join(f"{name} {_numbers(value)}" for name, value in shown.items())
        yield f"{field.name} ({field.meaning}{unit}): {told}."


def _numbers(values: np.ndarray) -> str:
    shown = [_number(value) for value in values]
    return shown[0] if len(shown) == 1 else f"({', '.join(shown)})"


def _number(value: float) -> str:
    return f"{round(float(value), 3) + 0.0:.3g}"  # adding 0.0 turns -0.0 into 0.0
