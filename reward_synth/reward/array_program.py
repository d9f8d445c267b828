"""Array programs: what is left of a reward program once Python is out of it.

A list of operations on arrays of known shape, as JSON:

    {"constants": [[dtype, shape, numbers], ...],
     "inputs": [[dtype, shape], ...],
     "operations": [[name, operands, parameters, [[dtype, shape], ...]], ...],
     "outputs": [operand, ...]}

An operand is the number of a value (inputs first, then results in order), ``{"constant":
number}``, or ``[dtype, number]``, a literal. ``encode`` writes it in the sandboxed child,
from JAX's own intermediate form; ``decode`` turns it back into a function where policies
are trained.

Why not ``jax.export``, which keeps a serialised StableHLO module: its reader is
native code that trusts its input. Of 1,500 modules with one to four damaged
bytes, some end the process with a segmentation fault, and the bytes come from a
process that an attacker may own. This form is read by Python, which checks every
operation against the table below before JAX sees it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core
from jax.extend.core import primitives

MOST_BYTES = 1_000_000
MOST_OPERATIONS = 5_000
MOST_NUMBERS = 10_000  # in one array, and twenty times that in all; times the batch, later
_LARGEST_POWER = 1_000  # integer_pow is compiled to about log2 of it multiplications

_DTYPES = {name: np.dtype(name) for name in ("float32", "int32", "uint32", "bool")}

# Operation: the parameters that decide what it computes. Pure arithmetic and data movement: no
# loops, no randomness, no calls, no input or output.
_OPERATIONS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        """
        abs acos acosh add and asin asinh atan atan2 atanh cbrt ceil clamp cos cosh div eq
        erf erf_inv erfc exp exp2 expm1 floor ge gt is_finite le lgamma log log1p logistic lt max
        min mul ne neg nextafter not or pow rem rsqrt select_n sign sin sinh sqrt square
        stop_gradient sub tan tanh xor
        """.split(),
        (),
    ),
    "argmax": ("axes", "index_dtype"),
    "argmin": ("axes", "index_dtype"),
    "broadcast_in_dim": ("shape", "broadcast_dimensions"),
    "concatenate": ("dimension",),
    "convert_element_type": ("new_dtype", "weak_type"),
    "copy": (),
    "cummax": ("axis", "reverse"),
    "cummin": ("axis", "reverse"),
    "cumprod": ("axis", "reverse"),
    "cumsum": ("axis", "reverse"),
    "dot_general": ("dimension_numbers", "preferred_element_type"),
    "dynamic_slice": ("slice_sizes",),
    "gather": ("dimension_numbers", "slice_sizes", "mode", "fill_value"),
    "integer_pow": ("y",),
    "iota": ("dtype", "shape", "dimension"),
    "pad": ("padding_config",),
    "reduce_and": ("axes",),
    "reduce_max": ("axes",),
    "reduce_min": ("axes",),
    "reduce_or": ("axes",),
    "reduce_prod": ("axes",),
    "reduce_sum": ("axes",),
    "reshape": ("new_sizes", "dimensions"),
    "rev": ("dimensions",),
    "round": ("rounding_method",),
    "slice": ("start_indices", "limit_indices", "strides"),
    "sort": ("dimension", "is_stable", "num_keys"),
    "squeeze": ("dimensions",),
    "stack": ("axis",),
    "transpose": ("permutation",),
    "unstack": ("axis",),
}  # fmt: skip
# The remaining parameters; none changes what is computed.
_FIXED: dict[str, dict[str, Any]] = {
    **{
        name: {"accuracy": None}
        for name in "cbrt cos exp exp2 expm1 log log1p logistic rsqrt sin sqrt tan tanh".split()
    },
    "broadcast_in_dim": {"sharding": None},
    "convert_element_type": {"sharding": None},
    "dot_general": {"precision": None, "out_sharding": None},
    "gather": {"indices_are_sorted": False, "unique_indices": False},
    "iota": {"sharding": None},
    "reduce_sum": {"out_sharding": None},
    "reshape": {"sharding": None},
}
# These two are not among JAX's public primitives, so they are spelt as functions.
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "stack": lambda *arrays, axis: jnp.stack(arrays, axis),
    "unstack": lambda array, axis: jnp.unstack(array, axis=axis),
}
_BIND = {
    name: _FUNCTIONS.get(name) or getattr(primitives, f"{name}_p").bind for name in _OPERATIONS
}
# Calls, which are replaced by what is called; and where their parameters hold it.
_INLINED = ("jit", "pjit", "closed_call", "custom_jvp_call", "custom_vjp_call", "remat")
_INNER = ("jaxpr", "call_jaxpr", "fun_jaxpr")
_GATHER_FIELDS = (
    "offset_dims",
    "collapsed_slice_dims",
    "start_index_map",
    "operand_batching_dims",
    "start_indices_batching_dims",
)


class ArrayProgramError(ValueError):
    """Something that is not, or cannot be written as, an array program; the message says why."""


def encode(function: Callable[..., Sequence[jax.Array]], *arguments: jax.ShapeDtypeStruct) -> bytes:
    """Trace a function and write down what it does.

    Args:
      function: from arrays to a flat sequence of arrays.
      arguments: their shapes and types.

    Raises:
      ArrayProgramError: it uses an operation that is not in the table.
    """
    traced = jax.make_jaxpr(function)(*arguments)
    writer = _Writer([_described(v.aval) for v in traced.jaxpr.invars])
    inputs: list[Operand] = list(range(len(traced.jaxpr.invars)))
    outputs = writer.write(traced.jaxpr, traced.consts, inputs)
    return json.dumps(
        {
            "constants": writer.constants,
            "inputs": writer.inputs,
            "operations": writer.operations,
            "outputs": outputs,
        }
    ).encode()


def decode(
    data: bytes, inputs: Sequence[tuple[int, ...]], outputs: Sequence[tuple[int, ...]]
) -> Callable[..., list[jax.Array]]:
    """Return the function that an array program stands for.

    Args:
      data: from ``encode``, or from an enemy.
      inputs: the shapes that its float32 arguments must have.
      outputs: the shapes that its float32 results must have.

    Returns:
      A function of JAX arrays, for ``jax.jit`` and ``jax.vmap``.

    Raises:
      ArrayProgramError: it is not a program of known operations on arrays of
        bounded size, or of another signature.
    """
    program = read(data)
    expected = [["float32", list(shape)] for shape in inputs]
    if program.inputs != expected:
        raise ArrayProgramError("its arguments have other shapes or types than a reward's")
    total = sum(math.prod(shape) for o in program.operations for _, shape in o.results)
    if total > 20 * MOST_NUMBERS:
        raise ArrayProgramError(f"its arrays have {total:,} numbers together")

    def run(*arguments: jax.Array) -> list[jax.Array]:
        values: list[jax.Array] = list(arguments)
        for operation in program.operations:
            values += operation.apply([program.operand(o, values) for o in operation.operands])
        return [jnp.asarray(program.operand(o, values)) for o in program.outputs]

    # Runs every check of shapes and types, without computing anything.
    shapes = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in inputs]
    try:
        results = jax.eval_shape(run, *shapes)
    except ArrayProgramError:
        raise
    except Exception as error:
        raise ArrayProgramError(f"its operations do not fit together ({error})") from error
    if [(r.shape, r.dtype) for r in results] != [(s, jnp.float32) for s in outputs]:
        raise ArrayProgramError("its results have other shapes or types than a reward's")
    return run


Operand = int | dict[str, int] | list[Any]
Described = list[Any]  # [dtype, [sizes]]
V = TypeVar("V")


class _Writer:
    """Numbers the values of a jaxpr and writes its operations, calls inlined."""

    def __init__(self, inputs: list[Described]) -> None:
        self.inputs = inputs
        self.constants: list[list[Any]] = []
        self.operations: list[list[Any]] = []
        self._values = len(inputs)

    def write(
        self, jaxpr: core.Jaxpr, constants: Sequence[Any], arguments: Sequence[Operand]
    ) -> list[Operand]:
        """Write a jaxpr's operations; returns the operands that are its results."""
        known: dict[core.Var, Operand] = dict(zip(jaxpr.invars, arguments, strict=True))
        for variable, constant in zip(jaxpr.constvars, constants, strict=True):
            known[variable] = self._constant(np.asarray(constant))

        def operand(atom: core.Var | core.Literal) -> Operand:
            if not isinstance(atom, core.Literal):
                return known[atom]
            value = np.asarray(atom.val, _described(atom.aval)[0])
            return [value.dtype.name, value.item()] if value.ndim == 0 else self._constant(value)

        for equation in jaxpr.eqns:
            operands = [operand(atom) for atom in equation.invars]
            results = self._equation(equation, operands)
            known.update(zip(equation.outvars, results, strict=True))
        return [operand(atom) for atom in jaxpr.outvars]

    def _equation(self, equation: core.JaxprEqn, operands: list[Operand]) -> list[Operand]:
        name = equation.primitive.name
        if name in _INLINED:
            inner = next(equation.params[key] for key in _INNER if key in equation.params)
            return self.write(inner.jaxpr, inner.consts, operands)
        if name not in _OPERATIONS:
            raise ArrayProgramError(
                f"the operation {name!r} cannot be used in a reward: keep to arithmetic on arrays, "
                "without loops or branches that depend on values."
            )
        parameters = {key: _plain(equation.params[key]) for key in _OPERATIONS[name]}
        described = [_described(v.aval) for v in equation.outvars]
        self.operations.append([name, operands, parameters, described])
        self._values += len(described)
        return list(range(self._values - len(described), self._values))

    def _constant(self, value: np.ndarray) -> Operand:
        self.constants.append([*_described(value), value.ravel().tolist()])
        return {"constant": len(self.constants) - 1}


