"""What a proposer is given and what it gives back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from reward_synth.propose.llm.records import Message
from reward_synth.records import RewardProgram, TaskDescription


@dataclass(frozen=True, slots=True)
class Parent:
    """A candidate that was trained, as proposers see it.

    Attributes:
      id: the candidate, such as ``"g01c03"``.
      program: its reward program.
      score: its fitness, higher is better; proposers may rank by it but not show it.
      reflection: how its training went, in words.
    """

    id: str
    program: RewardProgram
    score: float
    reflection: str


@dataclass(frozen=True, slots=True)
class Context:
    """What the next generation can build on.

    Attributes:
      description: the task.
      generation: 0 for the first.
      parent: the one that reflection is about; None in the first generation or if none trained.
      elites: other good candidates, best first.
      failures: (source, reason) of candidates that were turned down lately.
      seed: of all randomness in this call.
    """

    description: TaskDescription
    generation: int
    parent: Parent | None
    elites: tuple[Parent, ...]
    failures: tuple[tuple[str, str], ...]
    seed: int


@dataclass(frozen=True, slots=True)
class Proposal:
    """One answer, not yet parsed.

    Attributes:
      answer: the text; "" if there is none.
      problem: why there is no usable answer; "" if there is one.
      operator: how it came about: "initial", "revise", "mutate", "crossover", "repair", ...
      parents: ids of the candidates it was made from.
      prompt: the messages it answers, empty without a language model.
      model: who wrote it.
      prompt_tokens, completion_tokens: tokens read and written.
      dollars: what was paid for it now; None if the price is unknown.
    """

    answer: str
    problem: str
    operator: str
    parents: tuple[str, ...]
    prompt: tuple[Message, ...]
    model: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    dollars: float | None = 0.0


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

    def repair(self, context: Context, broken: Sequence[tuple[str, str]]) -> list[Proposal]:
        """Write each of ``broken``, (source or answer, reason), again; same order."""
        ...
