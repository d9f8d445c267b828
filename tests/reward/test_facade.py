import operator
import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reward_synth.records import Field, Rejection, RewardProgram, TaskDescription, TracedReward
from reward_synth.reward.array_program import ArrayProgramError, decode, encode
from reward_synth.reward.facade import FACADE_NAMES, build_facade, unknown_name
from reward_synth.reward.lint import lint
from reward_synth.reward.parse import parse_source
from reward_synth.reward.trace import trace
from reward_synth.reward.verify import load

# One use of each name, on x of shape (3,) with values in (-1, 1), as reward programs have them.
USES = {
    "abs": "jnp.abs(x)",
    "all": "jnp.all(x > 0)",
    "any": "jnp.any(x > 0)",
    "arange": "x * jnp.arange(3)",
    "arccos": "jnp.arccos(x)",
    "arcsin": "jnp.arcsin(x)",
    "arctan": "jnp.arctan(x)",
    "arctan2": "jnp.arctan2(x[0], x[1])",
    "argmax": "jnp.argmax(x)",
    "argmin": "jnp.argmin(x)",
    "array": "jnp.array([x[0], 1.0, x[2]])",
    "asarray": "jnp.asarray([x[0], 1.0])",
    "ceil": "jnp.ceil(x)",
    "clip": "jnp.clip(x, -0.5, 0.5)",
    "concatenate": "jnp.concatenate([x, x[:2]])",
    "cos": "jnp.cos(x)",
    "cosh": "jnp.cosh(x)",
    "cross": "jnp.cross(x, jnp.array([0.0, 0.0, 1.0]))",
    "cumsum": "jnp.cumsum(x)",
    "deg2rad": "jnp.deg2rad(x)",
    "diff": "jnp.diff(x)",
    "dot": "jnp.dot(x, x)",
    "e": "jnp.e * x",
    "exp": "jnp.exp(x)",
    "expm1": "jnp.expm1(x)",
    "float32": "jnp.float32(x[0] > 0)",
    "floor": "jnp.floor(x)",
    "full": "jnp.full((2,), x[0])",
    "hypot": "jnp.hypot(x[0], x[1])",
    "inf": "jnp.where(x < jnp.inf, x, 0.0)",
    "int32": "(x > 0).astype(jnp.int32)",
    "isfinite": "jnp.isfinite(x)",
    "linalg.norm": "jnp.linalg.norm(x)",
    "linspace": "x * jnp.linspace(0.0, 1.0, 3)",
    "log": "jnp.log(x + 2.0)",
    "log1p": "jnp.log1p(x)",
    "logaddexp": "jnp.logaddexp(x, 0.0)",
    "logical_and": "jnp.logical_and(x > 0, x < 0.5)",
    "logical_not": "jnp.logical_not(x > 0)",
    "logical_or": "jnp.logical_or(x > 0, x < -0.5)",
    "matmul": "jnp.matmul(jnp.outer(x, x), x)",
    "max": "jnp.max(x)",
    "maximum": "jnp.maximum(x, 0.0)",
    "mean": "jnp.mean(x)",
    "min": "jnp.min(x)",
    "minimum": "jnp.minimum(x, 0.0)",
    "mod": "jnp.mod(x + jnp.pi, 2 * jnp.pi) - jnp.pi",
    "nan_to_num": "jnp.nan_to_num(x)",
    "ones": "x + jnp.ones(3)",
    "ones_like": "x + jnp.ones_like(x)",
    "outer": "jnp.outer(x, x)",
    "pi": "jnp.pi * x",
    "power": "jnp.power(x + 2.0, 1.5)",
    "prod": "jnp.prod(x)",
    "rad2deg": "jnp.rad2deg(x)",
    "reshape": "jnp.reshape(x, (3, 1))",
    "roll": "jnp.roll(x, 1)",
    "round": "jnp.round(x)",
    "sign": "jnp.sign(x)",
    "sin": "jnp.sin(x)",
    "sinh": "jnp.sinh(x)",
    "sort": "jnp.sort(x)",
    "sqrt": "jnp.sqrt(x + 1.0)",
    "square": "jnp.square(x)",
    "stack": "jnp.stack([x[0], x[2]])",
    "std": "jnp.std(x)",
    "sum": "jnp.sum(x**2)",
    "tan": "jnp.tan(x)",
    "tanh": "jnp.tanh(x)",
    "transpose": "jnp.transpose(jnp.outer(x, x))",
    "var": "jnp.var(x)",
    "where": "jnp.where(x > 0, x, 0.0)",
    "zeros": "x + jnp.zeros(3)",
    "zeros_like": "x + jnp.zeros_like(x)",
}
FORBIDDEN = {
    "interp": "jnp.interp(x, jnp.array([0.0, 1.0]), jnp.array([0.0, 2.0]))",
    "linalg.inv": "jnp.linalg.inv(jnp.outer(x, x))",
}
PROGRAM = """WEIGHTS = {{"one": 1.0}}


def reward(state, action, next_state, w):
    x = jnp.tanh(next_state.spin)
    terms = {{
{}
    }}
    return sum(terms.values()), terms
"""
FACADE = build_facade()
SPIN = jax.ShapeDtypeStruct((3,), jnp.float32)
TASK = TaskDescription(
    name="top",
    sentence="Spin.",
    notes="",
    fields=(Field("spin", (3,), "rad/s", "world", "x, y and z", (0.1, -0.2, 0.3)),),
    actions=("motor",),
    timestep=0.02,
    episode_steps=100,
    terminates=False,
)


