"""Writes reward programs without a language model: composition first, then evolution."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from reward_synth.propose.offline import mutate
from reward_synth.propose.offline.catalogue import Catalogue, Part, describe, write
from reward_synth.propose.offline.compose import compose, draw, living_pays, objectives, stratified
from reward_synth.propose.offline.cut import CutError
from reward_synth.propose.offline.mutate import OPERATORS, Offspring, Operator
from reward_synth.propose.offline.terms import Factor, Term
from reward_synth.propose.proposer import Broken, Context, Parent, Proposal

AUTHOR = "offline"

_TRIES = 20  # draws before a program that was proposed before is proposed again
_PARENT_CHANGED = 0.75  # how often the parent is changed, rather than another elite
_PROPOSE, _REPAIR = 0, 1  # streams of randomness


class OfflineProposer:
    """Composes programs from what a task's fields allow to be measured, and evolves them.

    It knows units, frames and general words, but no task: the baseline that a language
    model has to beat, and the default where none is configured.
    """

    @property
    def name(self) -> str:
        """Who writes, for people."""
        return AUTHOR

    def propose(self, context: Context, count: int) -> list[Proposal]:
        """Write ``count`` candidates that differ from each other and from those before."""
        desk = _Desk.of(context, _PROPOSE)
        return desk.compose(count) if context.parent is None else desk.evolve(count)

    def repair(self, context: Context, broken: Sequence[Broken]) -> list[Proposal]:
        """Leave out the terms that each rejection quotes; without any, write another program."""
        return [_Desk.of(context, _REPAIR, one.index, one.attempt).repair(one) for one in broken]


@dataclass(slots=True)
class _Desk:
    """Where the candidates of one call are written.

    Attributes:
      context: what is known.
      catalogue: what can be measured.
      rng: all randomness.
      seen: answers not to be given again.
    """

    context: Context
    catalogue: Catalogue
    rng: np.random.Generator
    seen: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, context: Context, *stream: int) -> _Desk:
        rng = np.random.default_rng(np.random.SeedSequence([context.seed, *stream]))
        desk = cls(context, Catalogue.of(context.description), rng)
        desk.seen |= {_fenced(parent.program.source) for parent in desk.parents()}
        return desk

    def parents(self) -> tuple[Parent, ...]:
        """Return the trained candidates that can be built on, the elitist parent first."""
        parent = self.context.parent
        others = (elite for elite in self.context.elites if not parent or elite.id != parent.id)
        return (*([parent] if parent else []), *others)

    def compose(self, count: int) -> list[Proposal]:
        """Write programs whose main terms spread over what the sentence may ask for."""
        factors, chances = objectives(self.catalogue)
        mains = [factors[i] for i in stratified(chances, count, self.rng)]
        return [self._unseen(partial(self._composed, main, "initial")) for main in mains]

    def evolve(self, count: int) -> list[Proposal]:
        """Change trained programs by operators in the proportions of their table."""
        chances = np.array(list(OPERATORS.values()))
        chosen = stratified(chances / chances.sum(), count, self.rng)
        operators = [list(OPERATORS)[i] for i in chosen]
        return [self._unseen(partial(self._offspring, operator)) for operator in operators]

    def repair(self, broken: Broken) -> Proposal:
        """Leave out the terms that the rejection quotes, or write a fresh program."""
        try:
            parts = self.catalogue.read(broken.source)
        except CutError:
            return self._unseen(self._fresh)
        quoted = set(re.findall(r"['\"`](\w+)['\"`]", broken.rejection.reason))
        rest = tuple(part for part in parts if part.name not in quoted)
        if not rest or len(rest) == len(parts):
            return self._unseen(self._fresh)
        gone = " and ".join(part.name for part in parts if part.name in quoted)
        rationale = ast.get_docstring(ast.parse(broken.source)) or ""
        mended = self._written(Offspring(rest, f"drops {gone}"), rationale)
        return _proposal(mended, "repair", ())

    def _offspring(self, operator: Operator) -> Proposal:
        """Apply an operator to a parent; write a fresh program where it does not apply."""
        parents = self.parents()
        base = 0
        if len(parents) > 1 and self.rng.random() >= _PARENT_CHANGED:
            base = int(self.rng.integers(1, len(parents)))
        try:
            parts = self.catalogue.read(parents[base].program.source)
        except CutError:
            return self._fresh()
        used = [parents[base]]
        match operator:
            case Operator.WEIGHTS:
                changed = mutate.reweigh(parts, self.rng)
            case Operator.ADD:
                changed = mutate.add(parts, self.catalogue, self.rng)
            case Operator.DROP:
                changed = mutate.drop(parts, self.rng)
            case Operator.RESHAPE:
                changed = mutate.reshape(parts, self.catalogue, self.rng)
            case Operator.CROSSOVER:
                donors = [parent for i, parent in enumerate(parents) if i != base]
                changed = self._crossed(parts, donors, used)
            case Operator.FRESH:
                changed = None
        if changed is None:
            return self._fresh()
        source = self._written(changed, parents[base].program.rationale)
        return _proposal(source, operator, tuple(parent.id for parent in used))

    def _crossed(
        self, parts: Sequence[Part], donors: Sequence[Parent], used: list[Parent]
    ) -> Offspring | None:
        """Take a term from one of the donors, which joins those that were used."""
        if not donors:
            return None
        donor = donors[int(self.rng.integers(len(donors)))]
        try:
            gifts = self.catalogue.read(donor.program.source)
        except CutError:
            return None
        used.append(donor)
        return mutate.crossover(parts, gifts, donor.id, self.rng)

    def _written(self, changed: Offspring, rationale: str) -> str:
        """Return the source of a changed program, its docstring brought up to date."""
        parts = living_pays(changed.parts, self.catalogue, self.rng)
        if isinstance(parts[0], Term):
            rationale = describe(parts)  # anew, since it can be known what the program does
        what = changed.what + (" and adds alive" if len(parts) > len(changed.parts) else "")
        return write(parts, f"{rationale}\n\nChange: {what}.")

    def _fresh(self) -> Proposal:
        factors, chances = objectives(self.catalogue)
        return self._composed(factors[draw(chances, self.rng)], Operator.FRESH)

    def _composed(self, main: Factor, operator: str) -> Proposal:
        parts = compose(self.catalogue, main, self.rng)
        return _proposal(write(parts, describe(parts)), operator, ())

    def _unseen(self, attempt: Callable[[], Proposal]) -> Proposal:
        """Try until a program comes out that was not proposed before."""
        proposal = attempt()
        for _ in range(_TRIES):
            if proposal.answer not in self.seen:
                break
            proposal = attempt()
        self.seen.add(proposal.answer)
        return proposal


def _proposal(source: str, operator: str, parents: tuple[str, ...]) -> Proposal:
    return Proposal(
        answer=_fenced(source),
        problem="",
        operator=str(operator),
        parents=parents,
        prompt=(),
        author=AUTHOR,
    )


def _fenced(source: str) -> str:
    return f"```python\n{source.strip()}\n```\n"
