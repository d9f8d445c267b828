"""Writes reward programs without a language model: composition first, then evolution."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from reward_synth.propose.offline import mutate
from reward_synth.propose.offline.catalogue import Catalogue, Part, describe, write
from reward_synth.propose.offline.compose import compose, draw, living_pays, objectives, stratified
from reward_synth.propose.offline.cut import CutError
from reward_synth.propose.offline.measures import Kind
from reward_synth.propose.offline.mutate import CHANGES, Change, Offspring
from reward_synth.propose.offline.terms import Factor, Shape, Term
from reward_synth.propose.operators import Operator
from reward_synth.propose.proposer import Brief, Broken, Context, Parent, Proposal
from reward_synth.reward.parse import with_weights

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
    def models(self) -> tuple[str, ...]:
        """Who writes, for people."""
        return (AUTHOR,)

    def propose(self, context: Context, briefs: Sequence[Brief]) -> list[Proposal]:
        """Write candidates that differ from each other and from those in their briefs."""
        return _Desk.of(context, _PROPOSE).write(briefs)

    def repair(self, context: Context, broken: Sequence[Broken]) -> list[Proposal]:
        """Leave out the terms that each rejection quotes; without any, write another program."""
        return [_Desk.of(context, _REPAIR, one.index, one.attempt).repair(one) for one in broken]


@dataclass(slots=True)
class _Desk:
    """Where the candidates of one call are written.

    Attributes:
      catalogue: what can be measured.
      rng: all randomness.
      first: whether nothing has been proposed in the run yet.
      seen: answers not to be given again.
    """

    catalogue: Catalogue
    rng: np.random.Generator
    first: bool
    seen: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, context: Context, *stream: int) -> _Desk:
        rng = np.random.default_rng(np.random.SeedSequence([context.seed, *stream]))
        return cls(Catalogue.of(context.description), rng, first=context.generation == 0)

    def write(self, briefs: Sequence[Brief]) -> list[Proposal]:
        """Write a program for each brief; main terms and changes spread over the choices."""
        self.seen |= {_fenced(p.program.source) for b in briefs for p in (*b.parents, *b.elites)}
        mains = iter(self._mains(sum(brief.operator is Operator.INITIAL for brief in briefs)))
        plain = self._plain() if self.first else iter(())
        changes = self._changes(briefs)
        written = []
        for brief, change in zip(briefs, changes, strict=True):
            if brief.operator is Operator.INITIAL:
                main = next(mains)
                attempt = next(plain, partial(self._composed, main, Operator.INITIAL))
            else:
                attempt = partial(self._offspring, brief, change)
            written.append(self._unseen(attempt))
        return written

    def _plain(self) -> Iterator[Callable[[], Proposal]]:
        """Yield what is tried once as it is: the score of pictures alone, if there is one."""
        for measure in self.catalogue.measures:
            if measure.kind is Kind.SCORE:
                alone = (Term(Factor(measure, Shape.LINEAR), 1.0),)
                yield partial(_proposal, write(alone, describe(alone)), Operator.INITIAL, ())

    def _mains(self, count: int) -> list[Factor]:
        """Draw main terms that spread over what the sentence may ask for."""
        factors, chances = objectives(self.catalogue)
        return [factors[i] for i in stratified(chances, count, self.rng)] if count else []

    def _changes(self, briefs: Sequence[Brief]) -> list[Change]:
        """Draw what is done for each brief, in the proportions of its operator's table."""
        drawn: list[Change] = [Change.FRESH] * len(briefs)
        for operator, table in CHANGES.items():
            places = [i for i, brief in enumerate(briefs) if brief.operator is operator]
            chances = np.array(list(table.values()))
            for i, k in zip(places, self._spread(chances, len(places)), strict=True):
                drawn[i] = list(table)[k]
        return drawn

    def _spread(self, chances: np.ndarray, count: int) -> list[int]:
        return stratified(chances / chances.sum(), count, self.rng) if count else []

    def repair(self, broken: Broken) -> Proposal:
        """Leave out the terms that the rejection quotes, or write a fresh program."""
        try:
            parts = self.catalogue.read(broken.source)
        except CutError:
            return self._unseen(partial(self._fresh, Operator.THOUGHT))
        quoted = set(re.findall(r"['\"`](\w+)['\"`]", broken.rejection.reason))
        rest = tuple(part for part in parts if part.name not in quoted)
        if not rest or len(rest) == len(parts):
            return self._unseen(partial(self._fresh, Operator.THOUGHT))
        gone = " and ".join(part.name for part in parts if part.name in quoted)
        rationale = ast.get_docstring(ast.parse(broken.source)) or ""
        mended = self._written(Offspring(rest, f"drops {gone}"), rationale)
        return _proposal(mended, "repair", ())

    def _offspring(self, brief: Brief, change: Change) -> Proposal:
        """Change the parent, or now and then an elite; a fresh program where nothing applies."""
        base = brief.parents[0] if brief.parents else None
        if base is None:
            return self._fresh(brief.operator)
        elsewhere = brief.operator is Operator.REVISE and brief.elites
        if elsewhere and self.rng.random() >= _PARENT_CHANGED:
            base = brief.elites[int(self.rng.integers(len(brief.elites)))]
        if brief.weights is not None:
            source = with_weights(base.program.source, brief.weights)
            return _proposal(source, brief.operator, (base.id,))
        try:
            parts = self.catalogue.read(base.program.source)
        except CutError:
            return self._fresh(brief.operator)
        used = [base]
        match change:
            case Change.WEIGHTS:
                changed = mutate.reweigh(parts, self.rng)
            case Change.ADD:
                changed = mutate.add(parts, self.catalogue, self.rng)
            case Change.DROP:
                changed = mutate.drop(parts, self.rng)
            case Change.RESHAPE:
                changed = mutate.reshape(parts, self.catalogue, self.rng)
            case Change.GATE:
                changed = mutate.gate(parts, self.catalogue, self.rng)
            case Change.CROSSOVER:
                donors = brief.parents[1:] or (*brief.parents, *brief.elites)
                changed = self._crossed(parts, [d for d in donors if d is not base], used)
            case Change.FRESH:
                changed = None
        if changed is None:
            return self._fresh(brief.operator)
        source = self._written(changed, base.program.rationale)
        operator = str(brief.operator)
        if change.value != brief.operator.value:
            operator += f": {change}"
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

    def _fresh(self, operator: str) -> Proposal:
        factors, chances = objectives(self.catalogue)
        return self._composed(factors[draw(chances, self.rng)], f"{operator}: {Change.FRESH}")

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
