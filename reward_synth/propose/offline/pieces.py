"""Reward programs as pieces, each a term with the code it depends on, and how to join them.

This works on source text and syntax alone, for terms by any author.
"""

from __future__ import annotations

import ast
import builtins
import itertools
import keyword
import re
import textwrap
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

PARAMETERS = ("state", "action", "next_state", "w")
LINE = 100

_RESERVED = frozenset(
    {*PARAMETERS, "terms", "jnp", "reward", "WEIGHTS", *dir(builtins), *keyword.kwlist}
)


@dataclass(frozen=True, slots=True)
class Piece:
    """One term and all that it takes to compute it.

    Attributes:
      name: of the term.
      statements: source of the local assignments it depends on, in order; each name is
        assigned once.
      value: source of the expression that is the term.
      weights: the entries of WEIGHTS that it reads.
      helpers: source of the module-level definitions it depends on, in order.
    """

    name: str
    statements: tuple[str, ...]
    value: str
    weights: tuple[tuple[str, float], ...]
    helpers: tuple[str, ...] = ()


def join(rationale: str, pieces: Sequence[Piece]) -> str:
    """Return the source of the program whose reward is the sum of the pieces.

    Code that pieces share is written once; names that mean different things in
    different pieces are told apart.

    Args:
      rationale: the docstring.
      pieces: with different names.
    """
    pieces = _disentangle(pieces)
    weights = dict(entry for piece in pieces for entry in piece.weights)
    helpers = dict.fromkeys(helper for piece in pieces for helper in piece.helpers)
    statements = dict.fromkeys(text for piece in pieces for text in piece.statements)
    lines = [*_docstring(rationale), *_weights_table(weights), ""]
    for helper in helpers:
        lines += ["", helper, ""]
    lines += ["", "def reward(state, action, next_state, w):"]
    lines += [textwrap.indent(_fitted(text, LINE - 4), "    ") for text in statements]
    lines += ["    terms = {"]
    for piece in pieces:
        entry = _fitted(f"{_quoted(piece.name)}: {piece.value}", LINE - 9)
        if len(entry.splitlines()[0]) > LINE - 9:  # a product of long names has no brackets
            value = _fitted(piece.value, LINE - 13)
            entry = f"{_quoted(piece.name)}:\n{textwrap.indent(value, '    ')}"
        lines.append(textwrap.indent(entry, " " * 8) + ",")
    lines += ["    }", "    return sum(terms.values()), terms"]
    return "\n".join(lines) + "\n"


def names_defined(statement: str) -> frozenset[str]:
    """Return the local names that a statement assigns."""
    return frozenset().union(*map(stored_names, ast.parse(statement).body))


def names_read(code: str) -> frozenset[str]:
    """Return the names that a statement or an expression reads."""
    return frozenset(
        node.id
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    )


def rename(code: str, names: Mapping[str, str], keys: Mapping[str, str] | None = None) -> str:
    """Replace names, and keys of ``w``, in source text that is otherwise kept as it is."""
    keys = keys or {}
    edits: list[tuple[int, int, int, str]] = []  # line, first and last byte, replacement
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Name) and node.id in names:
            first, length, new = node.col_offset, len(node.id.encode()), names[node.id]
        elif isinstance(node, ast.arg) and node.arg in names:
            first, length, new = node.col_offset, len(node.arg.encode()), names[node.arg]
        elif isinstance(node, ast.Subscript) and weight_key(node) in keys:
            first, new = node.slice.col_offset, _quoted(keys[weight_key(node)])
            length = (node.slice.end_col_offset or 0) - first
            node = node.slice
        else:
            continue
        edits.append((node.lineno - 1, first, first + length, new))
    lines = [line.encode() for line in code.split("\n")]
    for line, first, last, new in sorted(edits, reverse=True):
        lines[line] = lines[line][:first] + new.encode() + lines[line][last:]
    text = b"\n".join(lines).decode()
    for old, new in names.items():
        text = re.sub(rf"\bdef {old}\(", f"def {new}(", text)
    return text


