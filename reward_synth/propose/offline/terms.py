"""Reward terms as data: a measure, the shape that makes a reward of it, a weight, a gate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from reward_synth.propose.offline.measures import Kind, Measure
from reward_synth.propose.offline.pieces import Piece
from reward_synth.propose.offline.words import Wish


class Shape(StrEnum):
    """How a measured number becomes a reward."""

    LINEAR = "linear"
    SATURATING = "saturating"
    CAPPED = "capped"
    TRACKING = "tracking"
    SHIFTED = "shifted"
    PEAKED = "peaked"
    BELL = "bell"
    NEARNESS = "nearness"
    TOLERANCE = "tolerance"
    DISTANCE = "distance"
    SQUARE = "square"
    CHARGE = "charge"
    CONSTANT = "constant"


@dataclass(frozen=True, slots=True)
class Form:
    """What a shape is made of.

    Attributes:
      code: template over the measured number ``{v}`` and the shape's parameter ``{p}``.
      parameter: suffix of the parameter's name, "" if the shape has none.
      start: value of the parameter times ``typical ** power``, before it is varied.
      power: how the parameter scales with the measure's typical size.
      sign: -1 for penalties.
      says: template of a sentence over the measure's phrase ``{it}``.
    """

    code: str
    parameter: str
    start: float
    power: int
    sign: int
    says: str


FORMS: dict[Shape, Form] = {
    Shape.LINEAR: Form("{v}", "", 0.0, 0, 1, "{it} pays in proportion, the more the better"),
    Shape.SATURATING: Form(
        "jnp.tanh({v} / {p})", "range", 2.0, 1, 1, "{it} pays more and more slowly up to a limit"
    ),
    Shape.CAPPED: Form("jnp.minimum({v}, {p})", "cap", 3.0, 1, 1, "{it} pays up to a cap"),
    Shape.TRACKING: Form(
        "jnp.exp(-jnp.square({v} / {p} - 1.0))", "goal", 1.5, 1, 1, "{it} pays near a set value"
    ),
    Shape.SHIFTED: Form("0.5 * (1.0 + {v})", "", 0.0, 0, 1, "{it} pays, from 0 to 1"),
    Shape.PEAKED: Form(
        "jnp.exp({p} * ({v} - 1.0))", "sharpness", 2.0, 0, 1, "{it} pays most close to one"
    ),
    Shape.BELL: Form(
        "jnp.exp(-{p} * {v}**2)", "sharpness", 1.0, -2, 1, "{it} earns up to 1 as it vanishes"
    ),
    Shape.NEARNESS: Form(
        "1.0 - jnp.tanh({p} * {v})",
        "sharpness",
        1.5,
        -1,
        1,
        "{it} earns more the smaller it is, at most 1",
    ),
    Shape.TOLERANCE: Form(
        "jnp.where({v} < {p}, 1.0, 0.0)", "tolerance", 0.5, 1, 1, "{it} earns 1 within a tolerance"
    ),
    Shape.DISTANCE: Form("{v}", "", 0.0, 0, -1, "{it} is charged in proportion"),
    Shape.SQUARE: Form("{v}**2", "", 0.0, 0, -1, "{it} is charged by its square"),
    Shape.CHARGE: Form("{v}", "", 0.0, 0, -1, "a little is charged for {it}"),
    Shape.CONSTANT: Form("", "", 0.0, 0, 1, "each step alive earns a constant"),
}

# How often each shape is chosen for a kind of measure.
SHAPES: dict[Kind, dict[Shape, float]] = {
    Kind.GAIN: {Shape.LINEAR: 4, Shape.SATURATING: 2, Shape.CAPPED: 2, Shape.TRACKING: 1},
    Kind.COSINE: {Shape.SHIFTED: 2, Shape.LINEAR: 1, Shape.PEAKED: 2},
    Kind.GAP: {
        Shape.BELL: 3,
        Shape.NEARNESS: 3,
        Shape.DISTANCE: 3,
        Shape.TOLERANCE: 0.5,
        Shape.SQUARE: 1,
    },
    Kind.SCORE: {Shape.LINEAR: 1},
    Kind.COST: {Shape.CHARGE: 1},
    Kind.CONSTANT: {Shape.CONSTANT: 1},
}

# Bounded in [0, 1], so that a term can be multiplied by them.
GATES = frozenset({Shape.SHIFTED, Shape.PEAKED, Shape.BELL, Shape.NEARNESS, Shape.TOLERANCE})


@dataclass(frozen=True, slots=True)
class Factor:
    """A measure in a shape: the value of a term before its weight.

    Attributes:
      measure: what is measured.
      shape: what is made of it.
      scale: the shape's parameter; 0 if it has none.
    """

    measure: Measure
    shape: Shape
    scale: float = 0.0

    @property
    def form(self) -> Form:
        """What the shape is made of."""
        return FORMS[self.shape]

    @property
    def parameter(self) -> str:
        """Name of the parameter among the weights, "" if the shape has none."""
        return self.form.parameter and f"{self.measure.name}_{self.form.parameter}"

    @property
    def pays(self) -> bool:
        """Whether it is better to have more of it."""
        return self.form.sign > 0

    @property
    def gates(self) -> bool:
        """Whether a term can be multiplied by it: it lies in [0, 1]."""
        return self.shape in GATES

    def statements(self) -> tuple[str, ...]:
        """Return the assignments that compute the value, the last to the measure's name."""
        measure, form = self.measure, self.form
        if form.code == "{v}":
            return *measure.steps, f"{measure.name} = {measure.code}"
        value = form.code.format(v=measure.local, p=f'w["{self.parameter}"]')
        return (
            *measure.steps,
            f"{measure.local} = {measure.code}",
            f"{measure.name} = {value}",
        )


