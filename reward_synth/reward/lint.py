"""Quick, precise complaints about a reward program before anything of it is run.

This tells a language model early and by line what it may not write. It is not the
security boundary: the sandboxed child, in which the program is traced, is.
"""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Iterable
from itertools import chain

from reward_synth.errors import did_you_mean
from reward_synth.records import Rejection, RewardProgram, Stage, TaskDescription
from reward_synth.reward.facade import FACADE_NAMES, unknown_name
from reward_synth.reward.parse import place, syntax_tree

BUILTINS = frozenset(
    {
        *("abs", "bool", "dict", "enumerate", "float", "int", "len", "list"),
        *("max", "min", "range", "sum", "tuple", "zip"),
    }
)

_MOST_LINES = 400
_MOST_NODES = 3000  # expressions and statements
_MOST_ROUNDS = 64
_MOST_COMPLAINTS = 4  # of one program; the first are enough to go on with
_LARGEST_INT = 10**9
_LARGEST_EXPONENT = 64.0

_STATES = frozenset({"state", "next_state"})
_FIXED = frozenset({*_STATES, "jnp", "reward", "w", "WEIGHTS"})  # names that keep their meaning
_TYPES = frozenset({"bool", "dict", "float", "int", "list", "tuple"})
# Of arrays, and the last three of dicts.
_MEMBERS = frozenset(
    {
        *("T", "all", "any", "astype", "clip", "dot", "flatten", "max", "mean", "min", "ndim"),
        *("prod", "ravel", "reshape", "shape", "size", "squeeze", "std", "sum", "var"),
        *("items", "keys", "values"),
    }
)

_ALLOWED: tuple[type[ast.AST], ...] = (
    *(ast.Module, ast.FunctionDef, ast.Return, ast.Assign, ast.AugAssign, ast.AnnAssign),
    *(ast.For, ast.If, ast.Expr, ast.Constant, ast.Name, ast.Attribute, ast.Subscript, ast.Slice),
    *(ast.Call, ast.keyword, ast.arguments, ast.arg, ast.Lambda, ast.IfExp),
    *(ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.boolop, ast.unaryop, ast.cmpop),
    *(ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.MatMult),
    *(ast.BitAnd, ast.BitOr, ast.BitXor),
    *(ast.Tuple, ast.List, ast.Dict, ast.ListComp, ast.DictComp, ast.GeneratorExp),
    *(ast.comprehension, ast.expr_context),
)

_LONE = (
    "an expression by itself does nothing here: there is no printing and no appending. Assign its "
    "value to a name."
)

# What to do about the rest; the default is that it is not allowed.
_INSTEAD: dict[type[ast.AST], str] = {
    ast.Import: "imports are not allowed; `jnp` is there without one, other modules are not.",
    ast.ImportFrom: "imports are not allowed; `jnp` is there without one, other modules are not.",
    ast.While: "`while` is not allowed; loop over a fixed range, or use array operations.",
    ast.Try: "`try` is not allowed; keep values finite with jnp.clip or jnp.where.",
    ast.Assert: "`assert` is not allowed; bound values with jnp.clip.",
    ast.Raise: "`raise` is not allowed; bound values with jnp.clip.",
    ast.Global: "`global` is not allowed; there is no memory between steps.",
    ast.Nonlocal: "`nonlocal` is not allowed; return the value instead.",
    ast.ClassDef: "classes are not allowed; write functions.",
    ast.Match: "`match` is not allowed; use jnp.where.",
    ast.NamedExpr: "`:=` is not allowed; assign in a line of its own.",
    ast.JoinedStr: "f-strings are not allowed; write names of terms out.",
    ast.Starred: "`*` before a value is not allowed; write the elements out.",
    ast.Set: "sets are not allowed; use a tuple.",
    ast.SetComp: "sets are not allowed; use a tuple.",
    ast.LShift: "`<<` is not allowed; multiply instead.",
    ast.RShift: "`>>` is not allowed; divide instead.",
}