def weight_key(node: ast.AST) -> str:
    """Return "a" for the syntax of ``w["a"]``, else ""."""
    if (
        isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Name)
        and node.value.id == "w"
        and isinstance(node.slice, ast.Constant)
        and isinstance(node.slice.value, str)
    ):
        return node.slice.value
    return ""


def fresh_name(name: str, taken: Collection[str]) -> str:
    """Return the name, numbered if it is taken."""
    choices = itertools.chain([name], (f"{name}_{i}" for i in itertools.count(2)))
    return next(choice for choice in choices if choice not in taken)


def stored_names(node: ast.stmt) -> frozenset[str]:
    """Return the names that a statement binds in the scope it stands in."""
    if isinstance(node, ast.FunctionDef):
        return frozenset({node.name})
    found: set[str] = set()
    waiting: list[ast.AST] = [node]
    while waiting:
        node_ = waiting.pop()
        if isinstance(node_, ast.Name) and isinstance(node_.ctx, ast.Store):
            found.add(node_.id)
        elif isinstance(node_, ast.FunctionDef):
            found.add(node_.name)
            continue
        # names bound inside these stay inside
        inner = (ast.Lambda, ast.ListComp, ast.GeneratorExp, ast.DictComp, ast.SetComp)
        if not isinstance(node_, inner):
            waiting.extend(ast.iter_child_nodes(node_))
    return frozenset(found)


def _disentangle(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """Rename what clashes: locals, helpers and weights that mean different things."""
    defined: dict[str, str] = {}  # name -> the statement or helper that defines it
    weights: dict[str, float] = {}
    clean: list[Piece] = []
    for piece in pieces:
        keys = {
            key: fresh_name(key, weights)
            for key, value in piece.weights
            if weights.get(key, value) != value
        }
        weights |= {keys.get(key, key): value for key, value in piece.weights}
        names: dict[str, str] = {}
        helpers = tuple(_place(text, names, keys, defined) for text in piece.helpers)
        statements = tuple(_place(text, names, keys, defined) for text in piece.statements)
        clean.append(
            replace(
                piece,
                helpers=helpers,
                statements=statements,
                value=rename(piece.value, names, keys),
                weights=tuple((keys.get(key, key), value) for key, value in piece.weights),
            )
        )
    return tuple(clean)


def _place(
    text: str, names: dict[str, str], keys: Mapping[str, str], defined: dict[str, str]
) -> str:
    """Return a statement under names that are free; both tables are updated."""
    text = rename(text, names, keys)
    clashing = {
        name: fresh_name(name, defined.keys() | _RESERVED)
        for name in sorted(names_defined(text))
        if name in _RESERVED or defined.get(name, text) != text
    }
    names |= clashing
    text = rename(text, clashing)
    defined |= dict.fromkeys(names_defined(text), text)
    return text


def _docstring(rationale: str) -> list[str]:
    text = rationale.replace("\\", "\\\\").replace('"""', "'''").strip()
    if text.endswith('"'):
        text += " "
    paragraphs = text.split("\n\n")
    wrapped = "\n\n".join(textwrap.fill(p, LINE - 6, break_long_words=False) for p in paragraphs)
    return f'"""{wrapped}"""'.split("\n")


def _weights_table(weights: Mapping[str, float]) -> list[str]:
    entries = [f"{_quoted(key)}: {value!r}" for key, value in weights.items()]
    line = f"WEIGHTS = {{{', '.join(entries)}}}"
    if len(line) <= LINE:
        return [line]
    return ["WEIGHTS = {", *(f"    {entry}," for entry in entries), "}"]


def _fitted(code: str, width: int) -> str:
    """Break a line that is too long inside the brackets that it ends with."""
    if len(code) <= width or "\n" in code or not code.endswith(")"):
        return code
    depth = 0
    for i in reversed(range(len(code))):
        depth += {")": 1, "(": -1}.get(code[i], 0)
        if depth == 0:
            return f"{code[: i + 1]}\n    {code[i + 1 : -1]}\n)"
    return code


def _quoted(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
