"""Python expressions as text, and what they may ask of the function around them."""

from __future__ import annotations

import json
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
        """Return the name of a function of ``torch_helpers``, which the file will have."""
        ...

    def is_inline(self, node: Node) -> bool:
        """Whether a node is used once and has no variable."""
        ...


def quoted(text: str) -> str:
    """Return a string literal."""
    return json.dumps(text, ensure_ascii=False)


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


def tensor(node: Node, writer: Writer) -> Text:
    """Return a node of shape () as (n,), others as what they are."""
    if not node.is_plain:
        return writer.text(node)
    number = writer.text(node).text
    if node.dtype == "float32":
        return Text(f"torch.full_like(action[:, 0], {number})")
    return Text(f"torch.full_like(action[:, 0], {number}, dtype=torch.{node.dtype})")


def batched(node: Node, writer: Writer) -> Text:
    """As ``tensor``, but also arrays of constants have the batch dimension."""
    if node.value is None or node.is_plain:
        return tensor(node, writer)
    return Text(f"{writer.text(node).at(ATOM)}.expand({sizes(node.shape)})")


def aligned(node: Node, rank: int, writer: Writer) -> Text:
    """Return a tensor that broadcasts, behind the batch dimension, against others of a rank."""
    found = tensor(node, writer)
    if len(node.shape) == rank or (node.value is not None and node.shape):
        return found
    return Text(f"{found.at(ATOM)}[:{', None' * rank}]")


def sizes(shape: Sequence[int]) -> str:
    """Return the sizes of a batch of arrays, as arguments."""
    return ", ".join(["n", *map(str, shape)])


def dims(axes: Sequence[int]) -> str:
    """Return the argument that names axes, behind the batch dimension."""
    shifted = [axis + 1 for axis in axes]
    return f"dim={shifted[0] if len(shifted) == 1 else shifted}"


Expression = Callable[[Node, Writer], Text]
