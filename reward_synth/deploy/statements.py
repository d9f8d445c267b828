"""A graph as the statements of a Python function, with names that a reader can follow."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from keyword import iskeyword as is_keyword

from reward_synth.deploy.graph import Node
from reward_synth.deploy.text import Text, quoted, tensor
from reward_synth.deploy.torch_operations import expression

_LINE = 96  # characters
_LONGEST = 72  # of an expression, beyond which its parts get names
_SHORT = 12  # of a part that is not worth a name
# What the function and its file call by these names.
_TAKEN = (
    *("action", "dict", "float", "list", "n", "next_state", "reward", "state", "terms", "torch"),
    *("weights", "len", "Dict", "List", "Tensor", "Tuple", "ValueError", "WEIGHTS"),
    *("compute_reward", "_field"),
)
# What a value is called by the operation that gives it.
_WORDS = {
    "add": "sum", "and": "both", "argmax": "largest", "argmin": "smallest",
    "concatenate": "joined", "convert": "number", "div": "ratio", "eq": "test",
    "expand": "repeated", "ge": "test", "gt": "test", "index": "part", "is_finite": "test",
    "le": "test", "lt": "test", "max": "at_least", "min": "at_most", "mul": "product",
    "ne": "test", "neg": "negative", "not": "negated", "or": "either", "pow": "power",
    "reduce_and": "all", "reduce_max": "maximum", "reduce_min": "minimum", "reduce_or": "any",
    "reduce_prod": "product", "reduce_sum": "total", "rem": "remainder",
    "reshape": "reshaped", "select": "chosen", "sort": "sorted", "sqrt": "root",
    "sub": "difference", "take": "taken", "transpose": "transposed",
}  # fmt: skip


class Statements:
    """Writes nodes one after the other; implements ``text.Writer``.

    Args:
      outputs: all that will be asked for.

    Attributes:
      lines: the statements, not indented.
      helpers: names of the helper functions that they call.
    """

    def __init__(self, outputs: Sequence[Node]) -> None:
        self.lines: list[str] = []
        self.helpers: set[str] = set()
        self._uses = Counter(id(output) for output in outputs)
        for node in in_order(outputs):
            self._uses.update(id(operand) for operand in node.operands)
        self._texts: dict[int, Text] = {}
        self._named: set[int] = set()
        self._subjects: dict[int, str] = {}
        self._taken = set(_TAKEN)
        self._variables: dict[str, str] = {}
        self._wished: dict[int, str] = {}

    def text(self, node: Node) -> Text:
        """Return a node's variable or expression; its operands were written before."""
        if id(node) not in self._texts:  # an array of constants, written where it is first used
            self._texts[id(node)] = expression(node, self)
            self._name(node, self._fresh("constant"))
        return self._texts[id(node)]

    def helper(self, name: str) -> str:
        """Note that a helper is called."""
        self.helpers.add(name)
        return name

    def is_inline(self, node: Node) -> bool:
        """Whether a node is used once and has no variable."""
        return self._uses[id(node)] == 1 and id(node) not in self._named

    def known(self, node: Node, name: str) -> None:
        """Note that a node is a variable already."""
        self._texts[id(node)] = Text(name)
        self._subjects[id(node)] = name
        self._named.add(id(node))

    def leaf(self, node: Node, name: str, text: str) -> None:
        """Put a field into a variable."""
        self.known(node, self._fresh(name))
        self.lines.append(f"{self.text(node).text} = {text}")

    def announce(self, names: Mapping[str, Node]) -> None:
        """Keep variables for nodes that are to have one of their own, named as wished for."""
        users: Counter[int] = Counter()
        for name, node in names.items():
            self._variables[name] = self._fresh(name, "term")
            self._wished.setdefault(id(node), self._variables[name])
            users.update(id(part) for part in in_order([node]))
        # What only one of them needs is called after it, the rest after what it is made from.
        for name, node in names.items():
            own = {id(part) for part in in_order([node]) if users[id(part)] == 1}
            self._subjects.update(dict.fromkeys(own - self._named, self._variables[name]))

    def write(self, output: Node) -> Text:
        """Write what a node is computed from, and return its variable or expression."""
        for node in in_order([output]):
            if id(node) not in self._texts and (node.is_plain or node.value is None):
                self._write(node)
        return tensor(output, self)

    def output(self, name: str, node: Node) -> str:
        """Write a node that was announced under a name, and return its variable."""
        variable, text = self._variables[name], self.write(node).text
        if text != variable:  # a number, or known by another name
            self.lines.append(f"{variable} = {text}")
        return variable

    def _write(self, node: Node) -> None:
        subjects = (self._subjects.get(id(operand), "") for operand in node.operands)
        self._subjects.setdefault(id(node), next(filter(None, subjects), ""))
        text = expression(node, self)
        wished = "" if node.is_plain else self._wished.get(id(node), "")
        room = min(_LONGEST, _LINE - len(f"    {wished} = ")) if wished else _LONGEST
        while len(text.text) > room:
            inner = [o for o in node.operands if self._can_be_named(o)]
            if not inner:
                break
            longest = max(inner, key=lambda operand: len(self.text(operand).text))
            self._name(longest, self._suggestion(longest))
            text = expression(node, self)
        self._texts[id(node)] = text
        if wished:
            self._name(node, wished)
        elif self._wants_a_name(node):
            self._name(node, self._suggestion(node))

    def _can_be_named(self, node: Node) -> bool:
        is_named = node.value is not None or node.is_plain or id(node) in self._named
        return not is_named and len(self.text(node).text) > _SHORT

    def _wants_a_name(self, node: Node) -> bool:
        if node.is_plain:
            return False
        is_entry = node.op == "index" and all(isinstance(axis, int) for axis in node.parameters)
        is_short = is_entry and id(node.operands[0]) in self._named
        return self._uses[id(node)] > 1 and not is_short

    def _suggestion(self, node: Node) -> str:
        word = _WORDS.get(node.op, node.op)
        return self._fresh(f"{self._subjects[id(node)]}_{word}".strip("_"))

    def _name(self, node: Node, name: str) -> None:
        self.lines.append(f"{name} = {self.text(node).text}")
        self._texts[id(node)] = Text(name)
        self._named.add(id(node))

    def _fresh(self, name: str, kind: str = "value") -> str:
        """Return a name that is not taken, like the one that is wished for."""
        plain = re.sub(r"[^a-zA-Z0-9_]", "_", name).strip("_") or kind
        if plain[0].isdigit() or (kind == "term" and (plain in self._taken or is_keyword(plain))):
            plain = f"{kind}_{plain}"
        number, candidate = 2, plain
        while candidate in self._taken or is_keyword(candidate):
            candidate, number = f"{plain}_{number}", number + 1
        self._taken.add(candidate)
        return candidate


