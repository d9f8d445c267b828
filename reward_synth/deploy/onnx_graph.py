"""A graph of expressions as an ONNX model of one environment, without a batch dimension.

A function of a task, such as what its policy observes, is traced to an array program,
lowered to the few operations of ``deploy.graph`` and written out here. Whoever has
onnxruntime can compute it, in any language and without this package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from reward_synth.deploy.describe import POLICY
from reward_synth.deploy.graph import Node
from reward_synth.deploy.statements import in_order
from reward_synth.errors import ExportError

# 17 is the newest set in which every reduction but the sum still takes its axes as an attribute,
# and one that is widely read: onnxruntime since 1.11, TensorRT since 8.5.
OPSET = POLICY["opset"]
IR_VERSION = 8  # the one that came with it; runtimes refuse a newer one than they know
_TYPES = {"float32": TensorProto.FLOAT, "int32": TensorProto.INT32, "bool": TensorProto.BOOL}

Emit = Callable[["Writer", Node, list[str]], str]


def onnx_model(outputs: Mapping[str, Node], leaves: Sequence[Node], what: str) -> onnx.ModelProto:
    """Return a model that computes nodes.

    Args:
      outputs: by name.
      leaves: the inputs, in order; also those that are not read.
      what: the model is of, for its name and for complaints.

    Raises:
      ExportError: an operation has no counterpart in ONNX.
    """
    writer = Writer(what)
    written: dict[int, str] = {}
    for node in in_order(list(outputs.values())):
        written[id(node)] = writer.write(node, [written[id(o)] for o in node.operands])
    for name, node in outputs.items():
        writer.add("Identity", [written[id(node)]], output=name)
    graph = helper.make_graph(
        writer.nodes,
        what,
        [helper.make_tensor_value_info(*n.parameters, TensorProto.FLOAT, n.shape) for n in leaves],
        [helper.make_tensor_value_info(n, _TYPES[o.dtype], o.shape) for n, o in outputs.items()],
        writer.constants,
    )
    return finished(graph)


def finished(graph: onnx.GraphProto) -> onnx.ModelProto:
    """Return a checked model of a graph."""
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="reward-synth",
    )
    onnx.checker.check_model(model, full_check=True)
    return model


class Writer:
    """Writes ONNX nodes, each with one output."""

    def __init__(self, what: str) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.what = what

    def write(self, node: Node, operands: list[str]) -> str:
        """Write a node of the graph and return the name of its value."""
        if node.op == "input":
            return node.parameters[0]
        if node.op == "constant":
            assert node.value is not None
            return self.constant(node.value)
        if node.op not in _EMIT:
            raise ExportError(f"the {self.what} uses {node.op}, which ONNX has not.")
        if node.dtype == "int32" and node.op in ("and", "or", "xor", "not"):
            raise ExportError(f"the {self.what} uses {node.op} of bits, which ONNX has not.")
        return _EMIT[node.op](self, node, operands)

    def constant(self, value: np.ndarray | Sequence[int] | float) -> str:
        """Add an initializer; whole numbers in a list are a shape or axes, so int64."""
        array = np.asarray(value, np.int64 if isinstance(value, list | tuple) else None)
        if isinstance(value, float):
            array = array.astype(np.float32)
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        # ascontiguousarray gives a scalar an axis
        self.constants[-1].dims[:] = list(array.shape)
        return name

    def add(self, op: str, inputs: Sequence[str], output: str = "", **attributes: Any) -> str:  # noqa: ANN401
        """Add an ONNX node and return the name of its first output."""
        outputs = [output or f"v{len(self.nodes)}"]
        if op == "TopK":
            outputs.append(f"{outputs[0]}_places")
        self.nodes.append(helper.make_node(op, inputs, outputs, **attributes))
        return outputs[0]

    def cast(self, value: str, dtype: str) -> str:
        """Convert to a type of the graph."""
        return self.add("Cast", [value], to=_TYPES[dtype])


def _plain(op: str) -> Emit:
    return lambda w, node, x: w.add(op, x)


def _not(op: str) -> Emit:
    return lambda w, node, x: w.add("Not", [_compare(op)(w, node, x)])


def _compare(op: str) -> Emit:
    def compare(w: Writer, node: Node, x: list[str]) -> str:
        return w.add(op, [w.cast(a, "int32") for a in x] if _is_bool(node.operands[0]) else x)

    return compare


def _is_bool(node: Node) -> bool:
    return node.dtype == "bool"


def _sign(w: Writer, node: Node, x: list[str]) -> str:
    sign = w.add("Sign", x)
    return w.add("Where", [w.add("IsNaN", x), x[0], sign]) if node.dtype == "float32" else sign


def _power(w: Writer, node: Node, x: list[str]) -> str:
    if node.parameters[0] == 2:
        return w.add("Mul", [x[0], x[0]])
    return w.add("Pow", [x[0], w.constant(np.array(node.parameters[0], node.dtype))])


def _log1p(w: Writer, node: Node, x: list[str]) -> str:
    """Kahan's log(u) x / (u - 1) with u = 1 + x rounded; as it is where that is 0/0 or inf/inf."""
    one = w.constant(1.0)
    u = w.add("Add", [x[0], one])
    log = w.add("Log", [u])
    mended = w.add("Mul", [log, w.add("Div", [x[0], w.add("Sub", [u, one])])])
    whole = w.add("Where", [w.add("IsInf", [u]), log, mended])
    return w.add("Where", [w.add("Equal", [u, one]), x[0], whole])


