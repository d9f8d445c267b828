"""What the trainer demands of an exported reward before it loads it.

The sandboxed child is not trusted: a program that took it over could answer with
any bytes. So the bytes are read as data, and only a module made of known
arithmetic on arrays of bounded size, with the one signature that a reward has,
is compiled. What this does not protect from: a fault in MLIR's own reader of
serialised modules, or in XLA's compiler, which both see untrusted input; and a
module that takes much time or memory through sizes computed as it runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import export
from jax.interpreters import mlir
from jaxlib.mlir import ir

from reward_synth.records import Rejection, Stage, TaskDescription, TracedReward

_MOST_BYTES = 1_000_000
_MOST_OPERATIONS = 20_000
_MOST_ELEMENTS = 1_000_000


def _dialect(prefix: str, names: str) -> list[str]:
    return [f"{prefix}.{name}" for name in names.split()]


# Arithmetic and data movement: no custom calls, no loops of unknown length (while), no
# randomness, no input or output.
_OPERATIONS = frozenset(
    [
        *("builtin.module", "func.func", "func.call", "func.return"),
        *_dialect(
            "stablehlo",
            """
            abs add and atan2 bitcast_convert broadcast_in_dim case cbrt ceil clamp compare
            concatenate constant convert cosine count_leading_zeros divide dot_general
            dynamic_broadcast_in_dim dynamic_gather dynamic_iota dynamic_pad dynamic_reshape
            dynamic_slice dynamic_update_slice exponential exponential_minus_one floor gather
            get_dimension_size iota is_finite log log_plus_one logistic maximum minimum multiply
            negate not or pad popcnt power real_dynamic_slice reduce reduce_precision reduce_window
            remainder reshape return reverse round_nearest_afz round_nearest_even rsqrt scatter
            select shift_left shift_right_arithmetic shift_right_logical sign sine slice sort sqrt
            subtract tan tanh transpose xor
            """,
        ),
        *_dialect(
            "chlo",
            """
            acos acosh asin asinh atan atanh broadcast_add broadcast_and broadcast_compare
            broadcast_divide broadcast_maximum broadcast_minimum broadcast_multiply broadcast_power
            broadcast_select broadcast_subtract constant cosh erf erf_inv erfc is_inf is_neg_inf
            is_pos_inf lgamma digamma next_after polygamma sinh square tan top_k
            """,
        ),
    ]
)
# The one custom call that jax.export itself writes: it compares the batch sizes of the inputs
# and is resolved before compilation.
_SHAPE_ASSERTION = "shape_assertion"


def verify(
    exported: bytes, description: TaskDescription, weights: int, terms: int
) -> Rejection | None:
    """Return why the bytes are not a reward, or None if they are one.

    Args:
      exported: from the sandbox.
      description: the task.
      weights: W, the number of weights.
      terms: T, the number of terms.
    """
    found = _deserialize(exported, description, weights, terms)
    return found if isinstance(found, Rejection) else None


def load(
    traced: TracedReward, description: TaskDescription
) -> Callable[[Any, Any, Any, Any], tuple[jax.Array, jax.Array]]:
    """Return the reward as a function of batched float32 arrays; see ``TracedReward``.

    Raises:
      ValueError: the bytes fail ``verify``.
    """
    found = _deserialize(
        traced.exported, description, len(traced.program.weights), len(traced.terms)
    )
    if isinstance(found, Rejection):
        raise ValueError(found.reason)
    return found.call


def _deserialize(
    exported: bytes, description: TaskDescription, weights: int, terms: int
) -> export.Exported | Rejection:
    def rejected(reason: str) -> Rejection:
        return Rejection(Stage.VERIFY, f"the traced program is not a pure reward: {reason}.")

    if len(exported) > _MOST_BYTES:
        return rejected(f"it takes {len(exported):,} bytes, more than {_MOST_BYTES:,}")
    try:
        program = export.deserialize(bytearray(exported))
        problem = _signature_problem(program, description, weights, terms)
        if problem is None:
            problem = _module_problem(program.mlir_module())
    except Exception as error:  # noqa: BLE001 (bytes from an untrusted process can break anything)
        return rejected(f"it cannot be read ({type(error).__name__})")
    return program if problem is None else rejected(problem)


def _signature_problem(
    program: export.Exported, description: TaskDescription, weights: int, terms: int
) -> str | None:
    state, action = description.state_size, description.action_size
    if program.ordered_effects or program.unordered_effects:
        return "it has side effects"
    if program.nr_devices != 1 or "cpu" not in program.platforms:
        return "it is not for one CPU"
    inputs = program.in_avals
    if len(inputs) != 4 or len(program.out_avals) != 2:
        return "it does not map four arrays to two"
    batch = inputs[0].shape[0] if inputs[0].shape else None
    expected = [
        (batch, state),
        (batch, action),
        (batch, state),
        (weights,),
        (batch,),
        (batch, terms),
    ]
    arrays = [*inputs, *program.out_avals]
    if [a.shape for a in arrays] != expected or any(a.dtype != jnp.float32 for a in arrays):
        return "its arrays have other shapes or types than a reward's"
    if program.in_tree.num_leaves != 4 or program.out_tree.num_leaves != 2:
        return "its arguments are nested"
    return None


def _module_problem(text: str) -> str | None:
    operations = 0
    problem: str | None = None

    def visit(operation: ir.Operation) -> ir.WalkResult:
        nonlocal operations, problem
        operations += 1
        problem = _operation_problem(operation)
        if operations > _MOST_OPERATIONS:
            problem = f"it has more than {_MOST_OPERATIONS:,} operations"
        return ir.WalkResult.INTERRUPT if problem else ir.WalkResult.ADVANCE

    with mlir.make_ir_context(), ir.Location.unknown():
        ir.Module.parse(text).operation.walk(visit)
    return problem


def _operation_problem(operation: ir.Operation) -> str | None:
    name = operation.name
    if name == "stablehlo.custom_call":
        target = ir.StringAttr(operation.attributes["call_target_name"]).value
        if target != _SHAPE_ASSERTION:
            return f"it calls {target!r}"
    elif name not in _OPERATIONS:
        return f"it uses the operation {name}"
    for result in operation.results:
        if not isinstance(result.type, ir.RankedTensorType):
            return f"{name} gives something that is not an array"
        kind = ir.RankedTensorType(result.type)
        size = 1
        for axis in range(kind.rank):
            if not kind.is_dynamic_dim(axis):
                size *= kind.get_dim_size(axis)
        if size > _MOST_ELEMENTS:
            return f"{name} gives an array of {size:,} numbers"
    return None
