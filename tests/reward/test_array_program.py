"""Array programs: what goes in comes out, and whatever bytes are offered, Python says no."""

from __future__ import annotations

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reward_synth.reward.array_program import ArrayProgramError, decode, encode

SHAPES = ((4,), (2,), (1,))
OUTPUTS = ((), (2,))


def shaped(*shapes, dtype=jnp.float32):
    return [jax.ShapeDtypeStruct(shape, dtype) for shape in shapes]


TABLE = np.array([3.0, 1.0, 2.0], np.float32)


def sample(state, action, w):
    first = jnp.where(state[0] > 0, jnp.exp(-state[1]), jnp.linalg.norm(action))
    second = w[0] * jnp.sum(jnp.asarray(TABLE)[jnp.argsort(state[:3])]) + jnp.max(action)
    return first + second, jnp.stack([first, second])


GOOD = encode(sample, *shaped(*SHAPES))


def test_decoded_computes_the_same_alone_and_in_batches():
    run = decode(GOOD, SHAPES, OUTPUTS)
    rng = np.random.default_rng(0)
    batch = [rng.normal(size=(32, *shape)).astype(np.float32) for shape in SHAPES]
    found = jax.jit(jax.vmap(run))(*batch)
    expected = jax.vmap(sample)(*batch)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    alone = run(*(x[0] for x in batch))
    np.testing.assert_allclose(alone[0], expected[0][0], rtol=1e-6)


def test_it_is_differentiable_and_readable():
    run = decode(GOOD, SHAPES, OUTPUTS)
    gradient = jax.grad(lambda s: run(s, jnp.ones(2), jnp.ones(1))[0])(jnp.ones(4))
    assert np.isfinite(gradient).all()
    names = {operation[0] for operation in json.loads(GOOD)["operations"]}
    assert {"exp", "reduce_sum", "select_n"} <= names


@pytest.mark.parametrize(
    ("function", "operation"),
    [
        (lambda x: [jax.lax.while_loop(lambda v: v[0] < 9, lambda v: v + 1, x)], "while"),
        (lambda x: [jax.lax.cond(x[0] > 0, lambda v: v, lambda v: -v, x)], "cond"),
        (lambda x: [jax.lax.scan(lambda c, v: (c + v, c), x[0], x)[1]], "scan"),
        (lambda x: [x + jax.random.normal(jax.random.key(0), x.shape)], "random"),
        (lambda x: [jax.pure_callback(lambda v: v, x, x)], "callback"),
        (lambda x: [jax.debug.callback(print, x) or x], "callback"),
        (lambda x: [jnp.linalg.inv(jnp.outer(x, x))[0]], "lu|solve"),
    ],
)
def test_loops_randomness_and_callbacks_cannot_be_written(function, operation):
    with pytest.raises(ArrayProgramError, match=operation):
        encode(function, *shaped((3,)))


def changed(**parts):
    return json.dumps(json.loads(GOOD) | parts).encode()


def operation(name, operands, parameters, *results):
    return [name, operands, parameters, [list(r) for r in results]]


F32_4, F32_HUGE = ("float32", [4]), ("float32", [100_000, 100_000])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not JSON"),
        (b"\xff\x00", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"{}", "not an array program"),
        (b"3", "not an array program"),
        (b" " * 2_000_000, "more than 1,000,000"),
        (changed(inputs=[["float32", [5]], ["float32", [2]], ["float32", [1]]]), "arguments"),
        (changed(outputs=[0, 1]), "results have other shapes"),
        (changed(outputs=[99999]), "refers to nothing"),
        (changed(outputs=[-1]), "refers to nothing"),
        (changed(outputs=["x"]), "refers to nothing"),
        (changed(outputs=[{"constant": 10**9}]), "refers to nothing"),
        (changed(outputs=None), "parts are not lists"),
        (changed(constants=[["object", [1], [1]]]), "constant cannot be read"),
        (changed(constants=[["float32", [10**12], [1]]]), "constant cannot be read"),
        (changed(operations=[operation("while", [0], {}, F32_4)]), "'while' is unknown"),
        (changed(operations=[operation("custom_call", [0], {}, F32_4)]), "unknown or malformed"),
        (changed(operations=[operation("pure_callback", [0], {}, F32_4)]), "unknown or malformed"),
        (changed(operations=[operation("__class__", [0], {}, F32_4)]), "unknown or malformed"),
        (changed(operations=[operation("exp", [0], {"accuracy": 1}, F32_4)]), "malformed"),
        (changed(operations=[operation("exp", 0, {}, F32_4)]), "malformed"),
        (changed(operations=[["exp"]]), "malformed"),
        (changed(operations=[7]), "malformed"),
        (
            changed(
                operations=[
                    operation(
                        "broadcast_in_dim",
                        [0],
                        {"shape": [100_000, 100_000], "broadcast_dimensions": [0]},
                        F32_HUGE,
                    )
                ]
            ),
            "array of 10,000,000,000",
        ),
        (
            changed(
                operations=[
                    operation(
                        "iota", [], {"dtype": "float32", "shape": [10**9], "dimension": 0}, F32_4
                    )
                ]
            ),
            "other shapes or types than it declares",
        ),
        (changed(operations=[operation("sin", [1], {}, F32_4)]), "than it declares"),
        (changed(operations=[operation("add", [0, 1], {}, F32_4)]), "do not fit together"),
        (changed(operations=[operation("add", [0], {}, F32_4)]), "do not fit together"),
        (changed(operations=[operation("sin", [0], {}, F32_4)] * 6000), "more than 5,000"),
        (changed(operations=[operation("integer_pow", [0], {"y": 10**9}, F32_4)]), "exponent"),
        (
            changed(
                operations=[
                    operation(
                        "broadcast_in_dim",
                        [0],
                        {"shape": [2500, 4], "broadcast_dimensions": [1]},
                        ("float32", [2500, 4]),
                    )
                ]
                * 30
            ),
            "300,000 numbers together",
        ),
    ],
)
def test_bad_programs_are_refused_in_words(data, words):
    with pytest.raises(ArrayProgramError, match=words):
        decode(data, SHAPES, OUTPUTS)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_program_with_any_part_replaced_is_refused_or_runs(draw):
    program = json.loads(GOOD)
    place, key = program, None
    for _ in range(draw.draw(st.integers(1, 5))):
        if not isinstance(place, dict | list) or not place:
            break
        keys = list(place) if isinstance(place, dict) else range(len(place))
        parent, key = place, draw.draw(st.sampled_from(keys))
        place = place[key]
    parent[key] = draw.draw(json_values)
    try:
        decode(json.dumps(program).encode(), SHAPES, OUTPUTS)
    except ArrayProgramError as error:
        assert str(error)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_damaged_bytes_never_do_harm(draw):
    data = bytearray(GOOD)
    for _ in range(draw.draw(st.integers(1, 4))):
        data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    try:
        decode(bytes(data), SHAPES, OUTPUTS)
    except ArrayProgramError as error:
        assert str(error)