def _expm1(w: Writer, node: Node, x: list[str]) -> str:
    """2 t / (1 - t) with t = tanh(x / 2) where exp(x) - 1 would cancel."""
    one, two = w.constant(1.0), w.constant(2.0)
    t = w.add("Tanh", [w.add("Div", [x[0], two])])
    small = w.add("Div", [w.add("Mul", [two, t]), w.add("Sub", [one, t])])
    large = w.add("Sub", [w.add("Exp", x), one])
    return w.add("Where", [w.add("Less", [w.add("Abs", x), one]), small, large])


def _atan2(w: Writer, node: Node, x: list[str]) -> str:
    """From the angle in the first quadrant; of two infinities that is half a right angle."""
    zero, one, pi = (w.constant(float(np.float32(number))) for number in (0.0, 1.0, np.pi))
    high, wide = (w.add("Abs", [part]) for part in x)
    ratio = w.add("Div", [high, wide])
    endless = w.add("And", [w.add("IsInf", [part]) for part in x])
    nothing = w.add("And", [w.add("Equal", [part, zero]) for part in x])
    ratio = w.add("Where", [nothing, zero, w.add("Where", [endless, one, ratio])])
    angle = w.add("Atan", [ratio])
    angle = w.add("Where", [_is_negative(w, x[1]), w.add("Sub", [pi, angle]), angle])
    return w.add("Where", [_is_negative(w, x[0]), w.add("Neg", [angle]), angle])


def _is_negative(w: Writer, value: str) -> str:
    """Whether a number has a minus sign, a zero included, of which 1/x is minus infinity."""
    zero = w.constant(0.0)
    inverse = w.add("Div", [w.constant(1.0), value])
    minus_zero = w.add("And", [w.add("Equal", [value, zero]), w.add("Less", [inverse, zero])])
    return w.add("Or", [w.add("Less", [value, zero]), minus_zero])


def _cbrt(w: Writer, node: Node, x: list[str]) -> str:
    root = w.add("Pow", [w.add("Abs", x), w.constant(float(np.float32(1 / 3)))])
    return w.add("Mul", [_sign(w, node, x), root])


def _round_away(w: Writer, node: Node, x: list[str]) -> str:
    size = w.add("Abs", x)
    below = w.add("Floor", [size])
    half = w.add("GreaterOrEqual", [w.add("Sub", [size, below]), w.constant(0.5)])
    up = w.add("Add", [below, w.constant(1.0)])
    return w.add("Mul", [_sign(w, node, x), w.add("Where", [half, up, below])])


