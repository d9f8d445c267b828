"""What a proposer is given and what it gives back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from reward_synth.propose.library import Example
from reward_synth.propose.llm.records import Message
from reward_synth.propose.operators import Manner, Operator
from reward_synth.records import Rejection, RewardProgram, TaskDescription


@dataclass(frozen=True, slots=True)
class Parent:
    """A candidate that was trained, as proposers see it.

    Attributes:
      id: the candidate, such as ``"g01c03"``.
      program: its reward program.
      fitness: higher is better; how it is computed stays unknown to proposers. NaN where
        proposers are not to learn of it at all.
      reflection: how its training went and what led to it, as Markdown without headings above
        level 2.
      summary: the same in a line or two, for when it is shown beside others.
    """

    id: str
    program: RewardProgram
    fitness: float
    reflection: str
    summary: str = ""


@dataclass(frozen=True, slots=True)
class Brief:
    """What one candidate is to be.

    Attributes:
      operator: how it is to come about.
      parents: the candidate to change; for CROSSOVER also the one to take a term from. Empty
        for INITIAL.
      elites: other good candidates, best first.
      failures: one line about each attempt that is not to be repeated.
      comment: what a person who saw the parent's policy said, "" if nobody did.
      weights: for PARAMETERS, the new numbers; None leaves them to the proposer.
      alike: whether a language model is asked in the same words as for its neighbours, as
        Eureka asks; else each is sent off into a direction of its own.
      lineage: to which line of descent it belongs.
      model: which of the proposer's models writes it.
      manner: in whose words a language model is asked.
      contrast: for ICPL, the candidate that was named the worst beside the parent.
      differences: for ICPL, what changed from each good program of the run to the next.
      shots: for Text2Reward, how many of the context's examples are shown.
    """

    operator: Operator
    parents: tuple[Parent, ...] = ()
    elites: tuple[Parent, ...] = ()
    failures: tuple[str, ...] = ()
    comment: str = ""
    weights: tuple[tuple[str, float], ...] | None = None
    alike: bool = False
    lineage: int = 0
    model: int = 0
    manner: Manner = Manner.OURS
    contrast: Parent | None = None
    differences: tuple[str, ...] = ()
    shots: int = 0


@dataclass(frozen=True, slots=True)
class Context:
    """What all candidates of a generation share.

    Attributes:
      description: the task.
      generation: 0 for the first.
      seed: of all randomness in this call.
      examples: programs for similar tasks, the most similar first; fixed when the run begins.
    """

    description: TaskDescription
    generation: int
    seed: int
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True)
class Broken:
    """A candidate that was turned down before training.

    Attributes:
      index: its place in the generation.
      attempt: 1 for its first repair.
      brief: what it was to be.
      source: its program; "" if the answer held none.
      rejection: why.
    """

    index: int
    attempt: int
    brief: Brief
    source: str
    rejection: Rejection


@dataclass(frozen=True, slots=True)
class Proposal:
    """One answer, not yet parsed.

    Attributes:
      answer: the text; "" if there is none.
      problem: why there is no usable answer; "" if there is one.
      operator: how it came about, an ``Operator`` or what the proposer did in its place.
      parents: ids of the candidates it was made from.
      prompt: the messages it answers, empty without a language model.
      author: the model that wrote it, as the server names it, or "offline".
      model: the model that was asked, as the user names it; "" if none answered.
      tokens: that the answer took, read and written; 0 if nobody counted.
      dollars: that it cost when it was first given; 0.0 if no price is known.
    """

    answer: str
    problem: str
    operator: str
    parents: tuple[str, ...]
    prompt: tuple[Message, ...]
    author: str
    model: str = ""
    tokens: int = 0
    dollars: float = 0.0


class Proposer(Protocol):
    """Writes candidates."""

    @property
    def models(self) -> tuple[str, ...]:
        """Who writes, for people: the models' names, or "offline"."""
        ...

    def propose(self, context: Context, briefs: Sequence[Brief]) -> list[Proposal]:
        """Write a candidate for each brief; the i-th place is always that of the i-th.

        The same context and briefs give the same proposals, from a cache if need be.

        Raises:
          ModelError: no language model can be reached and the user must mend something.
        """
        ...

    def repair(self, context: Context, broken: Sequence[Broken]) -> list[Proposal]:
        """Write each of ``broken`` again; the i-th place is always that of the i-th."""
        ...
