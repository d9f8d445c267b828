"""How footage is shot. Settings alone: nothing here draws."""

from __future__ import annotations

from dataclasses import dataclass

MOST_CAMERAS = 4


@dataclass(frozen=True, slots=True)
class Shots:
    """How many pictures of an episode are taken, and how large.

    Attributes:
      instants: evenly spread from its first to its last.
      cameras: the task's own and such as are turned from it.
      width, height: in pixels.
    """

    instants: int = 6
    cameras: int = 2
    width: int = 256
    height: int = 192
