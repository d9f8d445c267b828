"""What a reward program computes with when it is read and not run; see ``reward.normal_form``."""

from __future__ import annotations

import ast
from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

from reward_synth.reward import sums
from reward_synth.reward.sums import Sum, digest

# What is written in several ways, and in which order does not matter.
_SYNONYMS = {"jnp.asarray": "jnp.array", "abs": "jnp.abs"}
_COMMUTATIVE = frozenset(
    "jnp.maximum jnp.minimum jnp.logaddexp jnp.logical_and jnp.logical_or".split()
)
_EVEN = frozenset("jnp.abs jnp.cos jnp.cosh jnp.square jnp.linalg.norm".split())


class BeyondError(Exception):
    """The program does what cannot be followed without running it."""


@dataclass(eq=False, slots=True)
class Items:
    """A tuple, or a list, of known length."""

    kind: str
    values: list[Value]

    @property
    def digest(self) -> str:
        """In this order."""
        return digest(self.kind, *(value.digest for value in self.values))


@dataclass(eq=False, slots=True)
class Table:
    """A dict with known keys; like Python's it is shared, not copied, by what names it."""

    values: dict[str, Value]

    @property
    def digest(self) -> str:
        """In the order of the keys' insertion, in which a loop would meet them."""
        return digest("dict", *(x for name, v in self.values.items() for x in (name, v.digest)))


@dataclass(eq=False, slots=True)
class Function:
    """A function of the program, in the scope where it was defined."""

    parameters: list[str]
    defaults: list[Value]
    body: Sequence[ast.stmt]
    scope: Scope

    @property
    def digest(self) -> str:
        """Has none: what is made of it cannot be followed.

        Raises:
          BeyondError: always.
        """
        raise BeyondError


class Weights:
    """The table of weights, of which single ones are read."""

    @property
    def digest(self) -> str:
        """Has none: what is made of it cannot be followed.

        Raises:
          BeyondError: always.
        """
        raise BeyondError


Value = Sum | Items | Table | Function | Weights
Scope = ChainMap[str, Value]


def called(path: str, given: list[Value], options: Mapping[str, Value]) -> Value:
    """Return what a function of jnp, or one of Python's, makes of its arguments.

    Args:
      path: such as ``"jnp.linalg.norm"`` or ``"sum"``.
      given: by position.
      options: by name.
    """
    path = _SYNONYMS.get(path, path)
    match path, given:
        case "sum", [Items("tuple" | "list" | "values", [first, *others])] if not options:
            return reduce(lambda a, b: binary(ast.Add(), a, b), others, first)
        case "jnp.square", [Sum() as base] if not options:
            return binary(ast.Pow(), base, sums.number(2))
        case "jnp.power", [Sum() as base, Sum() as exponent] if not options:
            return binary(ast.Pow(), base, exponent)
    if path in _EVEN and given and isinstance(given[0], Sum):
        given = [given[0].unsigned, *given[1:]]
    if path in _COMMUTATIVE:
        given = sorted(given, key=lambda value: value.digest)
    return join("call", named(path), *given, *keywords(options))


def keywords(options: Mapping[str, Value]) -> list[Value]:
    """Return arguments that are given by name, whose order is of no account."""
    return [join("keyword", named(name), value) for name, value in sorted(options.items())]


def unary(op: ast.unaryop, value: Value) -> Value:
    """Return ``-value``, ``~value`` and the like."""
    if isinstance(op, ast.USub | ast.UAdd) and isinstance(value, Sum):
        return sums.scale(value, -1.0) if isinstance(op, ast.USub) else value
    return join(type(op).__name__, value)


def binary(op: ast.operator, left: Value, right: Value) -> Value:
    """Return ``left + right`` and the like.

    Raises:
      BeyondError: these are not numbers, and lists are put together rather than added.
    """
    if not (isinstance(left, Sum) and isinstance(right, Sum)):
        raise BeyondError
    result: Sum | None = None
    match op:
        case ast.Add():
            result = sums.add(left, right)
        case ast.Sub():
            result = sums.add(left, sums.scale(right, -1.0))
        case ast.Mult():
            result = sums.multiply(left, right)
        case ast.Div():
            result = sums.divide(left, right)
        case ast.Pow():
            result = sums.power(left, right.number)
        case ast.BitAnd() | ast.BitOr() | ast.BitXor():
            left, right = sorted((left, right), key=lambda value: value.digest)
    return result or join(type(op).__name__, left, right)


def compared(op: ast.cmpop, left: Value, right: Value) -> Value:
    """Return ``left < right`` and the like; there is one form of each and its mirror image."""
    match op:
        case ast.Gt():
            return join("Lt", right, left)
        case ast.GtE():
            return join("LtE", right, left)
        case ast.Eq() | ast.NotEq():
            left, right = sorted((left, right), key=lambda value: value.digest)
    return join(type(op).__name__, left, right)


def constant(value: object) -> Sum:
    """Return what is written out: a number however it is spelled, else by its type."""
    if type(value) in (int, float):
        try:
            return sums.number(float(value))  # pyright: ignore[reportArgumentType]
        except OverflowError:
            pass
    return named(f"{type(value).__name__} {value!r}")


def item(base: Value, index: Value) -> Value:
    """Return ``base[index]``."""
    place = index.number if isinstance(index, Sum) else None
    if isinstance(base, Items) and base.kind in ("tuple", "list") and place is not None:
        if place in range(-len(base.values), len(base.values)):
            return base.values[int(place)]
        raise BeyondError
    return join("item", base, index)


def named(name: str) -> Sum:
    """Return what a name that the program did not define stands for."""
    return sums.atom(digest("name", name))


def join(kind: str, *values: Value) -> Sum:
    """Return the value that something makes of others, in this order."""
    return sums.atom(digest(kind, *(value.digest for value in values)))
