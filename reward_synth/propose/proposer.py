"""What a proposer is given and what it gives back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from reward_synth.propose.llm.records import Message
from reward_synth.records import Rejection, RewardProgram, TaskDescription


@dataclass(frozen=True, slots=True)
class Parent:
    """A candidate that was trained, as proposers see it.

    Attributes:
      id: the candidate, such as ``"g01c03"``.
      program: its reward program.
      fitness: higher is better; how it is computed stays unknown to proposers.
      reflection: how its training went, in words.
    """

    id: str
    program: RewardProgram
    fitness: float
    reflection: str


@dataclass(frozen=True, slots=True)
class Context:
    """What the next generation can build on.

    Attributes:
      description: the task.
      generation: 0 for the first.
      parent: the one that reflection is about; None in the first generation or if none trained.
      elites: other good candidates, best first.
      failures: one line about each candidate that was turned down lately.
      seed: of all randomness in this call.
    """

    description: TaskDescription
    generation: int
    parent: Parent | None
    elites: tuple[Parent, ...]
    failures: tuple[str, ...]
    seed: int


@dataclass(frozen=True, slots=True)
class Broken:
    """A candidate that was turned down before training.

    Attributes:
      index: its place in the generation.
      attempt: 1 for its first repair.
      source: its program; "" if the answer held none.
      rejection: why.
    """

    index: int
    attempt: int
    source: str
    rejection: Rejection


@dataclass(frozen=True, slots=True)
class Proposal:
    """One answer, not yet parsed.

    Attributes:
      answer: the text; "" if there is none.
      problem: why there is no usable answer; "" if there is one.
      operator: how it came about: "initial", "revise", "mutate", "crossover", "repair", ...
      parents: ids of the candidates it was made from.
      prompt: the messages it answers, empty without a language model.
      author: the model that wrote it, or "offline".
    """

    answer: str
    problem: str
    operator: str
    parents: tuple[str, ...]
    prompt: tuple[Message, ...]
    author: str


class Proposer(Protocol):
    """Writes candidates."""

    @property
    def name(self) -> str:
        """Who writes, for people: a model's name or "offline"."""
        ...

    def propose(self, context: Context, count: int) -> list[Proposal]:
        """Write ``count`` candidates; the i-th place is always the i-th candidate's.

        The same context and count give the same proposals, from a cache if need be.

        Raises:
          ModelError: no language model can be reached and the user must mend something.
        """
        ...

    def repair(self, context: Context, broken: Sequence[Broken]) -> list[Proposal]:
        """Write each of ``broken`` again; the i-th place is always that of the i-th."""
        ...
