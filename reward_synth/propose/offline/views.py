"""Fields taken apart into pieces of one unit, with what is known about each component."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from reward_synth.records import Field

LAST_ACTION = "last_action"


@dataclass(frozen=True, slots=True)
class View:
    """A field, or a stretch of one that has a single unit.

    Attributes:
      field: the field.
      start, size: which of its components.
      unit: their unit.
      labels: a word for each component, such as ``"x"`` or ``"knee"``.
      role: what the stretch is of the field, "" if it is the whole field.
    """

    field: Field
    start: int
    size: int
    unit: str
    labels: tuple[str, ...]
    role: str = ""

    @property
    def home(self) -> tuple[float, ...]:
        """The values in the initial pose, (size,)."""
        return self.field.home[self.start : self.start + self.size]

    @property
    def scalar(self) -> bool:
        """Whether the field is a single number."""
        return self.field.shape == ()

    @property
    def text(self) -> str:
        """All that the description says of it, lower case, the name in words."""
        return f"{self.field.name.replace('_', ' ')} {self.field.meaning}".lower()

    @property
    def stem(self) -> str:
        """The field's name without the word for what kind of quantity it is."""
        return f"{stem(self.field.name)}_{self.role}" if self.role else stem(self.field.name)

    def part(self, component: int) -> str:
        """Return a name for one component."""
        return self.stem if self.scalar else f"{self.stem}_{self.labels[component]}"

    def code(self, state: str = "next_state", component: int | None = None) -> str:
        """Return the Python expression that reads it, or one component of it."""
        name = f"{state}.{self.field.name}"
        if self.scalar:
            return name
        if component is not None:
            return f"{name}[{self.start + component}]"
        if self.size == self.field.size:
            return name
        return f"{name}[{self.start}:{self.start + self.size}]"

    def axis(self, component: int) -> str:
        """Return the axis, x, y or z, that a component lies along, "" if it lies along none."""
        label = self.labels[component]
        if label in ("x", "y", "z"):
            return label
        if self.size == 1:
            if re.search(r"\b(height|altitude|vertical|upward)", self.text):
                return "z"
            if re.search(r"\b(forward|ahead|along the (track|rail|line))\b", self.text):
                return "x"
        return ""

    def title(self, component: int | None = None) -> str:
        """Return what it is in a few words, for docstrings."""
        words = self.field.name.replace("_", " ")
        if self.role:
            words = f"the {self.role} part of {words}"
        if component is None or self.scalar:
            return words
        label = self.labels[component]
        if label in ("x", "y", "z") and self.unit != "1":
            return f"{words} along {label}"
        return f"the {label.replace('_', ' ')} entry of {words}"


def views_of(field: Field) -> tuple[View, ...]:
    """Take a field apart; a pose is a position and a quaternion, a twist two velocities."""
    if len(field.shape) > 1:
        return ()
    if field.size in (6, 7) and " and " in field.unit and field.frame != "joint":
        first, second = field.unit.split(" and ", 1)
        if field.size == 7:
            return (
                View(field, 0, 3, first, ("x", "y", "z"), "position"),
                View(field, 3, 4, second, ("w", "x", "y", "z"), "orientation"),
            )
        return (
            View(field, 0, 3, first, ("x", "y", "z"), "linear"),
            View(field, 3, 3, second, ("x", "y", "z"), "angular"),
        )
    return (View(field, 0, field.size, field.unit, _labels(field)),)


def stem(name: str) -> str:
    """Return a field's name without the word for what kind of quantity it is."""
    kinds = r"_(position|velocity|angle|rate|pos|vel)s?$|_velocities$"
    return re.sub(kinds, "", name)


def is_unit_vector(view: View) -> bool:
    """Whether the view is dimensionless and of length one in the initial pose."""
    return view.unit == "1" and math.isclose(math.hypot(*view.home), 1.0, abs_tol=1e-3)


def _labels(field: Field) -> tuple[str, ...]:
    """Read the components' names from the meaning, which names them in order."""
    plain = re.sub(r"\([^)]*\)", "", field.meaning)
    axes = tuple(dict.fromkeys(re.findall(r"\b([xyz])\b", plain.lower())))
    if len(axes) == field.size:
        return axes
    parts = re.split(r",\s*(?:and\s+)?|\s+and\s+", plain)
    words = tuple("_".join(re.findall(r"[a-z]\w*", part.lower())[:2]) for part in parts)
    if field.size > 1 and len(set(words)) == field.size and all(words):
        return words
    if field.size in (2, 3) and field.unit in ("m", "m/s", "m/s^2", "1", "rad/s"):
        return ("x", "y", "z")[: field.size]
    return tuple(str(i) for i in range(field.size))
