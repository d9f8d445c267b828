"""Takes a reward program by any author apart into pieces."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reward_synth.propose.offline.pieces import Piece, names_defined, names_read, rename, weight_key
from reward_synth.propose.offline.straighten import straighten


class CutError(ValueError):
    """A program is not of a form that can be taken apart."""


@dataclass(frozen=True, slots=True)
class _Parts:
    """A program as read, before each term is given what it depends on.

    Attributes:
      weights: the WEIGHTS table.
      helpers: other module-level definitions.
      statements: of the function, without its table of terms and what follows from it.
      table: variable that holds the table of terms, "" if it has none.
      terms: name to expression, the table of terms.
      total: the expression that is returned as the reward.
    """

    weights: Mapping[str, float]
    helpers: tuple[str, ...]
    statements: tuple[str, ...]
    table: str
    terms: Mapping[str, ast.expr]
    total: ast.expr


def cut(source: str) -> tuple[Piece, ...]:
    """Take a program apart so that the sum of the pieces is its reward.

    If it returns ``sum(terms.values())`` the pieces are its terms, else the summands
    of what it returns.

    Raises:
      CutError: it cannot be done.
    """
    try:
        source, module = straighten(source)
        parts = _read(source, module)
        pieces = tuple(
            _slice(parts, name, _segment(source, value), sign)
            for name, value, sign in _summands(parts)
        )
    except CutError:
        raise
    except (SyntaxError, ValueError, TypeError, AttributeError, IndexError) as error:
        raise CutError(f"cannot be read: {error}") from error
    if not pieces:
        raise CutError("there is no term.")
    return pieces


def _read(source: str, module: ast.Module) -> _Parts:
    weights: dict[str, float] = {}
    helpers: list[str] = []
    function: ast.FunctionDef | None = None
    for node in module.body:
        if isinstance(node, ast.FunctionDef) and node.name == "reward":
            function = node
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "WEIGHTS":
            weights = {str(k): float(v) for k, v in ast.literal_eval(node.value).items()}
        elif isinstance(node, ast.FunctionDef | ast.Assign | ast.AnnAssign):
            helpers.append(_segment(source, node))
        elif not _is_docstring(node):
            raise CutError(f"line {node.lineno} is neither a definition nor a docstring.")
    if function is None:
        raise CutError("there is no function named reward.")
    *body, last = function.body
    if not isinstance(last, ast.Return) or not isinstance(last.value, ast.Tuple):
        raise CutError("reward does not end with `return total, terms`.")
    total, table = last.value.elts
    table_name = table.id if isinstance(table, ast.Name) else ""
    total_name = total.id if isinstance(total, ast.Name) else ""
    terms = dict(_entries(table))
    statements: list[str] = []
    for node in body:
        target, value = _assignment(node)
        if isinstance(node, ast.Return):
            raise CutError("reward returns in several places.")
        if isinstance(target, ast.Name) and target.id == table_name:
            terms |= _entries(value)
        elif isinstance(target, ast.Subscript) and ast.unparse(target.value) == table_name:
            terms[ast.literal_eval(target.slice)] = value
        elif isinstance(target, ast.Name) and target.id == total_name:
            total = value
        elif not _is_docstring(node):
            text = _segment(source, node)
            if not names_defined(text) or table_name in names_read(text):
                raise CutError(
                    f"line {node.lineno} changes or reads the table of terms, or nothing."
                )
            statements.append(text)
    read = [*statements, *map(ast.unparse, terms.values())]
    if total is not last.value.elts[0] and any(total_name in names_read(code) for code in read):
        raise CutError("the total is read by what it is made of.")
    return _Parts(weights, tuple(helpers), tuple(statements), table_name, terms, total)


def _assignment(node: ast.stmt) -> tuple[ast.expr, ast.expr]:
    """Return target and value of an assignment, otherwise two constants."""
    if isinstance(node, ast.Assign):
        return node.targets[0], node.value
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        return node.target, node.value
    return ast.Constant(None), ast.Constant(None)


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _entries(table: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """Yield the entries of a written-out dictionary."""
    if isinstance(table, ast.Dict):
        for key, value in zip(table.keys, table.values, strict=True):
            if key is None:
                raise CutError("the table of terms is put together from others.")
            yield str(ast.literal_eval(key)), value
    elif isinstance(table, ast.Call) and ast.unparse(table.func) == "dict" and not table.args:
        yield from ((str(keyword.arg), keyword.value) for keyword in table.keywords)
    elif not isinstance(table, ast.Name):
        raise CutError("the terms are not a written-out table.")


def _summands(parts: _Parts) -> Iterator[tuple[str, ast.expr, str]]:
    """Yield name, expression and sign of what the reward is the sum of."""
    if ast.unparse(parts.total) == f"sum({parts.table}.values())":
        yield from ((name, value, "") for name, value in parts.terms.items())
        return
    written = {ast.unparse(value): name for name, value in parts.terms.items()}
    taken: set[str] = set()
    for i, (summand, sign) in enumerate(_flatten(parts.total, "")):
        value = summand
        name = written.get(ast.unparse(summand), "")
        if isinstance(summand, ast.Subscript) and isinstance(summand.slice, ast.Constant):
            looked_up = parts.terms.get(str(summand.slice.value))
            if looked_up is not None and not weight_key(summand):
                name, value = str(summand.slice.value), looked_up
        if not name:
            keys = [key for key in map(weight_key, ast.walk(summand)) if key]
            name = keys[0] if keys else f"part_{i + 1}"
        if name in taken:
            name = f"{name}_{i + 1}"
        taken.add(name)
        yield name, value, sign


def _flatten(node: ast.expr, sign: str) -> Iterator[tuple[ast.expr, str]]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        flipped = "" if sign else "-"
        yield from _flatten(node.left, sign)
        yield from _flatten(node.right, sign if isinstance(node.op, ast.Add) else flipped)
    else:
        yield node, sign


def _slice(parts: _Parts, name: str, value: str, sign: str) -> Piece:
    """Give a term the statements, helpers and weights that it depends on, however indirectly."""
    value = f"-({value})" if sign else value
    needed = set(names_read(value))
    chosen: list[str] = []
    for text in reversed((*parts.helpers, *parts.statements)):
        if names_defined(text) & needed:
            chosen.insert(0, text)
            needed |= names_read(text)
    if parts.table in needed:
        raise CutError("a term reads the table of terms.")
    keys = [
        key
        for code in (*chosen, value)
        for key in map(weight_key, ast.walk(ast.parse(code)))
        if key
    ]
    same = {key: key for key in keys}  # only makes their quotes alike
    missing = [key for key in keys if key not in parts.weights]
    if missing:
        raise CutError(f"w[{missing[0]!r}] is not in WEIGHTS.")
    return Piece(
        name=name,
        statements=tuple(rename(t, {}, same) for t in chosen if t not in parts.helpers),
        value=rename(value, {}, same),
        weights=tuple((key, parts.weights[key]) for key in dict.fromkeys(keys)),
        helpers=tuple(text for text in chosen if text in parts.helpers),
    )


def _segment(source: str, node: ast.AST) -> str:
    """Return the source of a node as it was written, its later lines moved to the left."""
    text = ast.get_source_segment(source, node) or ast.unparse(node)
    if not isinstance(node, ast.stmt):
        return f"({text})" if "\n" in text else text
    first, *rest = text.split("\n")
    margin = " " * node.col_offset
    return "\n".join([first, *(line.removeprefix(margin) for line in rest)])
