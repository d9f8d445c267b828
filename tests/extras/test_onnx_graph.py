"""Every operation that a task may use, in ONNX as in JAX, at the edges too."""

from __future__ import annotations

import jax
import numpy as np
import onnxruntime
import pytest

from reward_synth.deploy.graph import Graph
from reward_synth.deploy.onnx_graph import OPSET, nodes_of, onnx_model
from reward_synth.errors import ExportError
from reward_synth.reward.array_program import read
from reward_synth.reward.facade import FACADE_NAMES
from reward_synth.reward.verify import load
from tests.extras.expressions import (
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
    "lax.erf_inv(0.9 * jnp.sin(x))": "erf_inv",
}
WEIGHT_VALUES = np.array([value for _, value in WEIGHTS], np.float32)


def model_of(traced):
    graph = Graph()
    sizes = {"state": TOP.state_size, "action": TOP.action_size, "next_state": TOP.state_size}
    leaves = [graph.leaf("input", (name,), (size,)) for name, size in sizes.items()]
    weights = graph.constant(WEIGHT_VALUES)
    _, terms = nodes_of(graph, read(traced.arrays), [*leaves, weights])
    return onnx_model({"terms": terms}, leaves, "test")


def assert_same(expressions):
    traced = traced_function(*map(case, expressions))
    model = model_of(traced)
    assert [entry.version for entry in model.opset_import] == [OPSET]
    session = onnxruntime.InferenceSession(model.SerializeToString())
    state, action, after = TOGETHER
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


def chosen(expressions):
    return [expression for expression in expressions if expression not in REFUSED]


@pytest.mark.parametrize("name", FACADE_NAMES)
def test_a_name(name):
    assert_same(chosen([USES[name], *VARIANTS[name]]))


@pytest.mark.parametrize("start", range(0, len(SYNTAX), 20))
def test_syntax(start):
    assert_same(chosen(SYNTAX[start : start + 20]))


@pytest.mark.parametrize("start", range(0, len(BEYOND), 20))
def test_what_no_name_leads_to(start):
    assert_same(chosen(BEYOND[start : start + 20]))


@pytest.mark.parametrize("expression", REFUSED)
def test_what_onnx_has_not_is_refused(expression):
    with pytest.raises(ExportError, match=REFUSED[expression]):
        model_of(traced_function(case(expression)))
