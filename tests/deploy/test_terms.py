"""The terms of observations, read off what the task computes."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reward_synth.deploy.graph import Graph
from reward_synth.deploy.lower import nodes_of
from reward_synth.deploy.terms import COMPUTED, observation_terms
from reward_synth.records import Field
from reward_synth.reward.array_program import encode, read
from reward_synth.state import State
from reward_synth.task import bundled_tasks, load_task

FIELDS = (
    Field("p", (3,), "m", "world", "x, y and z", (0.0,) * 3),
    Field("angle", (), "rad", "joint", "of it", (0.0,)),
    Field("v", (2,), "m/s", "base", "x and y", (0.0,) * 2),
)
INF = float("inf")


def terms_of(observe, fields=FIELDS):
    graph, size = Graph(), sum(field.size for field in fields)
    state = graph.leaf("input", ("state",), (size,))
    program = encode(
        lambda s: (observe(State(fields, s)),), jax.ShapeDtypeStruct((size,), "float32")
    )
    (observation,) = nodes_of(graph, read(program), [state])
    return observation_terms(observation, fields)


def shown(terms):
    return [(t.name, t.components, t.function, round(t.scale, 6), t.clip) for t in terms]


@pytest.mark.parametrize(
    ("observe", "expected"),
    [
        (
            lambda s: jnp.concatenate([s.p[1:], s.angle[None], s.v]),
            [
                ("p", (1, 2), "identity", 1.0, (-INF, INF)),
                ("angle", (0,), "identity", 1.0, (-INF, INF)),
                ("v", (0, 1), "identity", 1.0, (-INF, INF)),
            ],
        ),
        (
            lambda s: jnp.clip(0.25 * jnp.concatenate([s.v, s.p[:1]]), -3.0, 2.0),
            [
                ("v", (0, 1), "identity", 0.25, (-3.0, 2.0)),
                ("p", (0,), "identity", 0.25, (-3.0, 2.0)),
            ],
        ),
        (
            lambda s: jnp.stack([jnp.cos(s.angle), -jnp.sin(s.angle), s.p[2] / 4.0]),
            [
                ("cos(angle)", (0,), "cos", 1.0, (-INF, INF)),
                ("sin(angle)", (0,), "sin", -1.0, (-INF, INF)),
                ("p", (2,), "identity", 0.25, (-INF, INF)),
            ],
        ),
    ],
)
def test_terms_have_fields_functions_scales_and_clips(observe, expected):
    assert shown(terms_of(observe)) == expected


@pytest.mark.parametrize(
    "observe",
    [
        lambda s: s.p[:2] - s.v,
        lambda s: jnp.cos(2.0 * s.p[:2]) + 0.0 * s.v,  # a scale inside of the function
        lambda s: s.p[:2] * s.v,
        lambda s: 2.0 / jnp.concatenate([s.p[:1], s.v[:1]]),
        lambda s: 2.0 * jnp.clip(jnp.concatenate([s.p[:1], s.v[:1]]), -1.0, 1.0),
    ],
)
def test_what_is_of_another_form_is_computed(observe):
    terms = terms_of(observe)
    assert [(t.function, t.size) for t in terms] == [(COMPUTED, 2)]
    assert {field.name for field in terms[0].fields} == {"p", "v"}
    assert terms[0].unit == "see observe.onnx"


@pytest.mark.parametrize("name", bundled_tasks())
def test_the_bundled_tasks_have_terms(name):
    task = load_task(name)
    terms = terms_of(task.observe, task.description.fields)
    assert [t.name for t in terms if t.function == COMPUTED] == (
        ["computed(fingertip_position/target_position)"] if name == "reacher" else []
    )
    # What the terms say is what the task computes.
    rng = np.random.default_rng(0)
    vector = rng.normal(scale=9.0, size=task.description.state_size).astype(np.float32)
    expected, state = np.asarray(task.observe(task.view(vector))), task.view(vector)
    at = 0
    for term in terms:
        part = expected[at : at + term.size]
        at += term.size
        if term.function == COMPUTED:
            continue
        values = np.ravel(getattr(state, term.fields[0].name))[list(term.components)]
        if term.function != "identity":
            values = getattr(np, term.function)(values)
        assert np.clip(term.scale * values, *term.clip) == pytest.approx(part, rel=1e-5)
    assert at == len(expected)
