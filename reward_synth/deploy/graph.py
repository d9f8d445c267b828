"""An array program as a graph of expressions, tidied for a reader as it is built.

The nodes stand for values of one environment, as in the array program; whoever
writes them out adds the batch dimension. Equal expressions are one node, constants
are computed, and what changes nothing (a broadcast before an operation that
broadcasts, a reshape of a reshape) does not appear. Nothing here may change a
number, NaN and infinity included; only the sign of a zero is free.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Axis = int | tuple[int, int, int]  # one entry of an axis, or start, stop and step

# Of each entry by itself; their operands broadcast.
ELEMENTWISE = frozenset(
    """
    abs acos acosh add and asin asinh atan atan2 atanh cbrt ceil convert cos cosh div eq erf
    erf_inv erfc exp exp2 expm1 floor ge gt is_finite le lgamma log log1p logistic lt max min mod
    mul ne neg nextafter not or pow power rem round round_away rsqrt select sign sin sinh sqrt
    stop_gradient sub tan tanh xor
    """.split()
)
_COMPARISONS = frozenset("eq ge gt is_finite le lt ne".split())
_PLAIN = ("neg", "add", "sub", "mul")
# Computed here where all is known, as the arithmetic of indices is; floats are left to JAX.
_INTEGER: dict[str, Any] = {
    "add": np.add,
    "and": np.logical_and,
    "ge": np.greater_equal,
    "le": np.less_equal,
    "max": np.maximum,
    "min": np.minimum,
    "mul": np.multiply,
}
_OF_BOOL = {"add": "or", "mul": "and", "max": "or", "min": "and"}


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One value.

    Attributes:
      op: what computes it; "constant", "field", "action" and "weight" are the leaves.
      operands: what it is computed from.
      parameters: the rest of what decides it; a leaf's name.
      dtype: "float32", "int32" or "bool".
      shape: of one environment.
      value: of a constant, else None.
      is_plain: whether it is one number for all environments that Python can compute.
        Python has numbers of 64 bits and no infinity for a division by zero, so only
        operations that leave weights as they are, but for rounding, count.
    """

    op: str
    operands: tuple[Node, ...]
    parameters: tuple[Any, ...]
    dtype: str
    shape: tuple[int, ...]
    value: np.ndarray | None = None
    is_plain: bool = False


