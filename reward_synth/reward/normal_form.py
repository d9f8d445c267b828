"""Which reward programs are the same but for how they are written, without running any.

A program is read symbolically, as by global value numbering (Click, "Global code motion, global
value numbering", PLDI 1995, section 3): each value is known by a digest of how it is computed
from the fields, the action and the weights. Names of variables, helper functions, comments,
annotations, dead code, the order of statements, of ``WEIGHTS``, of terms, summands and factors
and the spelling of numbers have no part in it. Names of terms, of weights and of fields have.

Equal forms are equal rewards, to rounding; the reverse does not hold, as of any such form:
``jnp.sqrt(x)`` is not ``x ** 0.5`` here. For those that only behave the same there is
``reward.compare``.
"""

from __future__ import annotations

import ast
from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from reward_synth.records import Rejection
from reward_synth.reward import sums
from reward_synth.reward.parse import PARAMETERS, parse_source, syntax_tree
from reward_synth.reward.sums import Sum, digest
from reward_synth.reward.symbolic import (
    BeyondError,
    Function,
    Items,
    Scope,
    Table,
    Value,
    Weights,
    binary,
    called,
    compared,
    constant,
    item,
    join,
    keywords,
    named,
    unary,
)

_MOST_STEPS = 50_000  # of one reading: helpers are read where they are called
_DEEPEST = 30  # calls of helpers inside each other

_METHODS = frozenset("all any clip dot max mean min prod ravel reshape std sum var".split())


def normal_form(source: str) -> str:
    """Return a digest that programs share which are the same but for how they are written.

    Raises:
      ValueError: the source is not a reward program; in words.
    """
    shape, weights = _read(source)
    return digest("weighted", shape, *(f"{name}={value:.12g}" for name, value in weights))


def structure(source: str) -> str:
    """Return a digest as ``normal_form`` does, the values of WEIGHTS left out.

    Raises:
      ValueError: the source is not a reward program; in words.
    """
    return _read(source)[0]


def _read(source: str) -> tuple[str, list[tuple[str, float]]]:
    """Return the structure, and the weights that have a part in it, sorted."""
    program = parse_source(source)
    if isinstance(program, Rejection):
        raise ValueError(program.reason)
    module = syntax_tree(program.source)
    reader = _Reader()
    try:
        shape, used = reader.program(module), reader.weights
    except (BeyondError, RecursionError):
        # Rare: its text as Python prints it, without comments.
        shape, used = digest("text", _text(module, program.source)), dict(program.weights).keys()
    return shape, sorted((name, value) for name, value in program.weights if name in used)


def _text(module: ast.Module, source: str) -> str:
    kept = [node for node in module.body if not (_is_text(node) or _is_weights(node))]
    try:
        return ast.unparse(ast.Module(kept, []))
    except RecursionError:
        return source