def test_every_name_has_an_example_here():
    assert sorted(USES) == list(FACADE_NAMES)


@pytest.mark.parametrize("name", FACADE_NAMES)
def test_a_name_survives_as_an_array_program(name):
    """What is decoded computes what jax.numpy does, for one state and for a batch."""
    function = using(USES[name], FACADE)
    data = encode(lambda x: [jnp.asarray(function(x), jnp.float32)], SPIN)
    shape = jax.eval_shape(function, SPIN).shape
    decoded = decode(data, [(3,)], [shape])
    examples = np.random.default_rng(0).uniform(-1, 1, (16, 3)).astype(np.float32)
    found = jax.jit(jax.vmap(decoded))(examples)[0]
    expected = jax.vmap(using(USES[name], jnp))(examples)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", FORBIDDEN)
def test_what_is_left_out_could_not_be_encoded(name):
    with pytest.raises(ArrayProgramError, match="cannot be used in a reward"):
        encode(lambda x: [using(FORBIDDEN[name], jnp)(x)], SPIN)


def using(expression, space):
    code = compile(expression, expression, "eval")
    return lambda x: eval(code, {"jnp": space, "x": x})


def test_values_are_those_of_jax_numpy():
    for name in FACADE_NAMES:
        get = operator.attrgetter(name)
        assert get(FACADE) is get(jnp)


def test_a_program_of_all_names_passes_every_check():
    entries = [f'        "{name}": w["one"] * jnp.sum({use}),' for name, use in USES.items()]
    for some in (entries[i : i + 25] for i in range(0, len(entries), 25)):
        program = parse_source(PROGRAM.format("\n".join(some)))
        assert isinstance(program, RewardProgram), program
        assert lint(program, TASK) is None
        traced = trace(program, TASK)
        assert isinstance(traced, TracedReward), traced
        assert not isinstance(load(traced, TASK), Rejection)


@pytest.mark.parametrize("space", [FACADE, FACADE.linalg], ids=["jnp", "jnp.linalg"])
def test_the_namespace_cannot_be_changed(space):
    for change in (lambda: setattr(space, "exp", abs), lambda: delattr(space, "norm")):
        with pytest.raises(AttributeError, match="cannot be changed"):
            change()
    assert not hasattr(space, "__dict__")


def test_the_namespace_has_the_names_and_no_others():
    flat = {f"linalg.{name}" for name in dir(FACADE.linalg)} | set(dir(FACADE)) - {"linalg"}
    assert flat == set(FACADE_NAMES)
    for name in ("random", "load", "save", "vectorize", "fromfile", "numpy", "__name__", "_np"):
        with pytest.raises(AttributeError, match="not available"):
            getattr(FACADE, name)
    with pytest.raises(AttributeError, match=re.escape("jnp.linalg.inv is not available")):
        _ = FACADE.linalg.inv


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("clamp", "Write jnp.clip instead."),
        ("maximums", "Did you mean 'maximum'?"),
        ("norm", "Did you mean 'linalg.norm'?"),
        ("acos", "Write jnp.arccos instead."),
        ("nn.sigmoid", "Write 1.0 / (1.0 + jnp.exp(-x)) instead."),
    ],
)
def test_an_unknown_name_is_answered_with_a_known_one(name, hint):
    assert hint in unknown_name(name)


def test_importing_it_does_not_import_jax():
    code = (
        "import sys; from reward_synth.reward import facade, lint, parse; "
        "assert 'jax' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