@dataclass(slots=True)
class Graph:
    """Makes nodes, each only once."""

    _known: dict[Any, Node] = field(default_factory=dict)

    def constant(self, value: np.ndarray) -> Node:
        """Return a constant."""
        value = np.asarray(value)
        dtype, shape = value.dtype.name, value.shape
        key = ("constant", dtype, shape, value.tobytes())
        made = Node("constant", (), (), dtype, shape, value, is_plain=not shape)
        return self._known.setdefault(key, made)

    def leaf(self, op: str, parameters: tuple[Any, ...], shape: tuple[int, ...]) -> Node:
        """Return a float32 input."""
        return self.node(op, (), parameters, "float32", shape)

    def node(
        self,
        op: str,
        operands: Sequence[Node],
        parameters: tuple[Any, ...],
        dtype: str,
        shape: Sequence[int],
    ) -> Node:
        """Return a node as it is asked for, untidied."""
        operands, shape = tuple(operands), tuple(shape)
        computed = op in _PLAIN and dtype == "float32" and all(o.is_plain for o in operands)
        plain = not shape and (op == "weight" or computed)
        made = Node(op, operands, parameters, dtype, shape, is_plain=plain)
        key = (op, tuple(map(id, operands)), parameters, dtype, shape)
        return self._known.setdefault(key, made)

    def elementwise(self, op: str, *operands: Node, dtype: str = "", parameter: Any = None) -> Node:  # noqa: ANN401
        """Return an operation on each entry; operands of shape () or of one rank broadcast.

        Args:
          op: among ``ELEMENTWISE``.
          operands: of "select": the condition, the value if it holds, the value if not.
          dtype: of the result; left out, the last operand's, or bool for a comparison.
          parameter: of "power", the exponent.
        """
        shape = _broadcast(operands)
        dtype = dtype or ("bool" if op in _COMPARISONS else operands[-1].dtype)
        if dtype == "bool" and op in _OF_BOOL:
            op = _OF_BOOL[op]
        if op in _INTEGER and all(o.value is not None and o.dtype != "float32" for o in operands):
            values = [o.value for o in operands]
            return self.constant(np.asarray(_INTEGER[op](*values)).astype(dtype))
        if op == "convert" and operands[0].value is not None and operands[0].dtype != "float32":
            return self.constant(operands[0].value.astype(dtype))
        if op == "mul" and operands[0] is operands[1]:
            op, operands, parameter = "power", operands[:1], 2
        parts = self._unexpanded(operands, shape)
        same = self._simplified(op, parts, dtype, shape)
        if same is not None:
            return self.expand(same, shape)
        return self.node(op, parts, () if parameter is None else (parameter,), dtype, shape)

    def _unexpanded(self, operands: Sequence[Node], shape: tuple[int, ...]) -> list[Node]:
        """Take back broadcasts of operands that the operation itself makes."""
        parts = list(operands)
        for i, part in enumerate(parts):
            while True:
                smaller = self._smaller(part)
                trial = [*parts[:i], *([smaller] if smaller else []), *parts[i + 1 :]]
                if smaller is None or _broadcast(trial) != shape:
                    break
                part, parts = smaller, trial
        return parts

    def _smaller(self, node: Node) -> Node | None:
        if node.value is not None and node.shape and _uniform(node.value):
            return self.constant(node.value.flat[0])
        if node.op == "expand" or (node.op == "reshape" and not node.operands[0].shape):
            return node.operands[0]
        return None

    def _simplified(
        self, op: str, parts: Sequence[Node], dtype: str, shape: tuple[int, ...]
    ) -> Node | None:
        """Return what an operation comes down to without being computed, if to anything."""
        first, last = parts[0], parts[-1]
        match op:
            case "add" if _is(first, 0.0):
                return last
            case "add" | "sub" if _is(last, 0.0):
                return first
            case "mul" if _is(first, 1.0):
                return last
            case "mul" | "div" if _is(last, 1.0):
                return first
            case "convert" if first.dtype == dtype:
                return first
            case "select" if first.value is not None and not first.shape:
                return parts[1] if first.value else parts[2]
            case "select" if parts[1] is parts[2]:
                return parts[1]
            case "select" if dtype == "bool" and (_is_flag(parts[1]) or _is_flag(parts[2])):
                return self._chosen_flag(*parts)
            case "select" if (wrapped := _wrapped(*parts)) is not None:
                return self.elementwise("mod", *wrapped)
            case "ne" if first.dtype == "bool" and _is(last, False):
                return first
            case "ne" if first.dtype == "bool" and _is(last, True):
                return self.elementwise("not", first)
            case "and" if _implies(first, last) or _implies(last, first):
                return first if _implies(first, last) else last
            case "and" | "or" if dtype == "bool":
                for one, other in ((first, last), (last, first)):
                    if _is(one, op == "and"):
                        return other
                    if _is(one, op == "or"):
                        return self.constant(np.full(shape, op == "or"))
            case "lt" if last.value is not None and not last.shape:
                low, high = bounds(first)
                if low >= last.value or high < last.value:
                    return self.constant(np.full(shape, bool(high < last.value)))
        return None

    def _chosen_flag(self, condition: Node, yes: Node, no: Node) -> Node:
        """Return a choice between booleans, one of which is known, as logic."""
        if _is_flag(yes):
            if _is(yes, True):
                return self.elementwise("or", condition, no)
            return self.elementwise("and", self.elementwise("not", condition), no)
        if _is(no, True):
            return self.elementwise("or", self.elementwise("not", condition), yes)
        return self.elementwise("and", condition, yes)

    def expand(self, node: Node, shape: Sequence[int]) -> Node:
        """Return an array of shape (), or with axes of size 1, repeated to a shape."""
        shape = tuple(shape)
        if node.shape == shape:
            return node
        if node.value is not None:
            return self.constant(np.broadcast_to(node.value, shape))
        if not node.shape and math.prod(shape) == 1:
            return self.reshape(node, shape)
        return self.node("expand", [node], (), node.dtype, shape)

    def reshape(self, node: Node, shape: Sequence[int]) -> Node:
        """Return the same numbers, in order, in another shape."""
        shape = tuple(shape)
        if node.value is not None:
            return self.constant(node.value.reshape(shape))
        if node.op == "reshape":
            node = node.operands[0]
        if node.shape == shape:
            return node
        picked = _picked(node.shape, shape)
        if picked is not None:
            return self.index(node, picked)
        return self.node("reshape", [node], (), node.dtype, shape)

    def index(self, node: Node, axes: Sequence[Axis]) -> Node:
        """Return ``node[axes]``, steps being positive and every part inside."""
        axes = tuple(axes)
        if node.value is not None:
            slices = tuple(a if isinstance(a, int) else slice(*a) for a in axes)
            return self.constant(node.value[slices])
        if all(axis == (0, size, 1) for axis, size in zip(axes, node.shape, strict=True)):
            return node
        if node.op == "index":
            return self.index(node.operands[0], _composed(node.parameters, axes))
        if node.op == "concatenate":
            inner = _inside_one_part(node, axes)
            if inner is not None:
                return self.index(*inner)
        kept = [len(range(*axis)) for axis in axes if not isinstance(axis, int)]
        if node.op == "reshape" and not node.operands[0].shape and not kept:
            return node.operands[0]
        return self.node("index", [node], axes, node.dtype, kept)

    def concatenate(self, nodes: Sequence[Node], axis: int) -> Node:
        """Return arrays joined along an axis."""
        nested = [
            n.operands if n.op == "concatenate" and n.parameters == (axis,) else (n,) for n in nodes
        ]
        flat = [node for some in nested for node in some]
        nodes = [node for node in flat if node.shape[axis]] or flat[:1]
        if len(nodes) == 1:
            return nodes[0]
        shape = list(nodes[0].shape)
        shape[axis] = sum(node.shape[axis] for node in nodes)
        return self.node("concatenate", nodes, (axis,), nodes[0].dtype, shape)

    def transpose(self, node: Node, order: Sequence[int]) -> Node:
        """Return an array with its axes in another order."""
        order = tuple(order)
        if order == tuple(range(len(order))):
            return node
        if node.value is not None:
            return self.constant(node.value.transpose(order))
        shape = [node.shape[axis] for axis in order]
        return self.node("transpose", [node], order, node.dtype, shape)

    def reduce(self, op: str, node: Node, axes: Sequence[int]) -> Node:
        """Return a "reduce_sum", "reduce_max" and so on, over axes."""
        axes = tuple(sorted(axes))
        if not axes:
            return node
        if node.dtype == "bool" and op in ("reduce_max", "reduce_min"):
            op = "reduce_or" if op == "reduce_max" else "reduce_and"
        shape = [size for axis, size in enumerate(node.shape) if axis not in axes]
        if all(node.shape[axis] == 1 for axis in axes):
            return self.reshape(node, shape)
        return self.node(op, [node], axes, node.dtype, shape)


