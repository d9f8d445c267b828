"""All that can be said about a task in terms, and programs read and written as such."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from reward_synth.propose.offline.cut import cut
from reward_synth.propose.offline.inventory import measures_of
from reward_synth.propose.offline.measures import Kind, Measure
from reward_synth.propose.offline.pieces import Piece, join, names_read
from reward_synth.propose.offline.terms import SHAPES, Factor, Term
from reward_synth.records import TaskDescription

# A term of a program: known as data, or only as code.
Part = Term | Piece


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What a task's fields allow to be rewarded.

    Attributes:
      description: the task.
      measures: the most fitting first.
      factors: a measure's name to all shapes of it.
    """

    description: TaskDescription
    measures: tuple[Measure, ...]
    factors: dict[str, tuple[Factor, ...]]

    @classmethod
    def of(cls, description: TaskDescription) -> Catalogue:
        """List what a task's fields allow."""
        measures = measures_of(description)
        factors = {
            measure.name: tuple(Factor(measure, shape) for shape in SHAPES[measure.kind])
            for measure in measures
        }
        return cls(description, measures, factors)

    def read(self, source: str) -> tuple[Part, ...]:
        """Return a program's terms, as data where they are of a form known here.

        Raises:
          CutError: the program cannot be taken apart.
        """
        return tuple(self._recognise(piece) for piece in cut(source))

    def _recognise(self, piece: Piece) -> Part:
        numbers = dict(piece.weights)
        code = _code(piece)
        others = sorted(names_read(piece.value) - {"w", "action", piece.name})
        gates = [None, *(gate for name in others for gate in self.factors.get(name, ()))]
        for factor, gate in itertools.product(self.factors.get(piece.name, ()), gates):
            term = Term(factor, 0.0, gate)
            if _code(term.piece()) == code:
                return Term(
                    _scaled(factor, numbers),
                    numbers[piece.name],
                    gate and _scaled(gate, numbers),
                )
        return piece


def _scaled(factor: Factor, numbers: dict[str, float]) -> Factor:
    return replace(factor, scale=numbers[factor.parameter]) if factor.parameter else factor


def write(parts: Sequence[Part], rationale: str) -> str:
    """Return the source of a program; a gate is the term of its name where there is one."""
    return join(rationale, [p if isinstance(p, Piece) else p.piece() for p in settled(parts)])


def settled(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Let gates of a measure that also is a term have that term's shape and scale."""
    factors = {part.name: part.factor for part in parts if isinstance(part, Term)}
    result: list[Part] = []
    for part in parts:
        if isinstance(part, Term) and part.gate is not None:
            gate = factors.setdefault(part.gate.measure.name, part.gate)
            part = replace(part, gate=gate if gate.gates else None)
        result.append(part)
    return tuple(result)


def describe(parts: Sequence[Part]) -> str:
    """Say in a few sentences what a program pays and charges for."""
    terms = [part for part in parts if isinstance(part, Term)]
    paid = [t for t in terms if t.factor.measure.kind not in (Kind.COST, Kind.CONSTANT)]
    alive = [term for term in terms if term.factor.measure.kind is Kind.CONSTANT]
    costs = [t.factor.measure.phrase for t in terms if t.factor.measure.kind is Kind.COST]
    foreign = [part.name for part in parts if isinstance(part, Piece)]
    last = [term.sentence() for term in alive]
    if costs:
        last.append(f"a little is charged for {_listed(costs)}")
    sentences = [
        *(term.sentence() for term in paid[:1]),
        *(["beside it, " + "; ".join(t.sentence() for t in paid[1:])] if paid[1:] else []),
        *([", and ".join(last)] if last else []),
        *([f"{_listed(foreign)} stand as another author wrote them"] if foreign else []),
    ]
    return " ".join(f"{sentence[0].upper()}{sentence[1:]}." for sentence in sentences)


def _listed(items: Sequence[str]) -> str:
    """Return "a, b and c"."""
    *most, last = items
    return f"{', '.join(most)} and {last}" if most else last


def _code(piece: Piece) -> tuple[frozenset[str], str]:
    """Return what identifies a piece, apart from numbers and formatting."""
    return frozenset(map(_plain, piece.statements)), _plain(piece.value)


def _plain(code: str) -> str:
    return ast.unparse(ast.parse(code))