def lint(program: RewardProgram, description: TaskDescription) -> Rejection | None:
    """Return what a program may not do or does not know, or None if nothing was found.

    The reason has one line for each complaint, the first few in the order of the
    program. Weights that are not used are fine.
    """
    lines = program.source.count("\n")
    if lines > _MOST_LINES:
        return _rejected(f"the program has {lines} lines; the limit is {_MOST_LINES}.")
    try:
        module = syntax_tree(program.source)
    except SyntaxError as error:
        return _rejected(f"{place(program.source, error.lineno)}not valid Python: {error.msg}.")
    nodes = sum(isinstance(node, ast.expr | ast.stmt) for node in ast.walk(module))
    if nodes > _MOST_NODES:
        return _rejected(
            f"the program is too long, with {nodes} expressions and statements; the limit is "
            f"{_MOST_NODES}."
        )
    complaints = _Linter(module, program, description).complaints()
    shown = sorted(complaints, key=lambda complaint: complaint[0])[:_MOST_COMPLAINTS]
    texts = [place(program.source, line) + text for line, text in shown]
    return _rejected("\n".join(texts)) if texts else None


class _Linter:
    """Looks at every node once, parents first.

    A parent that knows a child to be right settles it: it is not looked at again.
    """

    def __init__(
        self, module: ast.Module, program: RewardProgram, description: TaskDescription
    ) -> None:
        self._module = module
        self._weights = [name for name, _ in program.weights]
        self._fields = [field.name for field in description.fields]
        self._bound = frozenset(chain.from_iterable(map(_binds, ast.walk(module))))
        self._settled: set[ast.AST] = set()
        self._found: dict[str, int] = {}  # complaint -> the first line it is about

    def complaints(self) -> list[tuple[int, str]]:
        """Return line and text of every complaint, each text once."""
        for statement in self._module.body:
            if isinstance(statement, ast.AugAssign | ast.For | ast.If | ast.Return):
                self._complain(statement, "outside functions there can only be definitions.")
                self._settled.add(statement)
        waiting: deque[tuple[ast.AST, int]] = deque([(self._module, 0)])
        while waiting:
            node, line = waiting.popleft()
            if node in self._settled:
                continue
            line = getattr(node, "lineno", line)  # some nodes, such as operators, have none
            if isinstance(node, _ALLOWED):
                self._look(node)
                waiting.extend((child, line) for child in ast.iter_child_nodes(node))
            else:
                kind = type(node)
                text = _INSTEAD.get(kind) or f"`{kind.__name__.lower()}` is not allowed."
                self._complain(node, text, line)
        return [(line, text) for text, line in self._found.items()]

    def _complain(self, node: ast.AST, text: str, line: int = 0) -> None:
        line = getattr(node, "lineno", line)
        self._found[text] = min(line, self._found.get(text, line))

    def _look(self, node: ast.AST) -> None:
        match node:
            case ast.FunctionDef() | ast.Lambda():
                self._function(node)
            case ast.Assign(targets=targets):
                for target in targets:
                    self._target(target)
            case ast.AugAssign(target=target):
                self._target(target)
            case ast.For(target=target, orelse=orelse):
                self._target(target)
                if orelse:
                    self._complain(orelse[0], "a loop cannot have an `else`.")
            case ast.AnnAssign(target=target, annotation=annotation):
                self._target(target)
                self._annotation(annotation)
            case ast.arg(annotation=annotation):
                self._annotation(annotation)
            case ast.comprehension(target=target, is_async=is_async):
                self._target(target)
                if is_async:
                    self._complain(target, "`async` is not allowed.")
            case ast.Expr(value=value):
                self._lone_expression(value)
            case ast.Dict(keys=keys):
                self._settled.update(key for key in keys if key and _is_string(key))
            case ast.Subscript():
                self._subscript(node)
            case ast.Attribute():
                self._attribute(node)
            case ast.Name(id=name, ctx=ast.Load()):
                self._name(node, name)
            case ast.Call():
                self._call(node)
            case ast.BinOp():
                self._arithmetic(node)
            case ast.Constant(value=value):
                self._constant(node, value)

    def _function(self, node: ast.FunctionDef | ast.Lambda) -> None:
        arguments = node.args
        if arguments.vararg or arguments.kwarg or arguments.kwonlyargs:
            self._complain(node, "functions can only have plain positional parameters.")
        for default in arguments.defaults:
            if _literal(default) is None:
                self._complain(default, "the default of a parameter must be a plain number.")
        if isinstance(node, ast.Lambda):
            return
        if node.decorator_list:
            self._complain(node, "decorators are not allowed.")
            self._settled.update(node.decorator_list)
        if node.name != "reward":
            self._new_name(node, node.name)
        self._annotation(node.returns)

    def _new_name(self, node: ast.AST, name: str) -> None:
        if name in _FIXED or name.startswith("__"):
            self._complain(node, f"{name!r} cannot be given a meaning; use another name.")

    def _target(self, target: ast.expr) -> None:
        match target:
            case ast.Name(id="WEIGHTS") if self._at_top(target):
                pass
            case ast.Name(id="reward") if not self._at_top(target):
                pass  # a local variable, and a common one: reward = sum(terms.values())
            case ast.Name(id=name):
                self._new_name(target, name)
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                for element in elements:
                    self._target(element)
            case ast.Subscript(value=ast.Name(id="w")):
                self._complain(target, "weights cannot be assigned.")
            case ast.Subscript(value=ast.Name(), slice=key) if _is_string(key):
                pass  # terms["name"] = ...
            case ast.Subscript():
                self._complain(
                    target,
                    "arrays cannot be changed in place; build them with jnp.where, jnp.stack or "
                    "jnp.array. Only dicts can be assigned to, by a written-out key.",
                )
            case ast.Attribute():
                self._complain(target, "attributes cannot be assigned.")

    def _at_top(self, target: ast.expr) -> bool:
        return any(
            isinstance(node, ast.Assign) and target in node.targets for node in self._module.body
        )

    def _annotation(self, annotation: ast.expr | None) -> None:
        if annotation is None:
            return
        self._settled.add(annotation)
        if not (isinstance(annotation, ast.Name) and annotation.id in _TYPES):
            self._complain(annotation, "leave the type annotations out; their types are not known.")

    def _lone_expression(self, value: ast.expr) -> None:
        self._settled.add(value)
        if not _is_string(value):
            self._complain(value, _LONE)

    def _subscript(self, node: ast.Subscript) -> None:
        if not _is_string(node.slice):
            return
        self._settled.add(node.slice)
        key = str(getattr(node.slice, "value", ""))
        if isinstance(node.value, ast.Name) and node.value.id == "w" and key not in self._weights:
            self._complain(
                node,
                f"WEIGHTS has no {key!r}.{did_you_mean(key, self._weights)} "
                f"It has: {_listed(self._weights)}.",
            )

    def _attribute(self, node: ast.Attribute) -> None:
        root, *path = _path(node) or [""]
        if root == "jnp":
            if len(path) == 1 or path[0] not in FACADE_NAMES:
                self._jnp(node, ".".join(path))
                return
        elif root and root not in self._bound | BUILTINS:
            hint = f" Write jnp.{path[-1]} instead." if path[-1] in FACADE_NAMES else ""
            self._complain(node, f"there is no {root!r} here, only jnp.{hint}")
            self._settled.add(node.value)
            return
        name = node.attr
        if root in _STATES and len(path) == 1:
            if name not in self._fields:
                self._complain(
                    node,
                    f"{root} has no field {name!r}.{did_you_mean(name, self._fields)} "
                    f"Fields: {_listed(self._fields)}.",
                )
        elif name not in _MEMBERS and name not in self._fields:
            self._complain(
                node,
                f"the attribute {name!r} is not available here.{did_you_mean(name, _MEMBERS)} "
                "Use functions of jnp, or index and slice arrays.",
            )

    def _jnp(self, node: ast.Attribute, name: str) -> None:
        self._settled.add(node.value)
        if name not in FACADE_NAMES:
            self._complain(node, unknown_name(name))

    def _name(self, node: ast.AST, name: str) -> None:
        if name == "jnp":
            self._complain(node, "`jnp` can only be used as in `jnp.exp(x)`.")
        elif name == "WEIGHTS":
            self._complain(node, 'read weights as w["name"], not from WEIGHTS: they are tuned.')
        elif name not in self._bound | BUILTINS:
            self._complain(
                node,
                f"the name {name!r} is not defined.{did_you_mean(name, self._bound)} Besides the "
                f"program's own names there are jnp and {_listed(sorted(BUILTINS))}.",
            )

    def _call(self, node: ast.Call) -> None:
        if not isinstance(node.func, ast.Name | ast.Attribute):
            self._complain(node, "only functions with a name can be called.")
        if any(keyword.arg is None for keyword in node.keywords):
            self._complain(node, "`**` in a call is not allowed; write the arguments out.")
        if isinstance(node.func, ast.Name) and node.func.id == "range":
            self._range(node)

    def _range(self, node: ast.Call) -> None:
        # Bounds such as len(action) are left to the tracer, which knows them.
        if any(not _written_out(bound) for bound in node.args):
            return
        bounds = [_literal(bound) for bound in node.args]
        ints = [int(bound) for bound in bounds if bound is not None and bound.is_integer()]
        if len(ints) != len(bounds) or not 1 <= len(ints) <= 3 or 0 in ints[2:]:
            self._complain(node, "the bounds of a range must be one to three plain integers.")
        elif len(range(*ints)) > _MOST_ROUNDS:
            self._complain(
                node,
                f"a loop can have at most {_MOST_ROUNDS} rounds; use array operations for more.",
            )

    def _arithmetic(self, node: ast.BinOp) -> None:
        displays = ast.List | ast.Tuple | ast.ListComp
        if isinstance(node.op, ast.Mult) and (
            isinstance(node.left, displays) or isinstance(node.right, displays)
        ):
            self._complain(
                node, "a list or tuple cannot be multiplied; use jnp.array, jnp.zeros or jnp.full."
            )
        if isinstance(node.op, ast.Pow) and _written_out(node.right):
            exponent = _literal(node.right)
            if exponent is None or abs(exponent) > _LARGEST_EXPONENT:
                self._complain(
                    node, f"an exponent must be a plain number, at most {_LARGEST_EXPONENT:g}."
                )

    def _constant(self, node: ast.AST, value: object) -> None:
        if isinstance(value, str | bytes):
            self._complain(
                node, "strings can only be keys of dicts, indices and docstrings; remove this one."
            )
        elif isinstance(value, complex):
            self._complain(node, "complex numbers are not allowed.")
        elif isinstance(value, int) and value > _LARGEST_INT:
            self._complain(node, f"an integer can be at most {_LARGEST_INT:,}; write a float.")