def bounds(node: Node) -> tuple[float, float]:
    """Return numbers between which a value lies for certain."""
    if node.value is not None and node.value.size and node.dtype == "int32":
        return float(node.value.min()), float(node.value.max())
    if node.op in ("argmax", "argmin"):
        return 0.0, node.operands[0].shape[node.parameters[0]] - 1.0
    if node.op == "convert" and node.operands[0].dtype == "bool":
        return 0.0, 1.0
    if node.op in ("reshape", "expand", "index"):
        return bounds(node.operands[0])
    return -math.inf, math.inf


def _is(node: Node, number: float) -> bool:
    value = node.value
    return value is not None and value.size > 0 and bool((value == number).all())


def _is_flag(node: Node) -> bool:
    """Whether a node is True everywhere, or False everywhere."""
    return node.dtype == "bool" and (_is(node, True) or _is(node, False))


def _implies(node: Node, other: Node) -> bool:
    """Whether a node is a < b and the other a != b."""
    return node.op == "lt" and other.op == "ne" and node.operands == other.operands


def _wrapped(condition: Node, yes: Node, no: Node) -> tuple[Node, ...] | None:
    """Return x and y if this is what jnp.mod(x, y) comes down to for a number y above 0.

    It is rem(x, y), and y more where that is below 0.
    """
    if no.op != "rem" or condition.op != "lt" or yes.op != "add":
        return None
    divisor = no.operands[1]
    above = divisor.value is not None and not divisor.shape and divisor.value > 0
    same = condition.operands[0] is no and yes.operands == (no, divisor)
    return no.operands if above and same and _is(condition.operands[1], 0.0) else None


def _uniform(value: np.ndarray) -> bool:
    return value.size > 0 and value.tobytes() == np.full_like(value, value.flat[0]).tobytes()


def _broadcast(nodes: Sequence[Node]) -> tuple[int, ...]:
    return np.broadcast_shapes(*(node.shape for node in nodes)) if nodes else ()


def _picked(shape: Sequence[int], wanted: Sequence[int]) -> tuple[Axis, ...] | None:
    """Return the index that leaves out axes of size 1, if that gives the wanted shape."""
    axes: list[Axis] = []
    left = list(wanted)
    for size in shape:
        if left and left[0] == size:
            axes.append((0, left.pop(0), 1))
        elif size == 1:
            axes.append(0)
        else:
            return None
    return None if left else tuple(axes)


def _composed(inner: Sequence[Axis], outer: Sequence[Axis]) -> tuple[Axis, ...]:
    """Return the one indexing that two are, the inner first."""
    rest = iter(outer)
    axes: list[Axis] = []
    for axis in inner:
        if isinstance(axis, int):
            axes.append(axis)
            continue
        places, then = range(*axis), next(rest)
        if isinstance(then, int):
            axes.append(places[then])
        else:
            picked = places[slice(*then)]
            axes.append((picked.start, picked.stop, picked.step))
    return tuple(axes)


def _inside_one_part(node: Node, axes: tuple[Axis, ...]) -> tuple[Node, tuple[Axis, ...]] | None:
    """Return the part of a concatenation that an index stays in, and the index in it."""
    joined = node.parameters[0]
    at = axes[joined]
    low, high = (at, at + 1) if isinstance(at, int) else at[:2]
    start = 0
    for part in node.operands:
        stop = start + part.shape[joined]
        if start <= low and high <= stop:
            moved = at - start if isinstance(at, int) else (at[0] - start, at[1] - start, at[2])
            return part, (*axes[:joined], moved, *axes[joined + 1 :])
        start = stop
    return None
