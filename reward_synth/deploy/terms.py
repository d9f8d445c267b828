"""What an observation is made of, read off the graph that computes it.

A term is ``clip(scale * function(field[components]))``, the form that the deployment
frameworks of the field know. What is not of that form, such as a difference of two
fields, is a term that is only described; ``observe.onnx`` computes all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from reward_synth.deploy.graph import Node
from reward_synth.records import Field

IDENTITY = "identity"
COMPUTED = "computed"
# Functions of single numbers that a term may have; each takes the unit along or makes it 1.
FUNCTIONS = frozenset("cos sin tanh exp sqrt abs".split())
_KEEPS_UNIT = (IDENTITY, "abs")
_UNBOUNDED = (float("-inf"), float("inf"))


@dataclass(frozen=True, slots=True)
class Term:
    """A run of adjacent entries of the observation.

    Attributes:
      size: how many.
      fields: what they are read from; one, unless they are computed.
      components: entries of that one field.
      function: applied to each number: among ``FUNCTIONS``, ``IDENTITY``, or ``COMPUTED``.
      scale: by which the function's value is multiplied.
      clip: the bounds of the product.
    """

    size: int
    fields: tuple[Field, ...]
    components: tuple[int, ...] = ()
    function: str = IDENTITY
    scale: float = 1.0
    clip: tuple[float, float] = _UNBOUNDED

    @property
    def name(self) -> str:
        """The field's, with the function about it; of a computed term, all its fields'."""
        if self.function == COMPUTED:
            return f"{COMPUTED}({'/'.join(field.name for field in self.fields)})"
        name = self.fields[0].name
        return name if self.function == IDENTITY else f"{self.function}({name})"

    @property
    def unit(self) -> str:
        """The field's, or what the function makes of it."""
        units = {field.unit for field in self.fields}
        if self.function == COMPUTED:
            return units.pop() if len(units) == 1 else "see observe.onnx"
        return units.pop() if self.function in _KEEPS_UNIT else "1"

    @property
    def frame(self) -> str:
        """What the numbers are measured in or against."""
        return "/".join(dict.fromkeys(field.frame for field in self.fields))


def observation_terms(observation: Node, fields: Sequence[Field]) -> list[Term]:
    """Return the terms of an observation in their order.

    Args:
      observation: (O,), a node whose only leaf is the state, (S,).
      fields: that the state is made of, in order.
    """
    owners = [(field, i) for field in fields for i in range(field.size)]
    terms = _terms(observation, owners)
    assert sum(term.size for term in terms) == observation.shape[0]
    return terms


def _terms(node: Node, owners: Sequence[tuple[Field, int]]) -> list[Term]:
    if node.op == "concatenate" and len(node.shape) == 1:
        return [term for part in node.operands for term in _terms(part, owners)]
    if node.op in ("reshape", "expand") and _size(node) == _size(node.operands[0]) == 1:
        return _terms(node.operands[0], owners)
    if node.op == "input":
        return _read(range(len(owners)), owners)
    if node.op == "index" and node.operands[0].op == "input":
        (axis,) = node.parameters
        return _read([axis] if isinstance(axis, int) else range(*axis), owners)
    changed = _changed(node, owners)
    if changed is not None:
        return changed
    fields = dict.fromkeys(owners[i][0] for i in sorted(_entries(node)))
    return [Term(_size(node), tuple(fields), function=COMPUTED)]


def _changed(node: Node, owners: Sequence[tuple[Field, int]]) -> list[Term] | None:
    """Return the terms that a function, scale or clip of others gives, None if it is no term."""
    if len(node.shape) > 1:
        return None
    known = [o for o in node.operands if o.value is not None and o.value.size == 1]
    others = [o for o in node.operands if o not in known]
    if len(others) != 1 or (others[0].shape != node.shape):
        return None
    terms = _terms(others[0], owners)
    if any(term.function == COMPUTED for term in terms):
        return None
    number = float(known[0].value.item()) if known and known[0].value is not None else 1.0
    unclipped = all(term.clip == _UNBOUNDED for term in terms)
    plain = unclipped and all(term.scale == 1.0 and term.function == IDENTITY for term in terms)
    match node.op:
        case "max":
            return [_clipped(term, max(term.clip[0], number), term.clip[1]) for term in terms]
        case "min":
            return [_clipped(term, term.clip[0], min(term.clip[1], number)) for term in terms]
        case "neg" if unclipped:
            return [replace(term, scale=-term.scale) for term in terms]
        case "mul" if unclipped:
            return [replace(term, scale=term.scale * number) for term in terms]
        case "div" if unclipped and node.operands[0] is others[0]:
            return [replace(term, scale=term.scale / number) for term in terms]
        case op if op in FUNCTIONS and plain:
            return [replace(term, function=op) for term in terms]
    return None


def _clipped(term: Term, low: float, high: float) -> Term:
    return replace(term, clip=(low, high))


def _read(entries: Sequence[int], owners: Sequence[tuple[Field, int]]) -> list[Term]:
    """Return a term for each run of entries of one field."""
    terms: list[Term] = []
    for entry in entries:
        field, component = owners[entry]
        if terms and terms[-1].fields == (field,):
            last = terms[-1]
            terms[-1] = Term(last.size + 1, (field,), (*last.components, component))
        else:
            terms.append(Term(1, (field,), (component,)))
    return terms


def _entries(node: Node) -> set[int]:
    """Return the entries of the state that a node depends on."""
    if node.op == "input":
        return set(range(node.shape[0]))
    if node.op == "index" and node.operands[0].op == "input":
        (axis,) = node.parameters
        return {axis} if isinstance(axis, int) else set(range(*axis))
    return set().union(*(_entries(operand) for operand in node.operands))


def _size(node: Node) -> int:
    return node.shape[0] if node.shape else 1
