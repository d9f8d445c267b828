"""PyTorch expressions that move, join, pick and reduce; see ``torch_operations``."""

from __future__ import annotations

import math

from reward_synth.deploy.graph import Node
from reward_synth.deploy.text import (
    ATOM,
    Expression,
    Text,
    Writer,
    aligned,
    batched,
    dims,
    number,
    sizes,
    tensor,
)


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
    return Text(f"{batched(node.operands[0], writer).at(ATOM)}[:, {', '.join(axes)}]")


def _reshape(node: Node, writer: Writer) -> Text:
    operand = node.operands[0]
    value = batched(operand, writer).at(ATOM)
    if not operand.shape:
        return Text(f"{value}[:{', None' * len(node.shape)}]")
    return Text(f"{value}.reshape({sizes(node.shape)})")


def _expand(node: Node, writer: Writer) -> Text:
    value = aligned(node.operands[0], len(node.shape), writer).at(ATOM)
    return Text(f"{value}.expand({sizes(node.shape)})")


def _transpose(node: Node, writer: Writer) -> Text:
    order = ", ".join(str(axis + 1) for axis in node.parameters)
    return Text(f"{batched(node.operands[0], writer).at(ATOM)}.permute(0, {order})")


def _flip(node: Node, writer: Writer) -> Text:
    axes = [axis + 1 for axis in node.parameters]
    return Text(f"torch.flip({batched(node.operands[0], writer).text}, {axes})")


def _concatenate(node: Node, writer: Writer) -> Text:
    axis = node.parameters[0] + 1
    singles = [_single(operand, writer) for operand in node.operands]
    if len(node.shape) == 1 and all(singles):
        return Text(f"torch.stack([{', '.join(singles)}], dim={axis})")
    parts = ", ".join(batched(operand, writer).text for operand in node.operands)
    return Text(f"torch.cat([{parts}], dim={axis})")


def _single(node: Node, writer: Writer) -> str:
    """Return an array (1,) as a tensor (n,), "" if it is not at hand as one."""
    if node.shape == (1,) and node.value is not None:
        dtype = "" if node.dtype == "float32" else f", dtype=torch.{node.dtype}"
        return f"torch.full_like(action[:, 0], {number(node.value[0]).text}{dtype})"
    if not writer.is_inline(node):
        return ""
    if node.op == "reshape" and not node.operands[0].shape:
        return tensor(node.operands[0], writer).text
    if node.op == "index" and len(node.parameters) == 1:
        ((start, stop, _),) = node.parameters
        single = f"{batched(node.operands[0], writer).at(ATOM)}[:, {start}]"
        return single if stop == start + 1 else ""
    return ""


def _reduction(name: str, at_once: bool = True) -> Expression:
    def reduction(node: Node, writer: Writer) -> Text:
        text = batched(node.operands[0], writer).text
        counts = node.dtype == "int32" and name in ("torch.sum", "torch.prod")
        keep = ", dtype=torch.int32" if counts else ""
        if at_once:
            return Text(f"{name}({text}, {dims(node.parameters)}{keep})")
        for axis in sorted(node.parameters, reverse=True):
            text = f"{name}({text}, {dims([axis])}{keep})"
        return Text(text)

    return reduction


def _along(name: str, after: str = "") -> Expression:
    def along(node: Node, writer: Writer) -> Text:
        counts = node.dtype == "int32" and name in ("torch.cumsum", "torch.cumprod")
        keep = ", dtype=torch.int32" if counts else ""
        value = batched(node.operands[0], writer).text
        return Text(f"{name}({value}, {dims(node.parameters)}{keep}){after}")

    return along


def _order(node: Node, writer: Writer) -> Text:
    """Only sorts of several arrays come here, which rewards cannot write: it is of PyTorch 1.9."""
    value = batched(node.operands[0], writer).text
    return Text(f"torch.sort({value}, stable=True, {dims(node.parameters)})[1]")


def _take_along(node: Node, writer: Writer) -> Text:
    values, order = (batched(operand, writer).text for operand in node.operands)
    return Text(f"torch.gather({values}, {node.parameters[0] + 1}, {order})")


def _take(node: Node, writer: Writer) -> Text:
    """Entries of a flat array by their numbers, which are inside."""
    flat, place = node.operands
    count = math.prod(node.shape)
    if place.value is not None:
        entries = place.value.flatten().tolist()
        at = f"torch.tensor({entries}, device=action.device)"
        found = f"torch.index_select({batched(flat, writer).text}, 1, {at})"
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
    return Text(found if len(node.shape) == 1 else f"{found}.reshape({sizes(node.shape)})")


ARRAYS: dict[str, Expression] = {
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
