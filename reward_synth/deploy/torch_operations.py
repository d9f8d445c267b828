"""PyTorch expressions for the nodes of a graph, with the batch dimension in front.

A tensor of a node has the shape (n, *node.shape). Two kinds of nodes are no such
tensors: plain ones are Python numbers, ``weights["effort"]`` or ``0.5``, and arrays
of constants lack the batch dimension.

Only functions that PyTorch 1.8 has, the version of Isaac Gym, and only what
TorchScript compiles: so ``masked_fill`` where ``torch.where`` would take a number,
and sums of products where a matrix product could be rounded to TF32.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from reward_synth.deploy.graph import Node

# Levels of Python's grammar, the loosest first.
COMPARE, OR, XOR, AND, SUM, PRODUCT, SIGN, POWER, ATOM = range(9)


class Text(NamedTuple):
    """An expression and how tightly it holds together."""

    text: str
    level: int = ATOM

    def at(self, level: int) -> str:
        """Return the text, in parentheses unless it holds together at least so tightly."""
        return self.text if self.level >= level else f"({self.text})"


class Writer(Protocol):
    """What an expression may ask of the function that it becomes a part of."""

    def text(self, node: Node) -> Text:
        """Return a node that was written before: its variable, or its expression."""
        ...

    def helper(self, name: str) -> str:
        """Return the name of a function of ``HELPERS``, which the file will have."""
        ...

    def is_inline(self, node: Node) -> bool:
        """Whether a node is used once and has no variable."""
        ...


def expression(node: Node, writer: Writer) -> Text:
    """Return a node as an expression of its operands."""
    return _EXPRESSIONS[node.op](node, writer)


def quoted(text: str) -> str:
    """Return a string literal."""
    return json.dumps(text, ensure_ascii=False)


def tensor(node: Node, writer: Writer) -> Text:
    """Return a node of shape () as (n,), others as what they are."""
    if not node.is_plain:
        return writer.text(node)
    number = writer.text(node).text
    if node.dtype == "float32":
        return Text(f"torch.full_like(action[:, 0], {number})")
    return Text(f"torch.full_like(action[:, 0], {number}, dtype=torch.{node.dtype})")


def _batched(node: Node, writer: Writer) -> Text:
    """As ``tensor``, but also arrays of constants have the batch dimension."""
    if node.value is None or node.is_plain:
        return tensor(node, writer)
    return Text(f"{writer.text(node).at(ATOM)}.expand({_sizes(node.shape)})")


def _aligned(node: Node, rank: int, writer: Writer) -> Text:
    """Return a tensor that broadcasts, behind the batch dimension, against others of a rank."""
    found = tensor(node, writer)
    if len(node.shape) == rank or (node.value is not None and node.shape):
        return found
    return Text(f"{found.at(ATOM)}[:{', None' * rank}]")


def _sizes(shape: Sequence[int]) -> str:
    return ", ".join(["n", *map(str, shape)])


def _dims(axes: Sequence[int]) -> str:
    shifted = [axis + 1 for axis in axes]
    return f"dim={shifted[0] if len(shifted) == 1 else shifted}"


def number(value: np.ndarray | float) -> Text:
    """Return a literal that gives the same float32, int32 or bool."""
    array = np.asarray(value)
    if array.dtype != np.float32:
        text = str(array.item())
    elif np.isnan(array):
        return Text('float("nan")')
    elif np.isinf(array):
        return Text('float("inf")') if array > 0 else Text('-float("inf")', SIGN)
    else:
        text = repr(float(str(array)))  # the shortest of float32, not of float64
        # The largest float32, written short, is beyond float32.
        if np.float32(text) != array or abs(float(text)) > float(np.finfo(np.float32).max):
            text = repr(array.item())
    return Text(text, SIGN if text.startswith("-") else ATOM)


def _constant(node: Node, writer: Writer) -> Text:
    assert node.value is not None
    if node.is_plain:
        return number(node.value)

    def nested(array: np.ndarray) -> str:
        parts = (nested(part) if part.ndim else number(part).text for part in array)
        return f"[{', '.join(parts)}]"

    dtype = "action.dtype" if node.dtype == "float32" else f"torch.{node.dtype}"
    return Text(f"torch.tensor({nested(node.value)}, dtype={dtype}, device=action.device)")


def _weight(node: Node, writer: Writer) -> Text:
    return Text(f"weights[{quoted(node.parameters[0])}]")


def _operands(node: Node, writer: Writer) -> list[Text]:
    """The operands of an operator: numbers where they are plain, unless all of them are."""
    rank = len(node.shape)
    numbers = [o.is_plain for o in node.operands]
    if all(numbers) and not node.is_plain:
        numbers[0] = False
    return [
        writer.text(o) if is_number else _aligned(o, rank, writer)
        for o, is_number in zip(node.operands, numbers, strict=True)
    ]


def _tensors(node: Node, writer: Writer) -> list[str]:
    return [_aligned(o, len(node.shape), writer).text for o in node.operands]


def _infix(left: Text, symbol: str, right: Text, level: int) -> Text:
    # The right one has to hold tighter: a - (b - c), and a + (b + c) rounds in that order.
    return Text(f"{left.at(level)} {symbol} {right.at(level + 1)}", level)


def _operator(symbol: str, level: int) -> Expression:
    def operator(node: Node, writer: Writer) -> Text:
        left, right = _operands(node, writer)
        return _infix(left, symbol, right, level)

    return operator


def _add(node: Node, writer: Writer) -> Text:
    left, right = _operands(node, writer)
    second = node.operands[1]
    if second.op == "neg" and writer.is_inline(second) and not second.is_plain:
        return _infix(left, "-", _aligned(second.operands[0], len(node.shape), writer), SUM)
    return _infix(left, "+", right, SUM)


def _compare(symbol: str, mirrored: str) -> Expression:
    def compare(node: Node, writer: Writer) -> Text:
        left, right = _operands(node, writer)
        first, second = node.operands
        if first is second and symbol in ("==", "!="):
            test = f"torch.isnan({left.text})"
            return Text(test) if symbol == "!=" else Text(f"~{test}", SIGN)
        if first.is_plain and not second.is_plain:
            left, right = right, left
            return Text(f"{left.at(OR)} {mirrored} {right.at(OR)}", COMPARE)
        return Text(f"{left.at(OR)} {symbol} {right.at(OR)}", COMPARE)

    return compare


def _function(name: str) -> Expression:
    """Return a function of tensors that broadcast."""
    return lambda node, writer: Text(f"{name}({', '.join(_tensors(node, writer))})")


def _helped(name: str) -> Expression:
    return lambda node, writer: _function(writer.helper(name))(node, writer)


def _sign_of(symbol: str) -> Expression:
    def signed(node: Node, writer: Writer) -> Text:
        (operand,) = (
            _operands(node, writer) if node.is_plain else [tensor(node.operands[0], writer)]
        )
        return Text(f"{symbol}{operand.at(SIGN)}", SIGN)

    return signed


def _sign(node: Node, writer: Writer) -> Text:
    name = "torch.sign" if node.dtype == "int32" else writer.helper("_sign")
    return _function(name)(node, writer)


def _power(node: Node, writer: Writer) -> Text:
    base = tensor(node.operands[0], writer).at(ATOM)
    return Text(f"{base}{'**' if base.isidentifier() else ' ** '}{node.parameters[0]}", POWER)


def _pow(node: Node, writer: Writer) -> Text:
    left, right = _operands(node, writer)
    return Text(f"torch.pow({left.text}, {right.text})")


def _is_harmless(divisor: Node) -> bool:
    """Whether no whole number divided by it gives an exception or one that is too large."""
    return divisor.is_plain and divisor.value is not None and divisor.value not in (0, -1)


def _div(node: Node, writer: Writer) -> Text:
    left, right = _operands(node, writer)
    if node.dtype == "float32":
        return _infix(left, "/", right, PRODUCT)
    if _is_harmless(node.operands[1]):
        return Text(f'torch.div({left.text}, {right.text}, rounding_mode="trunc")')
    return _helped("_int_div")(node, writer)


def _rem(node: Node, writer: Writer) -> Text:
    left, right = _operands(node, writer)
    if node.dtype != "float32" and not _is_harmless(node.operands[1]):
        return _helped("_int_rem")(node, writer)
    if node.operands[0].is_plain:
        return _function("torch.fmod")(node, writer)
    return Text(f"torch.fmod({left.text}, {right.text})")


def _mod(node: Node, writer: Writer) -> Text:
    value, divisor = _operands(node, writer)
    return Text(f"torch.remainder({value.text}, {divisor.text})")


def _extreme(name: str, bound: str) -> Expression:
    """Return torch.maximum or torch.minimum, or torch.clamp against a number."""

    def extreme(node: Node, writer: Writer) -> Text:
        limits = [o for o in node.operands if o.is_plain]
        others = [o for o in node.operands if not o.is_plain]
        if len(limits) != 1:
            return _function(name)(node, writer)
        limit, other = writer.text(limits[0]).text, others[0]
        lower = [o for o in other.operands if o.is_plain]
        clips = bound == "max" and other.op == "max" and len(lower) == 1
        if clips and writer.is_inline(other):
            (inner,) = (o for o in other.operands if not o.is_plain)
            value = _aligned(inner, len(node.shape), writer).text
            return Text(f"torch.clamp({value}, {writer.text(lower[0]).text}, {limit})")
        value = _aligned(other, len(node.shape), writer).text
        return Text(f"torch.clamp({value}, {bound}={limit})")

    return extreme


def _select(node: Node, writer: Writer) -> Text:
    condition, yes, no = node.operands
    rank = len(node.shape)
    test = _aligned(condition, rank, writer)
    if yes.is_plain and no.is_plain:
        if (yes.value, no.value) == (1.0, 0.0) and node.dtype == "float32":
            return Text(f"{test.at(ATOM)}.to(action.dtype)")
    elif no.is_plain and yes.shape == node.shape and yes.value is None:
        filled = _aligned(yes, rank, writer).at(ATOM)
        return Text(f"{filled}.masked_fill(~{test.at(SIGN)}, {writer.text(no).text})")
    elif yes.is_plain and no.shape == node.shape and no.value is None:
        filled = _aligned(no, rank, writer).at(ATOM)
        return Text(f"{filled}.masked_fill({test.text}, {writer.text(yes).text})")
    return Text(f"torch.where({', '.join(_tensors(node, writer))})")


def _convert(node: Node, writer: Writer) -> Text:
    operand = node.operands[0]
    value = tensor(operand, writer)
    if node.dtype == "bool":
        return Text(f"{value.at(OR)} != 0", COMPARE)
    if node.dtype == "int32" and operand.dtype == "float32":
        return Text(f"{writer.helper('_to_int32')}({value.text})")
    dtype = "action.dtype" if node.dtype == "float32" else "torch.int32"
    return Text(f"{value.at(ATOM)}.to({dtype})")


def _index(node: Node, writer: Writer) -> Text:
    axes = []
    for axis, size in zip(node.parameters, node.operands[0].shape, strict=True):
        if isinstance(axis, int):
            axes.append(str(axis))
            continue
        start, stop, step = axis
        text = f"{start or ''}:{'' if stop >= size else stop}"
        axes.append(text if step == 1 else f"{text}:{step}")
    while axes[-1] == ":":
        axes.pop()
    return Text(f"{_batched(node.operands[0], writer).at(ATOM)}[:, {', '.join(axes)}]")


def _reshape(node: Node, writer: Writer) -> Text:
    operand = node.operands[0]
    value = _batched(operand, writer).at(ATOM)
    if not operand.shape:
        return Text(f"{value}[:{', None' * len(node.shape)}]")
    return Text(f"{value}.reshape({_sizes(node.shape)})")


def _expand(node: Node, writer: Writer) -> Text:
    value = _aligned(node.operands[0], len(node.shape), writer).at(ATOM)
    return Text(f"{value}.expand({_sizes(node.shape)})")


def _transpose(node: Node, writer: Writer) -> Text:
    order = ", ".join(str(axis + 1) for axis in node.parameters)
    return Text(f"{_batched(node.operands[0], writer).at(ATOM)}.permute(0, {order})")


def _flip(node: Node, writer: Writer) -> Text:
    axes = [axis + 1 for axis in node.parameters]
    return Text(f"torch.flip({_batched(node.operands[0], writer).text}, {axes})")


def _concatenate(node: Node, writer: Writer) -> Text:
    axis = node.parameters[0] + 1
    singles = [_single(operand, writer) for operand in node.operands]
    if len(node.shape) == 1 and all(singles):
        return Text(f"torch.stack([{', '.join(singles)}], dim={axis})")
    parts = ", ".join(_batched(operand, writer).text for operand in node.operands)
    return Text(f"torch.cat([{parts}], dim={axis})")


def _single(node: Node, writer: Writer) -> str:
    """Return an array (1,) as a tensor (n,), "" if it is not at hand as one."""
    if node.op == "reshape" and not node.operands[0].shape and writer.is_inline(node):
        return tensor(node.operands[0], writer).text
    if node.shape == (1,) and node.value is not None:
        if node.dtype == "float32":
            return f"torch.full_like(action[:, 0], {number(node.value[0]).text})"
        return f"torch.full_like(action[:, 0], {node.value[0]}, dtype=torch.{node.dtype})"
    if node.op == "index" and node.shape == (1,) and writer.is_inline(node):
        start = node.parameters[0][0] if not isinstance(node.parameters[0], int) else None
        if start is not None and len(node.parameters) == 1:
            return f"{_batched(node.operands[0], writer).at(ATOM)}[:, {start}]"
    return ""


def _reduction(name: str, at_once: bool = True) -> Expression:
    def reduction(node: Node, writer: Writer) -> Text:
        text = _batched(node.operands[0], writer).text
        counts = node.dtype == "int32" and name in ("torch.sum", "torch.prod")
        keep = ", dtype=torch.int32" if counts else ""
        if at_once:
            return Text(f"{name}({text}, {_dims(node.parameters)}{keep})")
        for axis in sorted(node.parameters, reverse=True):
            text = f"{name}({text}, {_dims([axis])}{keep})"
        return Text(text)

    return reduction


def _along(name: str, after: str = "") -> Expression:
    def along(node: Node, writer: Writer) -> Text:
        counts = node.dtype == "int32" and name in ("torch.cumsum", "torch.cumprod")
        keep = ", dtype=torch.int32" if counts else ""
        value = _batched(node.operands[0], writer).text
        return Text(f"{name}({value}, {_dims(node.parameters)}{keep}){after}")

    return along


def _order(node: Node, writer: Writer) -> Text:
    value = _batched(node.operands[0], writer).text
    return Text(f"torch.sort({value}, stable=True, {_dims(node.parameters)})[1]")


def _take_along(node: Node, writer: Writer) -> Text:
    values, order = (_batched(operand, writer).text for operand in node.operands)
    return Text(f"torch.gather({values}, {node.parameters[0] + 1}, {order})")


def _take(node: Node, writer: Writer) -> Text:
    """Entries of a flat array by their numbers, which are inside."""
    flat, place = node.operands
    count = math.prod(node.shape)
    if place.value is not None:
        entries = place.value.flatten().tolist()
        at = f"torch.tensor({entries}, device=action.device)"
        found = f"torch.index_select({_batched(flat, writer).text}, 1, {at})"
    elif flat.value is not None:
        return Text(
            f"{writer.text(flat).at(ATOM)}[{tensor(place, writer).at(ATOM)}.to(torch.int64)]"
        )
    else:
        at = tensor(place, writer).at(ATOM)
        at += (
            "[:, None]"
            if not node.shape
            else f".reshape(n, {count})"
            if len(node.shape) > 1
            else ""
        )
        found = f"torch.gather({writer.text(flat).text}, 1, {at}.to(torch.int64))"
    if not node.shape:
        return Text(f"{found}[:, 0]")
    return Text(found if len(node.shape) == 1 else f"{found}.reshape({_sizes(node.shape)})")


Expression = Callable[[Node, Writer], Text]

_EXPRESSIONS: dict[str, Expression] = {
    "constant": _constant,
    "weight": _weight,
    **{
        name: _function(f"torch.{name}")
        for name in """
        abs acos acosh asin asinh atan atan2 atanh ceil cos cosh erf erfc exp exp2 expm1 floor
        lgamma log log1p nextafter round rsqrt sin sinh sqrt tan tanh
        """.split()
    },
    "erf_inv": _function("torch.erfinv"),
    "is_finite": _function("torch.isfinite"),
    "logistic": _function("torch.sigmoid"),
    "cbrt": _helped("_cbrt"),
    "round_away": _helped("_round_away"),
    "sign": _sign,
    "add": _add,
    "sub": _operator("-", SUM),
    "mul": _operator("*", PRODUCT),
    "div": _div,
    "rem": _rem,
    "mod": _mod,
    "pow": _pow,
    "power": _power,
    "neg": _sign_of("-"),
    "not": _sign_of("~"),
    "and": _operator("&", AND),
    "or": _operator("|", OR),
    "xor": _operator("^", XOR),
    "eq": _compare("==", "=="),
    "ne": _compare("!=", "!="),
    "lt": _compare("<", ">"),
    "le": _compare("<=", ">="),
    "gt": _compare(">", "<"),
    "ge": _compare(">=", "<="),
    "max": _extreme("torch.maximum", "min"),
    "min": _extreme("torch.minimum", "max"),
    "select": _select,
    "convert": _convert,
    "stop_gradient": lambda node, writer: Text(
        f"{tensor(node.operands[0], writer).at(ATOM)}.detach()"
    ),
    "index": _index,
    "reshape": _reshape,
    "expand": _expand,
    "transpose": _transpose,
    "flip": _flip,
    "concatenate": _concatenate,
    "reduce_sum": _reduction("torch.sum"),
    "reduce_max": _reduction("torch.amax"),
    "reduce_min": _reduction("torch.amin"),
    "reduce_prod": _reduction("torch.prod", at_once=False),
    "reduce_and": _reduction("torch.all", at_once=False),
    "reduce_or": _reduction("torch.any", at_once=False),
    "argmax": _along("torch.argmax", ".to(torch.int32)"),
    "argmin": _along("torch.argmin", ".to(torch.int32)"),
    "cumsum": _along("torch.cumsum"),
    "cumprod": _along("torch.cumprod"),
    "cummax": _along("torch.cummax", "[0]"),
    "cummin": _along("torch.cummin", "[0]"),
    "sort": _along("torch.sort", "[0]"),
    "order": _order,
    "take_along": _take_along,
    "take": _take,
}

# Functions of which PyTorch has none, or one that is different at the edges.
HELPERS = {
    "_cbrt": '''\
def _cbrt(x: Tensor) -> Tensor:
    """The real cube root."""
    return torch.sign(x) * torch.abs(x) ** (1.0 / 3.0)
''',
    "_sign": '''\
def _sign(x: Tensor) -> Tensor:
    """-1, 0 or 1, and NaN for NaN, for which torch.sign gives 0."""
    return torch.sign(x).masked_fill(torch.isnan(x), float("nan"))
''',
    "_round_away": '''\
def _round_away(x: Tensor) -> Tensor:
    """The nearest whole number, halves away from zero."""
    whole = torch.trunc(x)
    return torch.where(torch.abs(x - whole) >= 0.5, whole + torch.sign(x), whole)
''',
    "_to_int32": '''\
def _to_int32(x: Tensor) -> Tensor:
    """The whole part, the nearest int32 for what is too large, 0 for NaN."""
    x = torch.clamp(x.masked_fill(torch.isnan(x), 0.0), -2147483648.0, 2147483648.0)
    return torch.clamp(x.to(torch.int64), max=2147483647).to(torch.int32)
''',
    "_int_div": '''\
def _int_div(x: Tensor, y: Tensor) -> Tensor:
    """The quotient, rounded towards zero; -1 where y is 0."""
    divisor = y.to(torch.int64).masked_fill(y == 0, 1)
    quotient = torch.div(x.to(torch.int64), divisor, rounding_mode="trunc")
    return quotient.masked_fill(y == 0, -1).to(torch.int32)
''',
    "_int_rem": '''\
def _int_rem(x: Tensor, y: Tensor) -> Tensor:
    """What a quotient rounded towards zero leaves, with the sign of x; x where y is 0."""
    divisor = y.to(torch.int64).masked_fill(y == 0, 1)
    rest = torch.fmod(x.to(torch.int64), divisor)
    return torch.where(y == 0, x.to(torch.int64), rest).to(torch.int32)
''',
}
