"""Brings a reward program into static single-assignment form, where order no longer matters.

Cytron et al. (1991), "Efficiently Computing Static Single Assignment Form and the
Control Dependence Graph", for straight-line code, which needs no phi functions.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping

from reward_synth.propose.offline.pieces import PARAMETERS, fresh_name, stored_names


def straighten(source: str) -> tuple[str, ast.Module]:
    """Return the program with the usual parameters and each local assigned once, and its syntax.

    The text is kept as it is if it has that form already.

    Raises:
      SyntaxError: it is not Python.
      ValueError: a block reassigns a variable.
    """
    module = ast.parse(source)
    for node in module.body:
        if isinstance(node, ast.FunctionDef) and node.name == "reward" and _straighten(node):
            source = ast.unparse(ast.fix_missing_locations(module))
    return source, ast.parse(source)


def _straighten(function: ast.FunctionDef) -> bool:
    """Rewrite a function in place; return whether there was anything to do."""
    given = [argument.arg for argument in function.args.args]
    current = {old: new for old, new in zip(given, PARAMETERS, strict=True) if old != new}
    changed = bool(current)
    for argument, name in zip(function.args.args, PARAMETERS, strict=True):
        argument.arg = name
    taken = set(PARAMETERS)
    for i, statement in enumerate(function.body):
        if isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
            old = ast.Name(statement.target.id, ast.Load())
            value = ast.BinOp(old, statement.op, statement.value)
            statement = function.body[i] = ast.Assign([statement.target], value)
        names = stored_names(statement)
        renamed = {name: fresh_name(name, taken) for name in sorted(names)}
        taken |= set(renamed.values())
        again = any(new != old for old, new in renamed.items())
        if again and not isinstance(statement, ast.Assign | ast.AnnAssign):
            raise ValueError(f"line {statement.lineno} reassigns a variable in a block.")
        changed |= again
        if changed:
            _Renamer(current, renamed).visit(statement)
        current |= renamed
    return changed


class _Renamer(ast.NodeTransformer):
    """Renames what is read by one table and what is assigned by another."""

    def __init__(self, read: Mapping[str, str], assigned: Mapping[str, str]) -> None:
        self._read, self._assigned = dict(read), assigned

    def visit_Name(self, node: ast.Name) -> ast.Name:
        table = self._assigned if isinstance(node.ctx, ast.Store) else self._read
        node.id = table.get(node.id, node.id)
        return node