def _binds(node: ast.AST) -> tuple[str, ...]:
    """Return the name that a node gives a meaning to, anywhere in the program."""
    match node:
        case ast.Name(id=name, ctx=ast.Store()):
            return (name,)
        case ast.FunctionDef(name=name) | ast.arg(arg=name):
            return (name,)
    return ()


def _path(node: ast.Attribute) -> list[str]:
    """Return ["a", "b", "c"] for ``a.b.c``, [] for attributes of what is not a name."""
    path: list[str] = []
    inner: ast.expr = node
    while isinstance(inner, ast.Attribute):
        path.append(inner.attr)
        inner = inner.value
    return [inner.id, *path[::-1]] if isinstance(inner, ast.Name) else []


def _literal(node: ast.expr) -> float | None:
    """Return the value of a number as written, with its sign or as a fraction, or None."""
    match node:
        case ast.Constant(value=bool() | int() | float() as value) if abs(value) <= _LARGEST_INT:
            return float(value)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant() as operand):
            value = _literal(operand)
            return None if value is None else -value
        case ast.BinOp(op=ast.Div(), left=ast.Constant() as left, right=ast.Constant() as right):
            above, below = _literal(left), _literal(right)
            return above / below if above is not None and below else None
    return None


def _written_out(node: ast.expr) -> bool:
    """Whether an expression is made of numbers alone."""
    return not any(isinstance(part, ast.Name) for part in ast.walk(node))


def _is_string(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "nothing"


def _rejected(reason: str) -> Rejection:
    return Rejection(Stage.LINT, reason)