def _integers(op: str) -> Emit:
    """Whole numbers divided; by 0, and the lowest by -1, a processor ends the process."""

    def divided(w: Writer, node: Node, x: list[str]) -> str:
        divisor = node.operands[1].value
        if node.dtype == "int32" and (divisor is None or ((divisor == 0) | (divisor == -1)).any()):
            raise ExportError(
                f"the {w.what} divides whole numbers by one that may be 0 or -1, which ends an "
                "ONNX runtime: divide floats."
            )
        return w.add(op, x, fmod=1) if op == "Mod" else w.add(op, x)

    return divided


def _mod(w: Writer, node: Node, x: list[str]) -> str:
    """The divisor is a constant above 0, see ``graph``."""
    rest = _integers("Mod")(w, node, x)
    below = w.add("Less", [rest, w.constant(np.array(0, node.dtype))])
    return w.add("Where", [below, w.add("Add", [rest, x[1]]), rest])


def _convert(w: Writer, node: Node, x: list[str]) -> str:
    """JAX takes the nearest whole number that there is, and 0 for NaN."""
    if (node.operands[0].dtype, node.dtype) != ("float32", "int32"):
        return w.cast(x[0], node.dtype)
    end, below = w.constant(2147483648.0), w.constant(2147483520.0)
    number = w.add("Where", [w.add("IsNaN", x), w.constant(0.0), x[0]])
    inside = w.cast(w.add("Clip", [number, w.constant(-2147483648.0), below]), "int32")
    most = w.constant(np.array(2147483647, np.int32))
    return w.add("Where", [w.add("GreaterOrEqual", [number, end]), most, inside])


def _is_finite(w: Writer, node: Node, x: list[str]) -> str:
    return w.add("Not", [w.add("Or", [w.add("IsNaN", x), w.add("IsInf", x)])])


def _select(w: Writer, node: Node, x: list[str]) -> str:
    if node.dtype != "bool":
        return w.add("Where", x)
    chosen = w.add("Where", [x[0], w.cast(x[1], "int32"), w.cast(x[2], "int32")])
    return w.cast(chosen, "bool")


def _index(w: Writer, node: Node, x: list[str]) -> str:
    axes = [a if isinstance(a, tuple) else (a, a + 1, 1) for a in node.parameters]
    dropped = [i for i, a in enumerate(node.parameters) if isinstance(a, int)]
    starts, stops, steps = zip(*axes, strict=True)
    places = tuple(range(len(axes)))
    parts = [w.constant(list(numbers)) for numbers in (starts, stops, places, steps)]
    value = w.add("Slice", [x[0], *parts])
    return w.add("Squeeze", [value, w.constant(dropped)]) if dropped else value


def _flip(w: Writer, node: Node, x: list[str]) -> str:
    axes = list(node.parameters)
    ends = [[-1] * len(axes), [-(2**31)] * len(axes), axes, [-1] * len(axes)]
    return w.add("Slice", [x[0], *map(w.constant, ends)])


def _take(w: Writer, node: Node, x: list[str]) -> str:
    return w.add("Gather", x, axis=0)


def _reduce(op: str) -> Emit:
    def reduce(w: Writer, node: Node, x: list[str]) -> str:
        axes = list(node.parameters)
        if op == "ReduceSum":
            return w.add(op, [x[0], w.constant(axes)], keepdims=0)
        if node.dtype == "bool":
            return w.cast(w.add(op, [w.cast(x[0], "int32")], axes=axes, keepdims=0), "bool")
        value = w.add(op, x, axes=axes, keepdims=0)
        if op == "ReduceProd" or node.dtype != "float32":
            return value
        unknown = w.cast(w.add("IsNaN", x), "int32")  # which ONNX leaves out
        unknown = w.cast(w.add("ReduceMax", [unknown], axes=axes, keepdims=0), "bool")
        return w.add("Where", [unknown, w.constant(float("nan")), value])

    return reduce


