"""What a reward can be about: numbers that can be computed from one step of a task."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from reward_synth.propose.offline.views import View
from reward_synth.propose.offline.words import Wish, attention_to, names_goal, names_whole_body

TYPICAL_SPEED = 1.0  # m/s
TYPICAL_TURNING = 3.0  # rad/s
TYPICAL_ANGLE = 0.5  # rad
TYPICAL_LENGTH = 0.25  # m


class Kind(StrEnum):
    """How a measure's number is to be read."""

    GAIN = "gain"  # signed, the more the better
    COSINE = "cosine"  # in [-1, 1], 1 is best
    GAP = "gap"  # at least 0, 0 is best
    SCORE = "score"  # at most 1, how much a picture looks as it should
    COST = "cost"  # at least 0, to be kept small, not the point of any task
    CONSTANT = "constant"  # 1 for every step


@dataclass(frozen=True, slots=True)
class Measure:
    """A number that can be computed from one step.

    Attributes:
      wish: what kind of task it serves; None for costs, constants, and the score of a picture,
        which serves any.
      kind: how the number is to be read.
      name: of the reward term made from it.
      local: the variable that holds the number.
      code: the Python expression that computes it.
      phrase: what it is, for docstrings.
      typical: its size when things go as they should.
      prior: how well it fits the sentence, relative to others of its wish. Never zero, so
        that the search can try everything.
      fields: names of the fields that it reads.
      steps: assignments that the expression builds on.
    """

    wish: Wish | None
    kind: Kind
    name: str
    local: str
    code: str
    phrase: str
    typical: float
    prior: float
    fields: tuple[str, ...]
    steps: tuple[str, ...] = ()


def attention(sentence: str, view: View) -> float:
    """Return how much a sentence draws attention to a view: what it names, and what can move."""
    body = 2.0 if names_whole_body(view.field.name) else 1.0
    fixed = 0.02 if names_goal(view.field.name) else 1.0
    return body * fixed * attention_to(sentence, view.text)


def distance_from(view: View, target: tuple[float, ...]) -> str:
    """Return the code of the distance between a view and a constant."""
    code = view.code()
    if view.scalar:
        return f"jnp.abs({minus(code, target[0])})"
    if len({number(value) for value in target}) == 1:
        difference = minus(code, target[0])
    else:
        difference = f"{code} - jnp.array([{', '.join(map(number, target))}])"
    return f"jnp.linalg.norm({difference})"


def minus(code: str, value: float) -> str:
    """Return the code of an expression minus a constant."""
    if number(value) == "0.0":
        return code
    return f"{code} - {number(value)}" if value > 0 else f"{code} + {number(-value)}"


def number(value: float) -> str:
    """Return a float literal with at most four significant digits, and enough of pi."""
    text = f"{round(value, 6) + 0.0:.4g}"
    if math.isclose(abs(value), math.pi, rel_tol=1e-6):
        text = f"{value:.6g}"
    return text if "." in text or "e" in text else f"{text}.0"
