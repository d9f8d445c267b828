"""Programs that are the same but for how they are written, and those that are not."""

from __future__ import annotations

import ast
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reward_synth.propose.offline import OfflineProposer
from reward_synth.propose.operators import Operator
from reward_synth.propose.proposer import Brief, Context
from reward_synth.records import Field, RewardProgram, TaskDescription
from reward_synth.reward.normal_form import normal_form, structure
from reward_synth.reward.parse import parse, parse_source

CART = TaskDescription(
    name="cart",
    sentence="Drive forward as fast as you can.",
    notes="",
    fields=(
        Field("position", (2,), "m", "world", "x and y", (0.0, 0.0)),
        Field("velocity", (2,), "m/s", "world", "x and y", (0.0, 0.0)),
        Field("tilt", (), "rad", "world", "from upright", (0.0,)),
    ),
    actions=("left", "right"),
    timestep=0.02,
    episode_steps=100,
    terminates=False,
)
PLAIN = '''"""Fast and upright pays."""
WEIGHTS = {"forward": 1.0, "upright": 0.5, "effort": 0.01}


def reward(state, action, next_state, w):
    upright = jnp.exp(-4.0 * next_state.tilt**2)
    terms = {
        "forward": w["forward"] * upright * next_state.velocity[0],
        "upright": w["upright"] * upright,
        "effort": -w["effort"] * jnp.sum(action**2),
    }
    return sum(terms.values()), terms
'''
REWRITTEN = '''"""Other words."""
WEIGHTS = {"effort": 1e-2, "upright": +0.5, "forward": 1}
SHARPNESS = 4


def _straight(s, k=SHARPNESS):
    """Close to one where it stands."""
    angle: float = s.tilt
    return jnp.exp(-(angle * angle) * k)


def reward(state, action, next_state, w):
    unused = state.tilt + 3
    vx, _ = next_state.velocity[0], 0  # m/s
    cost = jnp.square(action).sum()
    a = _straight(next_state) * w["upright"]
    out = {}
    out["upright"] = a
    out["effort"] = -(cost * w["effort"])
    out["forward"] = w["forward"] * vx * _straight(next_state)
    total = out["effort"]
    total += out["forward"] + a
    return total, out
'''


def with_value(expression: str, weights: str = '{"a": 1.0, "b": 2.0}') -> str:
    """A program of one term that is this expression of x, y, a vector v and action."""
    return (
        f"WEIGHTS = {weights}\n\ndef reward(state, action, next_state, w):\n"
        "    x, y = next_state.position[0], state.tilt\n    v = next_state.velocity\n"
        f'    terms = {{"t": {expression}}}\n    return terms["t"], terms\n'
    )


def values(source: str, points: int = 20) -> np.ndarray:
    """What a program computes, with numpy for jnp, at random states. Only for programs of ours."""
    namespace = {"jnp": np}
    exec(source, namespace)
    rng = np.random.default_rng(0)
    found = []
    for _ in range(points):
        states = [_State(*(rng.normal(size=n) for n in (2, 2)), rng.normal()) for _ in range(2)]
        total, _ = namespace["reward"](
            states[0], rng.normal(size=2), states[1], namespace["WEIGHTS"]
        )
        found.append(float(total))
    return np.array(found)


class _State:
    def __init__(self, position, velocity, tilt):
        self.position, self.velocity, self.tilt = position, velocity, tilt


def test_a_program_written_anew():
    assert values(PLAIN) == pytest.approx(values(REWRITTEN))
    assert normal_form(PLAIN) == normal_form(REWRITTEN)
    assert structure(PLAIN) == structure(REWRITTEN)


def test_weights_are_in_the_form_and_not_in_the_structure():
    heavier = REWRITTEN.replace("0.5", "0.7")
    assert structure(PLAIN) == structure(heavier)
    assert normal_form(PLAIN) != normal_form(heavier)
    # A weight that nothing reads is no part of the reward.
    extra = PLAIN.replace('"effort": 0.01}', '"effort": 0.01, "spare": 9.0}')
    assert normal_form(PLAIN) == normal_form(extra)


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("-4.0", "-5.0"),
        ("-4.0", "4.0"),
        ('"upright": w', '"posture": w'),
        ("next_state.tilt", "state.tilt"),
        ("velocity[0]", "velocity[1]"),
        ("jnp.sum", "jnp.mean"),
        ("action**2", "action**3"),
        ('w["upright"] * upright', 'w["forward"] * upright'),
        ("sum(terms.values())", 'terms["forward"]'),
        ("upright * next_state", "next_state"),
    ],
)
def test_other_programs_have_other_structures(was, becomes):
    assert PLAIN.count(was)
    assert structure(PLAIN.replace(was, becomes, 1)) != structure(PLAIN)


