"""The frozen records that pass between the parts.

Nothing here imports JAX or MuJoCo: the text side (prompts, proposers, search,
command line) works on these records alone.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

CLIP_SCORE = "clip_score"  # the field of a state that is read from a picture of it


@dataclass(frozen=True, slots=True)
class Field:
    """One named quantity of the simulation that a reward program may read.

    Attributes:
      name: attribute name on ``state`` and ``next_state``.
      shape: shape of one unbatched value; ``()`` for a scalar.
      unit: SI unit in plain text, ``"1"`` if dimensionless.
      frame: what the numbers are measured in or against ("world", "joint", "torso", ...).
      meaning: one phrase that says what it is, naming the components in order.
      home: the flattened value in the model's initial pose.
    """

    name: str
    shape: tuple[int, ...]
    unit: str
    frame: str
    meaning: str
    home: tuple[float, ...]

    @property
    def size(self) -> int:
        """Number of scalars in one value."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class TaskDescription:
    """All that the text side knows of a task. Fitness, success and the expert reward are not in it.

    Attributes:
      name: the task folder's name.
      sentence: what the robot should do, as a person said it.
      notes: the rest of ``task.md``.
      fields: what a reward program may read, in the order of the state vector.
      actions: actuator names; an action is one number in [-1, 1] for each.
      timestep: seconds between two actions.
      episode_steps: actions in a full episode.
      terminates: whether an episode can end before ``episode_steps``.
    """

    name: str
    sentence: str
    notes: str
    fields: tuple[Field, ...]
    actions: tuple[str, ...]
    timestep: float
    episode_steps: int
    terminates: bool

    @property
    def state_size(self) -> int:
        """Length of the flat state vector: the fields, flattened and concatenated in order."""
        return sum(field.size for field in self.fields)

    @property
    def action_size(self) -> int:
        """Number of actuators."""
        return len(self.actions)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary; ``from_json`` inverts it."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> TaskDescription:
        """Rebuild a description from ``to_json``'s dictionary."""
        fields = tuple(
            Field(**{**f, "shape": tuple(f["shape"]), "home": tuple(f["home"])})
            for f in data["fields"]
        )
        return cls(**{**data, "fields": fields, "actions": tuple(data["actions"])})


@dataclass(frozen=True, slots=True)
class RewardProgram:
    """A reward program as text, parsed but not run.

    Attributes:
      source: the Python source, normalised to end in one newline.
      rationale: the module docstring, ``""`` if there is none.
      weights: the WEIGHTS table in source order.
    """

    source: str
    rationale: str
    weights: tuple[tuple[str, float], ...]


class Stage(StrEnum):
    """Where on its way to a trained policy a candidate was turned down."""

    ANSWER = "answer"
    PARSE = "parse"
    LINT = "lint"
    TRACE = "trace"
    VERIFY = "verify"
    SCREEN = "screen"
    CHOICE = "choice"  # nothing is wrong with it; others were trained in its place
    TRAIN = "train"


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a candidate was turned down, in words that a language model can act on."""

    stage: Stage
    reason: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What a screen noticed about a reward before any training.

    Attributes:
      screen: which one, such as "living reward".
      fatal: whether the reward is turned down for it; else it is only said.
      words: what is wrong and what would mend it, in a sentence for whoever writes the next.
    """

    screen: str
    fatal: bool
    words: str


@dataclass(frozen=True, slots=True)
class Violation:
    """How far held-out episodes kept to one of the task's safety limits.

    Attributes:
      limit: its name, such as "leg torque".
      unit: of ``worst``.
      share: of the steps, that exceeded it; 0 if none did.
      worst: by how much at the most.
    """

    limit: str
    unit: str
    share: float
    worst: float


@dataclass(frozen=True, slots=True)
class TracedReward:
    """A reward program as a pure array program; safe to load where policies are trained.

    ``arrays`` is the array program (see ``reward.array_program``) of a function of float32 arrays

        (state (S,), action (A,), next_state (S,), weights (W,)) -> (reward (), terms (T,))

    with S and A the task's ``state_size`` and ``action_size``, W and T the numbers
    of weights and terms.
    """

    program: RewardProgram
    terms: tuple[str, ...]
    arrays: bytes
