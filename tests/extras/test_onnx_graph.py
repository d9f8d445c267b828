"""Every operation that a task may use, in ONNX as in JAX, at the edges too."""

from __future__ import annotations

import jax
import numpy as np
import onnxruntime
import pytest

from reward_synth.deploy.graph import Graph
from reward_synth.deploy.lower import nodes_of
from reward_synth.deploy.onnx_graph import OPSET, onnx_model
from reward_synth.errors import ExportError
from reward_synth.reward.array_program import read
from reward_synth.reward.facade import FACADE_NAMES
from reward_synth.reward.verify import load
from tests.extras.expressions import (
    BATCHES,
    BEYOND,
    SYNTAX,
    TOGETHER,
    TOP,
    VARIANTS,
    WEIGHTS,
    case,
    traced_function,
)
from tests.reward.test_facade import USES

# What ONNX has not, or would end the process for: each is refused with a word of what it is.
REFUSED = {
    **dict.fromkeys(
        """7 // (k + 5); jnp.mod(7, k); i % k; i // -1; k // i; lax.rem(k, i); lax.div(k, i)
        """.strip().split("; "),
        "divides whole numbers",
    ),
    **dict.fromkeys("k & 3; ~k; k | 4; k ^ 5".split("; "), "of bits"),
    "lax.sort((x, y))[1]": "order",
    "lax.sort((jnp.round(x), jnp.round(y), x), num_keys=2)[2]": "order",
    "lax.sort((b, x), num_keys=1)[1]": "order",
    "lax.sort((m, 2 * m), dimension=0)[1]": "order",
    "np.argsort(x)": "order",
    "lax.erf_inv(0.9 * jnp.sin(x))": "erf_inv",
    "lax.lgamma(jnp.abs(x) + 0.1)": "lgamma",
    "lax.nextafter(x, y)": "nextafter",
}
# Whole numbers beyond 32 bits, which onnxruntime sums up otherwise, and powers of such numbers.
OVERFLOWING = (
    *("jnp.prod(k)", "jnp.sum(k)", "jnp.sum(2147483647 + k)"),
    *("jnp.power(x, k)", "lax.pow(x, i)"),
)
WEIGHT_VALUES = np.array([value for _, value in WEIGHTS], np.float32)


def model_of(traced):
    graph = Graph()
    sizes = {"state": TOP.state_size, "action": TOP.action_size, "next_state": TOP.state_size}
    leaves = [graph.leaf("input", (name,), (size,)) for name, size in sizes.items()]
    weights = graph.constant(WEIGHT_VALUES)
    _, terms = nodes_of(graph, read(traced.arrays), [*leaves, weights])
    return onnx_model({"terms": terms}, leaves, "test")


def assert_same(expressions, batch=TOGETHER):
    traced = traced_function(*map(case, expressions))
    model = model_of(traced)
    assert [entry.version for entry in model.opset_import] == [OPSET]
    session = onnxruntime.InferenceSession(model.SerializeToString())
    state, action, after = batch
    _, expected = map(np.asarray, jax.jit(load(traced, TOP))(state, action, after, WEIGHT_VALUES))
    found = np.stack(
        [
            session.run(None, {"state": s, "action": a, "next_state": n})[0]
            for s, a, n in zip(state, action, after, strict=True)
        ]
    )
    close = np.isclose(found, expected, rtol=1e-5, atol=1e-5, equal_nan=True)
    wrong = {
        traced.terms[i]: (found[~close[:, i], i][:3], expected[~close[:, i], i][:3])
        for i in np.flatnonzero(~close.all(0))
    }
    assert not wrong, wrong


def in_turn(expressions):
    assert_same([e for e in expressions if e not in REFUSED and e not in OVERFLOWING])


@pytest.mark.parametrize("name", FACADE_NAMES)
def test_a_name(name):
    in_turn([USES[name], *VARIANTS[name]])


@pytest.mark.parametrize("start", range(0, len(SYNTAX), 20))
def test_syntax(start):
    in_turn(SYNTAX[start : start + 20])


@pytest.mark.parametrize("start", range(0, len(BEYOND), 20))
def test_what_no_name_leads_to(start):
    in_turn(BEYOND[start : start + 20])


def test_whole_numbers_that_fit():
    assert_same([e for e in OVERFLOWING if "2147483647" not in e], BATCHES[0])


@pytest.mark.parametrize("expression", REFUSED)
def test_what_onnx_has_not_is_refused(expression):
    with pytest.raises(ExportError, match=REFUSED[expression]):
        model_of(traced_function(case(expression)))