@dataclass(frozen=True, slots=True)
class Program:
    """An array program, read; each operation is checked by itself, not yet against the others.

    Attributes:
      inputs: what the arguments must be.
      constants: the arrays that operands refer to.
      operations: in the order in which they are applied.
      outputs: the operands that are the results.
    """

    inputs: list[Described]
    constants: list[np.ndarray]
    operations: list[Operation]
    outputs: list[Any]

    def operand(self, operand: object, values: Sequence[V]) -> V | np.ndarray:
        """Return what an operand stands for: one of the values so far, or a constant."""
        try:
            if isinstance(operand, dict):
                return self.constants[_index(operand["constant"])]
            if isinstance(operand, list):
                dtype, number = operand
                return np.asarray(number, _DTYPES[dtype]).reshape(())
            return values[_index(operand)]
        except (TypeError, ValueError, KeyError, IndexError, OverflowError) as error:
            raise ArrayProgramError("an operand refers to nothing") from error


class Operation:
    """One checked operation, ready to be applied.

    Attributes:
      name: among JAX's primitives.
      operands, results: as in the program.
      parameters: as JAX wants them.
    """

    def __init__(self, name: str, operands: list[Operand], results: list[Described]) -> None:
        self.name = name
        self.operands = operands
        self.results = results
        self.parameters: dict[str, Any] = {}

    def apply(self, operands: list[Any]) -> list[jax.Array]:
        """Apply to arrays or tracers, and hold the results against what was declared."""
        found = _BIND[self.name](*operands, **self.parameters)
        results = list(found) if isinstance(found, list | tuple) else [found]
        if [_described(r) for r in results] != self.results:
            raise ArrayProgramError(f"{self.name} gives other shapes or types than it declares")
        return results