@pytest.mark.parametrize(
    "same",
    [
        ("x - y", "-(y - x)", "-y + x", "+x - (y)", "x + -1 * y"),
        ("2 * (x + y)", "2.0 * x + y * 2", "x + y + y + x", "(x + y) / 0.5"),
        ("x * x * y", "y * x**2", "x**2.0 * y", "jnp.square(x) * y", "jnp.power(x, 2) * y"),
        ("x / y / 2", "0.5 * x / y", "x / (2 * y)"),
        ("jnp.abs(x - y)", "abs(y - x)", "jnp.abs(-x + y)"),
        ("(x - y)**2", "(y - x) * (y - x)", "jnp.square(x - y)"),
        ("jnp.maximum(x, 0)", "jnp.maximum(0.0, x)"),
        ("jnp.where(x > y, x, y)", "jnp.where(y < x, x, y)"),
        ("v.sum()", "jnp.sum(v)"),
        ("jnp.clip(x, -1, 1)", "x.clip(-1.0, 1.0)"),
        ("jnp.sum(v, axis=0)", "jnp.sum(v, axis=-0)"),
        ('w["a"] * x + w["b"] * y', 'y * w["b"] + x * w["a"]'),
        ("sum([x, y, 1])", "x + (1 + y)"),
        ("v[0] + v[1]", "v[1] + v[0]"),
        ("x - 0", "x", "0.0 + x", "x * 1", "x / 1"),
    ],
    ids=lambda same: same[0],
)
def test_expressions_that_are_one(same):
    assert len({normal_form(with_value(one)) for one in same}) == 1
    for one in same:
        assert values(with_value(one)) == pytest.approx(values(with_value(same[0])))


def test_expressions_that_differ():
    different = [
        *("x", "y", "-x", "x + y", "x - y", "x * y", "x / y", "y / x", "x**y", "y**x", "x**2"),
        *("x**3", "x**0.5", "2 * x", "x + 2", "x % y", "y % x", "jnp.sum(v)", "jnp.mean(v)"),
        *("v[0]", "v[1]"),
        *("v[-1]", "jnp.sum(v * v)", "jnp.sum(v)**2", "jnp.sum(v - v)", "0", "x - x", "x / x", "1"),
        *("jnp.where(x > y, x, y)", "jnp.where(x >= y, x, y)", "jnp.where(x < y, x, y)"),
        *("jnp.maximum(x, y)", "jnp.minimum(x, y)", "jnp.arctan2(x, y)", "jnp.arctan2(y, x)"),
        *("jnp.abs(x)", "jnp.abs(x + y)", "jnp.abs(x - y)", "jnp.sin(x)", "jnp.sin(-x)"),
        *('w["a"] * x', 'w["b"] * x', "jnp.clip(x, 0, 1)", "jnp.clip(x, 1, 0)", "(x + y) * y"),
        *("jnp.linalg.norm(v)", "jnp.sum(v[:1])", "jnp.sum(v[1:])", "sum(p * y for p in v)"),
        *("sum(p * x for p in v)", "sum([p * x for p in v])", "x if 1 else y", "x and y", "x or y"),
    ]  # fmt: skip
    forms = {one: normal_form(with_value(one)) for one in different}
    same = [(a, b) for a, b in itertools.combinations(different, 2) if forms[a] == forms[b]]
    assert same == []


LEAVES = st.sampled_from(["x", "y", "v[0]", 'w["a"]', "action[1]", "2.0", "3", "0.5"])
EXPRESSIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(st.sampled_from("+-*"), inner, inner).map(lambda t: f"({t[1]} {t[0]} {t[2]})"),
        st.tuples(st.sampled_from(["jnp.abs", "jnp.sin", "-", "jnp.square"]), inner).map(
            lambda t: f"{t[0]}({t[1]})"
        ),
        inner.map(lambda t: f"({t})**2"),
        inner.map(lambda t: f"({t}) / 4"),
    ),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(EXPRESSIONS, EXPRESSIONS)
def test_equal_forms_are_equal_rewards(a, b):
    a, b = with_value(a), with_value(b)
    if normal_form(a) == normal_form(b):
        assert values(a, 5) == pytest.approx(values(b, 5), rel=1e-6, abs=1e-9)


