"""The operations of array programs in terms of the graph's few.

What XLA does at the edges is part of an operation and is kept: indices that are out
of bounds, numbers that do not fit into an integer, division of integers by zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jax.lax import GatherScatterMode, RoundingMethod

from reward_synth.deploy.graph import ELEMENTWISE, Axis, Graph, Node, bounds
from reward_synth.errors import ExportError
from reward_synth.reward.array_program import Operation, Program

Lower = Callable[[Graph, list[Node], dict[str, Any], tuple[int, ...]], Node | list[Node]]

_REDUCTIONS = ("reduce_and", "reduce_max", "reduce_min", "reduce_or", "reduce_prod", "reduce_sum")
_SCANS = ("cummax", "cummin", "cumprod", "cumsum")


def lower(graph: Graph, operation: Operation, operands: list[Node]) -> list[Node]:
    """Return the results of an operation of an array program.

    Raises:
      ExportError: it works on numbers that the graph has not.
    """
    if any(dtype == "uint32" for dtype, _ in operation.results):
        raise ExportError("it computes with uint32, for which there is no counterpart.")
    if all(operand.value is not None for operand in operands):
        arrays = operation.apply([operand.value for operand in operands])
        return [graph.constant(np.asarray(array)) for array in arrays]
    dtype, shape = operation.results[0]
    name = operation.name
    if name in _LOWER:
        found = _LOWER[name](graph, operands, operation.parameters, tuple(shape))
        return found if isinstance(found, list) else [found]
    assert name in ELEMENTWISE, name
    return [graph.elementwise(name, *operands, dtype=dtype)]


def nodes_of(graph: Graph, program: Program, arguments: Sequence[Node]) -> list[Node]:
    """Return the nodes of an array program's outputs, of nodes in place of its inputs.

    Raises:
      ExportError: it works on numbers that the graph has not.
    """
    values = list(arguments)

    def node(operand: object) -> Node:
        found = program.operand(operand, values)
        return graph.constant(found) if isinstance(found, np.ndarray) else found

    for operation in program.operations:
        values += lower(graph, operation, [node(o) for o in operation.operands])
    return [node(output) for output in program.outputs]


def _same(graph: Graph, x: list[Node], p: dict[str, Any], shape: tuple[int, ...]) -> Node:
    return x[0]


def _convert(graph: Graph, x: list[Node], p: dict[str, Any], shape: tuple[int, ...]) -> Node:
    return graph.elementwise("convert", x[0], dtype=p["new_dtype"].name)


def _clamp(graph: Graph, x: list[Node], p: dict[str, Any], shape: tuple[int, ...]) -> Node:
    low, value, high = x
    return graph.elementwise("min", graph.elementwise("max", value, low), high)


def _square(graph: Graph, x: list[Node], p: dict[str, Any], shape: tuple[int, ...]) -> Node:
    return graph.elementwise("power", x[0], parameter=2)


def _integer_pow(graph: Graph, x: list[Node], p: dict[str, Any], shape: tuple[int, ...]) -> Node:
    return graph.elementwise("power", x[0], parameter=p["y"])


def _round(graph: Graph, x: list[Node], p: dict[str, Any], shape: tuple[int, ...]) -> Node:
    to_even = p["rounding_method"] == RoundingMethod.TO_NEAREST_EVEN
    return graph.elementwise("round" if to_even else "round_away", x[0])


def _select(graph: Graph, x: list[Node], p: dict[str, Any], shape: tuple[int, ...]) -> Node:
    which, *cases = x
    if which.dtype == "bool":
        return graph.elementwise("select", which, *reversed(cases))
    chosen = cases[-1]
    for number, case in reversed(list(enumerate(cases[:-1]))):
        here = graph.elementwise("lt", which, _integer(graph, number + 1))
        chosen = graph.elementwise("select", here, case, chosen)
    return chosen


def _reshape(graph: Graph, x: list[Node], p: dict[str, Any], shape: tuple[int, ...]) -> Node:
    return graph.reshape(x[0], shape)


def _broadcast(graph: Graph, x: list[Node], p: dict[str, Any], shape: tuple[int, ...]) -> Node:
    node, places = x[0], p["broadcast_dimensions"]
    if node.shape:
        placed = [1] * len(shape)
        for axis, place in enumerate(places):
            placed[place] = node.shape[axis]
        node = graph.reshape(node, placed)
    return graph.expand(node, shape)


def _slice(graph: Graph, x: list[Node], p: dict[str, Any], shape: tuple[int, ...]) -> Node:
    steps = p["strides"] or (1,) * len(shape)
    bounds_ = zip(p["start_indices"], p["limit_indices"], steps, strict=True)
    return graph.index(x[0], tuple(bounds_))


def _rev(graph: Graph, x: list[Node], p: dict[str, Any], shape: tuple[int, ...]) -> Node:
    return _flip(graph, x[0], p["dimensions"])


def _flip(graph: Graph, node: Node, axes: Sequence[int]) -> Node:
    axes = tuple(axis for axis in axes if node.shape[axis] > 1)
    return graph.node("flip", [node], axes, node.dtype, node.shape) if axes else node


def _transpose(graph: Graph, x: list[Node], p: dict[str, Any], shape: tuple[int, ...]) -> Node:
    return graph.transpose(x[0], p["permutation"])


def _concatenate(graph: Graph, x: list[Node], p: dict[str, Any], shape: tuple[int, ...]) -> Node:
    return graph.concatenate(x, p["dimension"])


def _stack(graph: Graph, x: list[Node], p: dict[str, Any], shape: tuple[int, ...]) -> Node:
    axis = p["axis"] % len(shape)
    single = [*shape[:axis], 1, *shape[axis + 1 :]]
    return graph.concatenate([graph.reshape(node, single) for node in x], axis)


def _unstack(graph: Graph, x: list[Node], p: dict[str, Any], shape: tuple[int, ...]) -> list[Node]:
    node = x[0]
    axis = p["axis"] % len(node.shape)
    whole: list[Axis] = [(0, size, 1) for size in node.shape]
    return [
        graph.index(node, (*whole[:axis], i, *whole[axis + 1 :])) for i in range(node.shape[axis])
    ]


def _reduction(name: str) -> Lower:
    return lambda graph, x, p, shape: graph.reduce(name, x[0], p["axes"])


def _arg(name: str) -> Lower:
    def arg(graph: Graph, x: list[Node], p: dict[str, Any], shape: tuple[int, ...]) -> Node:
        node = _not_bool(graph, x[0])
        return graph.node(name, [node], tuple(p["axes"]), "int32", shape)

    return arg


def _scan(name: str) -> Lower:
    def scan(graph: Graph, x: list[Node], p: dict[str, Any], shape: tuple[int, ...]) -> Node:
        node, axes = x[0], (p["axis"],)
        if p["reverse"]:
            node = _flip(graph, node, axes)
        node = graph.node(name, [node], axes, node.dtype, node.shape)
        return _flip(graph, node, axes) if p["reverse"] else node

    return scan


def _sort(graph: Graph, x: list[Node], p: dict[str, Any], shape: tuple[int, ...]) -> list[Node]:
    axis = p["dimension"]
    if len(x) == 1:
        found = graph.node(
            "sort", [_not_bool(graph, x[0])], (axis,), _not_bool(graph, x[0]).dtype, shape
        )
        return [graph.elementwise("convert", found, dtype=x[0].dtype)]
    # By the last key first: each further sort is stable, so it keeps that order among equals.
    sorted_ = list(x)
    for key in reversed(range(p["num_keys"])):
        by = _not_bool(graph, sorted_[key])
        order = graph.node("order", [by], (axis,), "int32", shape)
        sorted_ = [
            graph.node("take_along", [node, order], (axis,), node.dtype, shape) for node in sorted_
        ]
    return sorted_


def _not_bool(graph: Graph, node: Node) -> Node:
    return graph.elementwise("convert", node, dtype="int32") if node.dtype == "bool" else node


def _dot_general(graph: Graph, x: list[Node], p: dict[str, Any], shape: tuple[int, ...]) -> Node:
    """Products and sums instead of a matrix product, which may be rounded to TF32 on a GPU."""
    (left_summed, right_summed), (left_batch, right_batch) = p["dimension_numbers"]
    preferred = p["preferred_element_type"]
    dtype = x[0].dtype if preferred is None else preferred.name
    left, right = (graph.elementwise("convert", node, dtype=dtype) for node in x)
    left_free = [a for a in range(len(left.shape)) if a not in (*left_summed, *left_batch)]
    right_free = [a for a in range(len(right.shape)) if a not in (*right_summed, *right_batch)]
    # (batch, left's free axes, right's free axes, summed axes)
    batch = [left.shape[a] for a in left_batch]
    free = [left.shape[a] for a in left_free]
    others = [right.shape[a] for a in right_free]
    summed = [left.shape[a] for a in left_summed]
    left = graph.transpose(left, (*left_batch, *left_free, *left_summed))
    left = graph.reshape(left, (*batch, *free, *[1] * len(others), *summed))
    right = graph.transpose(right, (*right_batch, *right_free, *right_summed))
    right = graph.reshape(right, (*batch, *[1] * len(free), *others, *summed))
    product = graph.elementwise("mul", left, right)
    return graph.reduce("reduce_sum", product, range(len(shape), len(product.shape)))


def _dynamic_slice(graph: Graph, x: list[Node], p: dict[str, Any], shape: tuple[int, ...]) -> Node:
    """A start is moved back until the slice is inside."""
    node, *starts = x
    steps = _strides(node.shape)
    base = _integer(graph, 0)
    for axis, start in enumerate(starts):
        last = node.shape[axis] - shape[axis]
        base = graph.elementwise(
            "add", base, _times(graph, _limited(graph, start, last), steps[axis])
        )
    return _take(graph, node, base, _offsets(shape, steps), shape)


def _gather(graph: Graph, x: list[Node], p: dict[str, Any], shape: tuple[int, ...]) -> Node:
    """See XLA's operation semantics, "Gather"."""
    node, starts = x
    numbers, sizes = p["dimension_numbers"], p["slice_sizes"]
    steps = _strides(node.shape)
    where = starts.shape[:-1]  # one slice is taken for each entry of this shape
    base = graph.constant(np.zeros(where, np.int32))
    inside = graph.constant(np.ones(where, bool))
    whole: list[Axis] = [(0, size, 1) for size in where]
    for k, axis in enumerate(numbers.start_index_map):
        start, last = graph.index(starts, (*whole, k)), node.shape[axis] - sizes[axis]
        inside = graph.elementwise("and", inside, _within(graph, start, last))
        base = graph.elementwise(
            "add", base, _times(graph, _limited(graph, start, last), steps[axis])
        )
    batching = zip(numbers.operand_batching_dims, numbers.start_indices_batching_dims, strict=True)
    for axis, of in batching:
        counted = np.arange(where[of]).reshape([-1 if a == of else 1 for a in range(len(where))])
        base = graph.elementwise(
            "add", base, graph.constant((counted * steps[axis]).astype(np.int32))
        )
    gone = (*numbers.collapsed_slice_dims, *numbers.operand_batching_dims)
    kept = [axis for axis in range(len(node.shape)) if axis not in gone]
    part = tuple(sizes[axis] for axis in kept)
    offsets = _offsets(part, [steps[axis] for axis in kept])
    taken = _take(graph, node, base, offsets, (*where, *part))
    if p["mode"] == GatherScatterMode.FILL_OR_DROP:
        fill = graph.constant(_fill(p["fill_value"], node.dtype))
        inside = graph.reshape(inside, (*where, *[1] * len(part)))
        taken = graph.elementwise("select", inside, taken, fill)
    # The axes of a slice are not at the end but at offset_dims.
    places = iter(range(len(where)))
    inner = {place: len(where) + k for k, place in enumerate(numbers.offset_dims)}
    order = [inner[a] if a in inner else next(places) for a in range(len(shape))]
    return graph.transpose(taken, order)


