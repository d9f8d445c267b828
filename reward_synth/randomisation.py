"""Domain randomisation: between which bounds the world differs from episode to episode.

Kept free of JAX and MuJoCo, so that settings can be checked without them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Randomisation:
    """What differs between episodes, each drawn uniformly from [low, high]; None for nothing.

    Attributes:
      mass: factor on the masses and inertias of all bodies.
      friction: factor on the friction of all contacts and on the joints' dry friction.
      gain: factor on the forces that actuators exert for what they are told.
      delay: control steps by which actions arrive late, whole numbers; until the first arrives,
        the action is zero.
      noise: standard deviation of normal noise on each entry of the observation, as a share of
        the standard deviation that this entry has in training.
      push: m/s by which a push changes the velocity of the robot's centre of mass, were it free.
        There are four in a full episode, at random times and in random horizontal directions,
        each a force on the first body that moves, for one control step.
    """

    mass: Range | None = None
    friction: Range | None = None
    gain: Range | None = None
    delay: Range | None = None
    noise: Range | None = None
    push: Range | None = None

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return any(low != high or low != NOMINAL[name] for name, (low, high) in self.ranges())

    def ranges(self) -> Iterator[tuple[str, Range]]:
        """Yield what has a range, by name."""
        for name in NOMINAL:
            found = getattr(self, name)
            if found is not None:
                yield name, found

    @property
    def bounds(self) -> tuple[Range, ...]:
        """(6, 2) low and high of each, in the order of ``NOMINAL``."""
        return tuple(getattr(self, name) or (value, value) for name, value in NOMINAL.items())

    @property
    def words(self) -> str:
        """For people, such as "mass 0.8 to 1.2, delay 0 to 1"."""
        return ", ".join(f"{name} {low:g} to {high:g}" for name, (low, high) in self.ranges())

    def over(self, other: Randomisation | None) -> Randomisation:
        """Return these ranges, and the other's where these have none."""
        return replace(other, **dict(self.ranges())) if other else self

    def problem(self) -> str:
        """Say in a phrase what is wrong with a range, ``""`` if nothing is."""
        for name, found in self.ranges():
            if len(found) != 2 or not all(map(math.isfinite, found)) or found[0] > found[1]:
                return f"{name} must be [low, high], not {list(found)}"
            if found[0] < 0.0 or (name == "mass" and found[0] == 0.0):
                least = "above 0" if name == "mass" else "0 or more"
                return f"{name} must be {least}, not {list(found)}"
            if name == "delay" and any(value != int(value) for value in found):
                return f"delay counts whole control steps, not {list(found)}"
        return ""


# What each is where nothing differs, in the order of the record.
NOMINAL = {
    field.name: 1.0 if field.name in ("mass", "friction", "gain") else 0.0
    for field in fields(Randomisation)
}


def fixed(name: str, value: float) -> Randomisation:
    """Return the world in which one thing has a value in all episodes."""
    return Randomisation(**{name: (value, value)})