@dataclass(frozen=True, slots=True)
class Term:
    """A named, weighted summand of a reward.

    Attributes:
      factor: what it pays for.
      weight: how much, at least 0; the sign is the shape's.
      gate: a value in [0, 1] that it is multiplied by, or None.
    """

    factor: Factor
    weight: float
    gate: Factor | None = None

    @property
    def name(self) -> str:
        """Its name among the terms."""
        return self.factor.measure.name

    @property
    def penalty(self) -> bool:
        """Whether it can only take away."""
        return not self.factor.pays

    @property
    def fields(self) -> frozenset[str]:
        """Names of the fields that it rewards or charges for."""
        return frozenset(self.factor.measure.fields)

    def piece(self) -> Piece:
        """Return its code."""
        measure, gate = self.factor.measure, self.gate
        weights = [(self.name, self.weight)]
        if measure.kind is Kind.CONSTANT:
            return Piece(self.name, (), f'w["{self.name}"]', tuple(weights))
        if measure.kind is Kind.COST:
            return Piece(self.name, (), f'-w["{self.name}"] * {measure.code}', tuple(weights))
        factors = [self.factor] + ([gate] if gate else [])
        weights += [(factor.parameter, factor.scale) for factor in factors if factor.parameter]
        minus = "-" if self.penalty else ""
        value = " * ".join([f'{minus}w["{self.name}"]', *(f.measure.name for f in factors)])
        statements = tuple(s for factor in factors for s in factor.statements())
        return Piece(self.name, statements, value, tuple(weights))

    def sentence(self) -> str:
        """Return what it does, without a capital or full stop."""
        said = self.factor.form.says.format(it=self.factor.measure.phrase)
        if self.gate:
            said += f", multiplied by {self.gate.measure.name}"
        return said


def factors_of(measures: Sequence[Measure]) -> Iterator[Factor]:
    """Yield every measure in every shape that suits it."""
    for measure in measures:
        for shape in SHAPES[measure.kind]:
            yield Factor(measure, shape)


def gates_of(measures: Sequence[Measure]) -> tuple[Factor, ...]:
    """Return what a main term can be multiplied by: how well the body is held."""
    held = [m for m in measures if m.wish in (Wish.ORIENT, Wish.HOLD)]
    return tuple(factor for factor in factors_of(held) if factor.gates)