def read(data: bytes) -> Program:
    """Parse the JSON; check its outline, its size and each operation by itself.

    Raises:
      ArrayProgramError: a part is not what it should be.
    """
    if len(data) > MOST_BYTES:
        raise ArrayProgramError(f"it takes {len(data):,} bytes, more than {MOST_BYTES:,}")
    try:
        program = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ArrayProgramError("it is not JSON") from error
    parts = ("constants", "inputs", "operations", "outputs")
    if not isinstance(program, dict) or sorted(program) != sorted(parts):
        raise ArrayProgramError("it is not an array program")
    if not all(isinstance(program[part], list) for part in parts):
        raise ArrayProgramError("its parts are not lists")
    if len(program["operations"]) > MOST_OPERATIONS:
        raise ArrayProgramError(f"it has more than {MOST_OPERATIONS:,} operations")
    return Program(
        inputs=program["inputs"],
        constants=[_array(constant) for constant in program["constants"]],
        operations=[_operation(entry) for entry in program["operations"]],
        outputs=program["outputs"],
    )


def _array(constant: object) -> np.ndarray:
    try:
        dtype, shape, numbers = constant  # pyright: ignore[reportGeneralTypeIssues]
        return np.array(numbers, _DTYPES[dtype]).reshape(shape)
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        raise ArrayProgramError("a constant cannot be read") from error