def in_order(outputs: Iterable[Node]) -> list[Node]:
    """Return nodes and all they are computed from, operands first, each once."""
    done: dict[int, Node] = {}
    waiting = [(output, False) for output in reversed(list(outputs))]
    while waiting:
        node, is_ready = waiting.pop()
        if id(node) in done:
            continue
        if is_ready:
            done[id(node)] = node
        else:
            waiting.append((node, True))
            waiting.extend((operand, False) for operand in reversed(node.operands))
    return list(done.values())


def sum_of(node: Node, parts: Sequence[Node]) -> list[Node] | None:
    """Return the parts that a node adds up, from left to right, None if it is no such sum."""
    known = {id(part) for part in parts}
    found: list[Node] = []
    while id(node) not in known:
        if node.op != "add" or id(node.operands[1]) not in known:
            return None
        found.append(node.operands[1])
        node = node.operands[0]
    return [node, *reversed(found)]


def folded(line: str, indent: str = "    ") -> str:
    """Return a statement, indented; one that is long is broken after commas in its brackets."""
    if len(indent + line) <= _LINE:
        return indent + line
    lines = [indent]
    for piece in _pieces(line):
        between = "" if lines[-1].isspace() else " "
        if len(lines[-1] + between + piece) > _LINE and lines[-1].strip():
            lines.append(indent + "    ")
            between = ""
        lines[-1] += between + piece
    return "\n".join(lines)


def _pieces(line: str) -> list[str]:
    """Cut a statement after the commas between arguments and between entries of lists."""
    pieces, start, in_string, brackets = [], 0, False, []
    for at, character in enumerate(line):
        before = line[at - 1 : at]
        if character == '"' and before != "\\":
            in_string = not in_string
        elif in_string:
            continue
        elif character in "([{":
            is_subscript = character == "[" and (before.isalnum() or before in "_)]")
            brackets.append("" if is_subscript else character)
        elif character in ")]}":
            brackets.pop()
        elif character == "," and brackets and all(brackets):
            pieces.append(line[start : at + 1].strip())
            start = at + 1
    return [*pieces, line[start:].strip()]


def table(entries: Iterable[tuple[str, str]]) -> str:
    """Return a dict literal, one entry a line."""
    lines = "".join(f"    {quoted(key)}: {value},\n" for key, value in entries)
    return f"{{\n{lines}}}" if lines else "{}"
