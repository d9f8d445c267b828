"""Shoots footage: needs MuJoCo and a GL library, so it runs where videos are made."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from reward_synth.rollout.episodes import Rollouts
from reward_synth.rollout.facts import facts
from reward_synth.rollout.film import caption
from reward_synth.rollout.footage import Footage, Frame, encoded
from reward_synth.rollout.picture import draw
from reward_synth.rollout.shots import Shots
from reward_synth.task import Task

_TURN = 60.0  # degrees between two cameras: each shows the depth that the other does not


def footage(task: Task, rollout: Path, shots: Shots = Shots()) -> Footage:  # noqa: B008 (frozen)
    """Return what a judge is shown of recorded episodes: the typical one of them.

    Args:
      task: the task.
      rollout: the episodes, as ``Rollouts.save`` wrote them.
      shots: how many pictures and how large.

    Raises:
      OSError: the file cannot be read.
      Exception: whatever the GL library raises if it cannot draw here.
    """
    rollouts = Rollouts.load(rollout)
    episode, timestep = rollouts.typical, task.description.timestep
    length = int(rollouts.length[episode])
    instants = np.unique(np.linspace(0, length, shots.instants).round().astype(int))
    views = [
        draw(
            task.model,
            task.camera,
            rollouts.qpos[instants, episode],
            shots.width,
            shots.height,
            turn=_TURN * view,
        )
        for view in range(shots.cameras)
    ]
    frames = []
    # Camera by camera, because each holds a GL context; told instant by instant.
    for view, pictures in enumerate(views):
        for instant, picture in zip(instants, pictures, strict=True):
            seconds = round(instant * timestep, 3)
            caption(picture, f"{seconds:.2f} s", shots.height // 12)
            frames.append(Frame(seconds, view + 1, encoded(picture)))
    frames.sort(key=lambda frame: (frame.seconds, frame.camera))
    return Footage(tuple(frames), facts(task, rollouts, episode), round(length * timestep, 3))