def _fill(value: Any, dtype: str) -> np.ndarray:  # noqa: ANN401
    """Return what JAX puts where an index is out of bounds."""
    if value is not None:
        return np.asarray(value, dtype)
    lowest = {"float32": np.nan, "int32": np.iinfo(np.int32).min, "bool": True}
    return np.asarray(lowest[dtype], dtype)


def _pad(graph: Graph, x: list[Node], p: dict[str, Any], shape: tuple[int, ...]) -> Node:
    """Every entry of the result is one of the array's or the padding."""
    node, padding = x
    size = math.prod(node.shape)
    source = np.arange(size, dtype=np.int32).reshape(node.shape)
    for axis, (low, high, interior) in enumerate(p["padding_config"]):
        source = np.moveaxis(source, axis, 0)
        length = len(source) + interior * max(len(source) - 1, 0)
        spread = np.full((length, *source.shape[1:]), size, np.int32)
        spread[:: interior + 1] = source
        edge = [(max(low, 0), max(high, 0))] + [(0, 0)] * (spread.ndim - 1)
        spread = np.pad(spread, edge, constant_values=size)
        spread = spread[max(-low, 0) : len(spread) - max(-high, 0)]
        source = np.moveaxis(spread, 0, axis)
    flat = graph.concatenate([graph.reshape(node, [size]), graph.reshape(padding, [1])], 0)
    return _take(graph, flat, _integer(graph, 0), source, shape)