def _operation(entry: object) -> Operation:
    try:
        name, operands, parameters, results = entry  # pyright: ignore[reportGeneralTypeIssues]
        wanted = _OPERATIONS[name]
        if sorted(parameters) != sorted(wanted) or not isinstance(operands, list):
            raise ValueError(name)
        sizes = [math.prod(map(_index, shape)) for dtype, shape in results if _DTYPES[dtype]]
        operation = Operation(name, operands, results)
        operation.parameters = {key: _rich(key, parameters[key]) for key in wanted}
        operation.parameters |= _FIXED.get(name, {})
    except (TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
        shown = entry[0] if isinstance(entry, list) and entry else entry
        raise ArrayProgramError(
            f"the operation {str(shown)[:40]!r} is unknown or malformed"
        ) from error
    power = operation.parameters.get("y", 0)  # of integer_pow
    if type(power) is not int or abs(power) > _LARGEST_POWER:
        raise ArrayProgramError(f"{name} has an exponent beyond {_LARGEST_POWER}")
    if max(sizes, default=0) > MOST_NUMBERS:
        raise ArrayProgramError(f"{name} gives an array of {max(sizes):,} numbers")
    return operation


def _index(number: object) -> int:
    if type(number) is not int or number < 0:
        raise IndexError(number)
    return number


def _described(array: Any) -> Described:  # noqa: ANN401 (an array, a tracer or an abstract value)
    return [np.dtype(array.dtype).name, list(array.shape)]


def _plain(value: Any) -> Any:  # noqa: ANN401
    """Return a parameter as JSON has it."""
    if isinstance(value, jax.lax.GatherDimensionNumbers):
        return {name: list(getattr(value, name)) for name in _GATHER_FIELDS}
    if isinstance(value, jax.lax.GatherScatterMode | jax.lax.RoundingMethod):
        return value.name
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, np.dtype | type):
        return np.dtype(value).name
    return value.item() if isinstance(value, np.generic) else value


def _rich(name: str, value: Any) -> Any:  # noqa: ANN401
    """Return a parameter as JAX wants it."""
    if name in ("dtype", "new_dtype", "index_dtype", "preferred_element_type"):
        return None if value is None else _DTYPES[value]
    if name == "mode":
        return jax.lax.GatherScatterMode[value]
    if name == "rounding_method":
        return jax.lax.RoundingMethod[value]
    if name == "dimension_numbers" and isinstance(value, dict):
        if sorted(value) != sorted(_GATHER_FIELDS):
            raise ValueError(name)
        return jax.lax.GatherDimensionNumbers(**{key: _rich(key, v) for key, v in value.items()})
    if isinstance(value, list):
        return tuple(_rich("", item) for item in value)
    if value is not None and type(value) not in (bool, int, float):
        raise ValueError(name)
    return value