@dataclass(slots=True)
class _Reader:
    """Reads one program.

    Attributes:
      weights: names of those that were read, if only in dead code.
      steps: expressions and statements so far.
      calls: of helpers, inside each other.
      inside: loops, branches and comprehensions inside each other.
    """

    weights: set[str] = field(default_factory=set)
    steps: int = 0
    calls: int = 0
    inside: int = 0

    def program(self, module: ast.Module) -> str:
        """Return the digest of what ``reward`` returns."""
        scope: Scope = ChainMap({})
        self._block([node for node in module.body if not _is_weights(node)], scope)
        reward = scope["reward"]
        assert isinstance(reward, Function)
        result = self._apply(reward, [*(named(name) for name in PARAMETERS[:-1]), Weights()], {})
        match result:
            case Items("tuple", [total, Table(values)]):
                terms = sorted((name, value.digest) for name, value in values.items())
                return digest("reward", total.digest, *(text for term in terms for text in term))
        return digest("reward", result.digest)

    # Statements

    def _block(self, body: Sequence[ast.stmt], scope: Scope) -> Value | None:
        """Read statements into a scope; return what they return, None if they go on."""
        for i, node in enumerate(body):
            self._step()
            match node:
                case ast.Return(value=ast.expr() as value):
                    return self._value(value, scope)
                case ast.Expr(value=ast.Constant()):
                    pass
                case ast.Assign(targets=targets, value=expression):
                    value = self._value(expression, scope)
                    for target in targets:
                        self._assign(target, value, scope)
                case ast.AnnAssign(target=target, value=expression):
                    if expression is not None:
                        self._assign(target, self._value(expression, scope), scope)
                case ast.AugAssign(target=target, op=op, value=right):
                    left = ast.parse(ast.unparse(target), mode="eval").body
                    combined = ast.BinOp(left, op, right)
                    self._assign(target, self._value(combined, scope), scope)
                case ast.FunctionDef(name=name, args=arguments, body=inner):
                    scope[name] = self._function(arguments, inner, scope)
                case ast.If() if any(isinstance(part, ast.Return) for part in ast.walk(node)):
                    test = self._value(node.test, scope)
                    ways = [
                        self._branch([*way, *body[i + 1 :]], scope)[1]
                        for way in (node.body, node.orelse)
                    ]
                    return join("if", test, *(w or sums.atom("nothing") for w in ways))
                case ast.If():
                    self._if(node, scope)
                case ast.For(orelse=[]):
                    self._for(node, scope)
                case _:
                    raise BeyondError
        return None

    def _branch(self, body: Sequence[ast.stmt], scope: Scope) -> tuple[Scope, Value | None]:
        self.inside += 1
        inner = scope.new_child()
        returned = self._block(body, inner)
        self.inside -= 1
        return inner, returned

    def _if(self, node: ast.If, scope: Scope) -> None:
        test = self._value(node.test, scope)
        ways = [self._branch(way, scope)[0] for way in (node.body, node.orelse)]
        for name in sorted(set(ways[0].maps[0]) | set(ways[1].maps[0])):
            scope[name] = join("if", test, *(_so_far(way, name) for way in ways))

    def _for(self, node: ast.For, scope: Scope) -> None:
        """Read a loop's body once, what it carries from round to round being unknown."""
        stored = [
            part
            for part in ast.walk(node)
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
        ]
        if any(isinstance(part, ast.Return) for part in ast.walk(node)):
            raise BeyondError
        stored.sort(key=lambda part: (part.lineno, part.col_offset))
        carried = list(dict.fromkeys(part.id for part in stored))
        over = self._value(node.iter, scope)
        before = [_so_far(scope, name) for name in carried]
        self.inside += 1
        inner = scope.new_child({name: self._bound(i) for i, name in enumerate(carried)})
        self._assign(node.target, self._bound(-1), inner)
        self._block(node.body, inner)
        self.inside -= 1
        loop = join("for", over, *before, *(_so_far(inner, name) for name in carried))
        for i, name in enumerate(carried):
            scope[name] = join("after", loop, sums.number(i))

    def _assign(self, target: ast.expr, value: Value, scope: Scope) -> None:
        match target:
            case ast.Name(id=name):
                scope[name] = value
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                if isinstance(value, Items) and value.kind in ("tuple", "list"):
                    parts = value.values
                else:
                    parts = [item(value, sums.number(i)) for i in range(len(elements))]
                if len(parts) != len(elements):
                    raise BeyondError
                for element, part in zip(elements, parts, strict=True):
                    self._assign(element, part, scope)
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str(key))):
                table = _lookup(scope, name)
                if not isinstance(table, Table) or self.inside:
                    raise BeyondError
                table.values[key] = value
            case _:
                raise BeyondError

    # Functions

    def _function(
        self, arguments: ast.arguments, body: Sequence[ast.stmt], scope: Scope
    ) -> Function:
        if arguments.vararg or arguments.kwarg or arguments.kwonlyargs:
            raise BeyondError
        parameters = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
        defaults = [self._value(default, scope) for default in arguments.defaults]
        return Function(parameters, defaults, body, scope)

    def _apply(
        self, function: Function, given: Sequence[Value], options: Mapping[str, Value]
    ) -> Value:
        """Read a function's body where it is called."""
        start = len(function.parameters) - len(function.defaults)
        inner = function.scope.new_child(
            dict(zip(function.parameters[start:], function.defaults, strict=True))
        )
        inner.maps[0].update(zip(function.parameters, given, strict=False))
        inner.maps[0].update(options)
        if set(inner.maps[0]) != set(function.parameters) or len(given) > len(function.parameters):
            raise BeyondError
        if self.calls == _DEEPEST:
            raise BeyondError
        self.calls += 1
        result = self._block(function.body, inner)
        self.calls -= 1
        if result is None:
            raise BeyondError
        return result

    # Expressions

    def _value(self, node: ast.expr, scope: Scope) -> Value:
        self._step()
        match node:
            case ast.Constant(value=value):
                return constant(value)
            case ast.Name(id=name):
                return _lookup(scope, name)
            case ast.Attribute(value=base, attr=name):
                return join("attribute", self._value(base, scope), named(name))
            case ast.Subscript(value=base, slice=place):
                return self._subscript(self._value(base, scope), place, scope)
            case ast.Tuple(elts=elements):
                return Items("tuple", [self._value(element, scope) for element in elements])
            case ast.List(elts=elements):
                return Items("list", [self._value(element, scope) for element in elements])
            case ast.Dict(keys=keys, values=values):
                if not all(_is_text(key) for key in keys):
                    raise BeyondError
                names = [str(getattr(key, "value", None)) for key in keys]
                return Table({n: self._value(v, scope) for n, v in zip(names, values, strict=True)})
            case ast.UnaryOp(op=op, operand=operand):
                return unary(op, self._value(operand, scope))
            case ast.BinOp(left=left, op=op, right=right):
                return binary(op, self._value(left, scope), self._value(right, scope))
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return compared(op, self._value(left, scope), self._value(right, scope))
            case ast.Call():
                return self._call(node, scope)
            case ast.Lambda(args=arguments, body=body):
                return self._function(arguments, [ast.Return(body)], scope)
            case ast.ListComp() | ast.GeneratorExp() | ast.DictComp():
                return self._comprehension(node, scope)
        return self._other(node, scope)

    def _other(self, node: ast.expr, scope: Scope) -> Value:
        match node:
            case ast.Compare(left=left, ops=ops, comparators=others):
                values = [self._value(one, scope) for one in (left, *others)]
                return join("compare", *(named(type(op).__name__) for op in ops), *values)
            case ast.BoolOp(op=op, values=values):
                return join(type(op).__name__, *(self._value(value, scope) for value in values))
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return join("if", *(self._value(one, scope) for one in (test, body, orelse)))
            case ast.Slice(lower=lower, upper=upper, step=step):
                parts = [
                    named("") if p is None else self._value(p, scope) for p in (lower, upper, step)
                ]
                return join("slice", *parts)
        raise BeyondError

    def _subscript(self, base: Value, place: ast.expr, scope: Scope) -> Value:
        index = self._value(place, scope)
        match base, place:
            case Weights(), ast.Constant(value=str(name)):
                self.weights.add(name)
                return join("weight", index)
            case Table(values), ast.Constant(value=str(name)) if name in values:
                return values[name]
        return item(base, index)

    def _call(self, node: ast.Call, scope: Scope) -> Value:
        if any(keyword.arg is None for keyword in node.keywords):
            raise BeyondError
        options = {str(k.arg): self._value(k.value, scope) for k in node.keywords}
        given = [self._value(argument, scope) for argument in node.args]
        path = _path(node.func, scope)
        if not path and isinstance(node.func, ast.Attribute):
            base, name = self._value(node.func.value, scope), node.func.attr
            if isinstance(base, Table) and name == "values" and not given:
                return Items("values", list(base.values.values()))
            if name not in _METHODS or not isinstance(base, Sum):
                return join("method", named(name), base, *given, *keywords(options))
            path, given = f"jnp.{name}", [base, *given]
        elif not path:
            function = self._value(node.func, scope)
            if not isinstance(function, Function):
                raise BeyondError
            return self._apply(function, given, options)
        return called(path, given, options)

    def _comprehension(
        self, node: ast.ListComp | ast.GeneratorExp | ast.DictComp, scope: Scope
    ) -> Value:
        inner, parts = scope.new_child(), []
        self.inside += 1
        for i, each in enumerate(node.generators):
            parts.append(self._value(each.iter, inner))
            self._assign(each.target, self._bound(i), inner)
            parts += [join("only", self._value(test, inner)) for test in each.ifs]
        made = (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,)
        parts += [self._value(one, inner) for one in made]
        self.inside -= 1
        return Items(type(node).__name__, [join("each", *parts)])

    def _bound(self, place: int) -> Sum:
        """Return what stands for a value that differs from round to round."""
        return named(f"<{self.inside}, {place}>")

    def _step(self) -> None:
        self.steps += 1
        if self.steps > _MOST_STEPS:
            raise BeyondError


def _lookup(scope: Scope, name: str) -> Value:
    if name == "WEIGHTS":
        raise BeyondError
    return scope[name] if name in scope else named(name)


def _so_far(scope: Scope, name: str) -> Value:
    """Return a variable's value; before it has one its name is of no account."""
    return scope.get(name, named("unbound"))


def _path(node: ast.expr, scope: Scope) -> str:
    """Return ``"jnp.linalg.norm"`` for a function that is not the program's own, else ``""``."""
    match node:
        case ast.Name(id=name) if name not in scope:
            return name
        case ast.Attribute(value=inner, attr=name):
            outer = _path(inner, scope)
            return f"{outer}.{name}" if outer else ""
    return ""


def _is_text(node: ast.AST | None) -> bool:
    if isinstance(node, ast.Expr):
        node = node.value
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _is_weights(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and any(
        isinstance(target, ast.Name) and target.id == "WEIGHTS" for target in node.targets
    )