def _integer(graph: Graph, number: int) -> Node:
    return graph.constant(np.array(number, np.int32))


def _strides(shape: Sequence[int]) -> list[int]:
    return [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]


def _offsets(shape: Sequence[int], steps: Sequence[int]) -> np.ndarray:
    """Return where each entry of a slice lies from its first, in the array laid out flat."""
    grid = np.indices(shape, np.int32).reshape(len(shape), *shape)
    return sum((g * step for g, step in zip(grid, steps, strict=True)), np.zeros(shape, np.int32))


def _times(graph: Graph, node: Node, number: int) -> Node:
    return graph.elementwise("mul", node, _integer(graph, number))


def _limited(graph: Graph, start: Node, last: int) -> Node:
    low, high = bounds(start)
    if low < 0:
        start = graph.elementwise("max", start, _integer(graph, 0))
    if high > last:
        start = graph.elementwise("min", start, _integer(graph, last))
    return start


def _within(graph: Graph, start: Node, last: int) -> Node:
    above = graph.elementwise("ge", start, _integer(graph, 0))
    return graph.elementwise("and", above, graph.elementwise("le", start, _integer(graph, last)))


def _take(
    graph: Graph, node: Node, base: Node, offsets: np.ndarray, shape: tuple[int, ...]
) -> Node:
    """Return entries of an array by their places in it, laid out flat.

    Args:
      graph: where the nodes are made.
      node: the array.
      base: where each slice begins; its axes are the result's first.
      offsets: where in a slice each entry is; its axes are the result's last.
      shape: the result's.
    """
    flat = graph.reshape(node, [math.prod(node.shape)])
    base = graph.reshape(base, (*base.shape, *[1] * offsets.ndim))
    place = graph.elementwise(
        "add",
        base,
        graph.constant(offsets.reshape([1] * (len(shape) - offsets.ndim) + [*offsets.shape])),
    )
    place = graph.expand(place, shape)
    if place.value is not None and len(shape) <= 1 and place.value.size <= 8:
        entries = [graph.index(flat, ((i, i + 1, 1),)) for i in place.value.flatten().tolist()]
        return graph.reshape(graph.concatenate(entries, 0), shape)
    return graph.node("take", [flat, place], (), node.dtype, shape)


_LOWER: dict[str, Lower] = {
    "broadcast_in_dim": _broadcast,
    "clamp": _clamp,
    "concatenate": _concatenate,
    "convert_element_type": _convert,
    "copy": _same,
    "dot_general": _dot_general,
    "dynamic_slice": _dynamic_slice,
    "gather": _gather,
    "integer_pow": _integer_pow,
    "pad": _pad,
    "reshape": _reshape,
    "rev": _rev,
    "round": _round,
    "select_n": _select,
    "slice": _slice,
    "sort": _sort,
    "square": _square,
    "squeeze": _reshape,
    "stack": _stack,
    "transpose": _transpose,
    "unstack": _unstack,
    **{name: _reduction(name) for name in _REDUCTIONS},
    **{name: _arg(name) for name in ("argmax", "argmin")},
    **{name: _scan(name) for name in _SCANS},
}