class _Renamed(ast.NodeTransformer):
    """Renames locals, swaps summands and factors, and puts minus signs in other places."""

    def visit_Name(self, node):
        fixed = {"state", "action", "next_state", "w", "jnp", "sum", "WEIGHTS"}
        return node if node.id in fixed else ast.Name(f"other_{node.id}", node.ctx)

    def visit_BinOp(self, node):
        left, right = self.visit(node.left), self.visit(node.right)
        match node.op:
            case ast.Add() | ast.Mult():
                return ast.BinOp(right, node.op, left)
            case ast.Sub():
                return ast.UnaryOp(ast.USub(), ast.BinOp(right, node.op, left))
        return ast.BinOp(left, node.op, right)


def proposals() -> list[RewardProgram]:
    answers = OfflineProposer().propose(Context(CART, 0, seed=0), [Brief(Operator.INITIAL)] * 8)
    programs = [parse(proposal.answer) for proposal in answers]
    assert all(isinstance(program, RewardProgram) for program in programs)
    return programs  # pyright: ignore[reportReturnType]


def test_programs_of_the_offline_proposer():
    sources = [program.source for program in proposals()]
    assert len({normal_form(source) for source in sources}) == len(sources)
    for source in sources:
        rewritten = ast.unparse(_Renamed().visit(ast.parse(source)))
        assert rewritten != source
        assert normal_form(rewritten) == normal_form(source)


BODY = """WEIGHTS = {{"a": 1.0}}

def reward(state, action, next_state, w):
    {}
    return total, {{"t": total}}
"""

LOOP = "total = 0.0\n    for turn in range(2): total = total + action[turn]"
BRANCH = "if len(action) > 1: total = action[0]\n    else: total = action[1]"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        # The rounds of a loop are not followed, their body is.
        (LOOP, LOOP.replace("turn", "k").replace("total = total +", "total +="), True),
        (LOOP, LOOP.replace("range(2)", "range(3)"), False),
        (LOOP, LOOP.replace("total +", "total -"), False),
        # What a round leaves behind is not seen to be idle.
        (LOOP, LOOP.replace("total = total + action[turn]", "a = action[turn]; total += a"), False),
        ("total = sum(x ** 2 for x in action)", "total = sum(y * y for y in action)", True),
        ("total = sum(x ** 2 for x in action)", "total = sum(x ** 3 for x in action)", False),
        ("total = sum(a * b for a, b in ab)", "total = sum(a + b for a, b in ab)", False),
        (BRANCH, BRANCH.replace("len(action) > 1", "1 < len(action)"), True),
        (BRANCH, BRANCH.replace("total", "t") + "; total = t", False),  # in one branch only
        (BRANCH, BRANCH.replace("total", "t") + "\n    total = t", True),
        (BRANCH, BRANCH.replace("action[0]", "action[2]"), False),
        # A table that has two names is one table.
        ('t = {"a": 2.0}; u = t; u["a"] = 1.0; total = t["a"]', "total = 1.0", True),
        ('t = {"a": 2.0}; total = t["a"]; t["a"] = 1.0', "total = 2.0", True),
        # Beyond what is followed the text decides.
        ("total = w", "total  =  w  # all", True),
        ("total = w", "total = action", False),
        ("while action: total = 1", "while action: total = 2", False),
        ("total = [1] + [2]", "total = [2] + [1]", False),
    ],
)
def test_statements(one, other, same):
    assert (normal_form(BODY.format(one)) == normal_form(BODY.format(other))) == same


def test_what_is_beyond_keeps_its_weights():
    odd = BODY.format("total = sum(w.values())")
    assert structure(odd) == structure(odd.replace("1.0", "2.0"))
    assert normal_form(odd) != normal_form(odd.replace("1.0", "2.0"))


def test_helpers_that_call_helpers_end():
    lines = ["def f0(x): return jnp.sin(x)"]
    lines += [f"def f{i}(x): return f{i - 1}(x) + f{i - 1}(x * 2)" for i in range(1, 25)]
    deep = "\n".join(lines) + "\n" + with_value("f24(x)")
    assert normal_form(deep) != normal_form(deep.replace("x * 2", "x * 3"))
    endless = "def f(x): return f(x)\n" + with_value("f(x)")
    assert normal_form(endless) == normal_form(endless + "# the same\n")
    long = with_value("+".join(["x"] * 2000))
    assert normal_form(long) != normal_form(with_value("+".join(["x"] * 1999)))


@pytest.mark.parametrize("source", ["", "def reward(", "x = 1", "def reward(a): return a"])
def test_what_is_no_program(source):
    for form in (normal_form, structure):
        with pytest.raises(ValueError, match=r"\w"):
            form(source)


def test_it_runs_nothing():
    source = with_value("x").replace("WEIGHTS", "raise_ = [][0]\nWEIGHTS", 1)
    assert isinstance(parse_source(source), RewardProgram)
    assert normal_form(source)