def _arg(op: str) -> Emit:
    def arg(w: Writer, node: Node, x: list[str]) -> str:
        axis = node.parameters[0]
        place = w.add(op, x, axis=axis, keepdims=0)
        if node.operands[0].dtype == "float32":  # JAX finds the first NaN, if there is one
            unknown = w.cast(w.add("IsNaN", x), "int32")
            first = w.add("ArgMax", [unknown], axis=axis, keepdims=0)
            some = w.cast(w.add("ReduceMax", [unknown], axes=[axis], keepdims=0), "bool")
            place = w.add("Where", [some, first, place])
        return w.cast(place, "int32")

    return arg


def _scan(op: str) -> Emit:
    """Step by step: the length is known and ONNX has only the sum."""

    def scan(w: Writer, node: Node, x: list[str]) -> str:
        axis = w.constant([node.parameters[0]])
        parts: list[str] = []
        for i in range(node.shape[node.parameters[0]]):
            part = w.add("Slice", [x[0], w.constant([i]), w.constant([i + 1]), axis])
            parts.append(w.add(op, [parts[-1], part]) if parts else part)
        return w.add("Concat", parts, axis=node.parameters[0])

    return scan


def _sort(w: Writer, node: Node, x: list[str]) -> str:
    axis = node.parameters[0]
    return w.add("TopK", [x[0], w.constant([node.shape[axis]])], axis=axis, largest=0)


_EMIT: dict[str, Emit] = {
    **{
        name.lower(): _plain(name)
        for name in """
        Abs Acos Acosh Add And Asin Asinh Atan Atanh Ceil Cos Cosh Erf Exp Floor Max Min Mul Neg
        Not Or Pow Round Sin Sinh Sqrt Sub Tan Tanh Xor Log
        """.split()
    },
    "logistic": _plain("Sigmoid"),
    "stop_gradient": _plain("Identity"),
    "rsqrt": lambda w, node, x: w.add("Reciprocal", [w.add("Sqrt", x)]),
    "exp2": lambda w, node, x: w.add("Pow", [w.constant(2.0), x[0]]),
    "erfc": lambda w, node, x: w.add("Sub", [w.constant(1.0), w.add("Erf", x)]),
    "expm1": _expm1,
    "log1p": _log1p,
    "atan2": _atan2,
    "cbrt": _cbrt,
    "round_away": _round_away,
    "sign": _sign,
    "power": _power,
    "div": _integers("Div"),
    "rem": _integers("Mod"),
    "mod": _mod,
    "convert": _convert,
    "is_finite": _is_finite,
    "select": _select,
    "eq": _compare("Equal"),
    "ne": _not("Equal"),
    "lt": _compare("Less"),
    "le": _compare("LessOrEqual"),
    "gt": _compare("Greater"),
    "ge": _compare("GreaterOrEqual"),
    "index": _index,
    "reshape": lambda w, node, x: w.add("Reshape", [x[0], w.constant(list(node.shape))]),
    "expand": lambda w, node, x: w.add("Expand", [x[0], w.constant(list(node.shape))]),
    "transpose": lambda w, node, x: w.add("Transpose", x, perm=list(node.parameters)),
    "flip": _flip,
    "concatenate": lambda w, node, x: w.add("Concat", x, axis=node.parameters[0]),
    "take": _take,
    "reduce_sum": _reduce("ReduceSum"),
    "reduce_prod": _reduce("ReduceProd"),
    "reduce_max": _reduce("ReduceMax"),
    "reduce_min": _reduce("ReduceMin"),
    "reduce_or": _reduce("ReduceMax"),
    "reduce_and": _reduce("ReduceMin"),
    "argmax": _arg("ArgMax"),
    "argmin": _arg("ArgMin"),
    "cumsum": _scan("Add"),
    "cumprod": _scan("Mul"),
    "cummax": _scan("Max"),
    "cummin": _scan("Min"),
    "sort": _sort,
}
