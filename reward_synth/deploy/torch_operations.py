"""PyTorch expressions for the nodes of a graph, with the batch dimension in front.

A tensor of a node has the shape (n, *node.shape). Two kinds of nodes are no such
tensors: plain ones are Python numbers, ``weights["effort"]`` or ``0.5``, and arrays
of constants lack the batch dimension.

Only functions that PyTorch 1.8 has, the version of Isaac Gym, and only what
TorchScript compiles: so ``masked_fill`` where ``torch.where`` would take a number,
and sums of products where a matrix product could be rounded to TF32.
"""

from __future__ import annotations

import numpy as np

from reward_synth.deploy.graph import Node
from reward_synth.deploy.text import (
    AND,
    ATOM,
    COMPARE,
    OR,
    POWER,
    PRODUCT,
    SIGN,
    SUM,
    XOR,
    Expression,
    Text,
    Writer,
    aligned,
    number,
    quoted,
    tensor,
)
from reward_synth.deploy.torch_arrays import ARRAYS


def expression(node: Node, writer: Writer) -> Text:
    """Return a node as an expression of its operands."""
    return _EXPRESSIONS[node.op](node, writer)


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
        writer.text(o) if is_number else aligned(o, rank, writer)
        for o, is_number in zip(node.operands, numbers, strict=True)
    ]


def _tensors(node: Node, writer: Writer) -> list[str]:
    return [aligned(o, len(node.shape), writer).text for o in node.operands]


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
        return _infix(left, "-", aligned(second.operands[0], len(node.shape), writer), SUM)
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
            value = aligned(inner, len(node.shape), writer).text
            return Text(f"torch.clamp({value}, {writer.text(lower[0]).text}, {limit})")
        value = aligned(other, len(node.shape), writer).text
        return Text(f"torch.clamp({value}, {bound}={limit})")

    return extreme


def _select(node: Node, writer: Writer) -> Text:
    condition, yes, no = node.operands
    rank = len(node.shape)
    test = aligned(condition, rank, writer)
    if yes.is_plain and no.is_plain:
        if (yes.value, no.value) == (1.0, 0.0) and node.dtype == "float32":
            return Text(f"{test.at(ATOM)}.to(action.dtype)")
    elif no.is_plain and yes.shape == node.shape and yes.value is None:
        filled = aligned(yes, rank, writer).at(ATOM)
        return Text(f"{filled}.masked_fill(~{test.at(SIGN)}, {writer.text(no).text})")
    elif yes.is_plain and no.shape == node.shape and no.value is None:
        filled = aligned(no, rank, writer).at(ATOM)
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
    **ARRAYS,
}
