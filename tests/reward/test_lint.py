import pytest

from reward_synth.propose.offline.proposer import OfflineProposer
from reward_synth.propose.operators import Operator
from reward_synth.propose.proposer import Brief, Context, Parent
from reward_synth.records import Field, Rejection, RewardProgram, Stage, TaskDescription
from reward_synth.reward.lint import BUILTINS, lint
from reward_synth.reward.parse import parse

TASK = TaskDescription(
    name="six_legs",
    sentence="Walk forward as fast as you can without falling.",
    notes="",
    fields=(
        Field("torso_position", (3,), "m", "world", "x, y and z", (0.0, 0.0, 0.4)),
        Field("torso_velocity", (3,), "m/s", "world", "x, y and z", (0.0, 0.0, 0.0)),
        Field("torso_tilt", (), "rad", "world", "from upright", (0.0,)),
        Field("joint_rates", (6,), "rad/s", "joint", "knees", (0.0,) * 6),
        Field("last_action", (6,), "1", "actuator", "action before", (0.0,) * 6),
    ),
    actions=tuple(f"knee_{i}" for i in range(6)),
    timestep=0.02,
    episode_steps=1000,
    terminates=True,
)

TYPICAL = '''"""Moving forward pays; being upright gates it."""

WEIGHTS = {
    "forward": 1.0,
    "sharpness": 4.0,
    "effort": 0.01,
    "unused": 3.0,
}
GOAL = -0.5
UP = jnp.array([0.0, 0.0, 1.0])
LIMITS = (0.1, 2 * jnp.pi)


def _bounded(x, low=-1.0, high=1):
    """Clip."""
    return jnp.clip(x, low, high)


def reward(state, action, next_state, w):
    """One step."""
    velocity = (next_state.torso_position[0] - state.torso_position[0]) / 0.02
    x, (y, z) = next_state.torso_position[0], next_state.torso_position[1:]
    upright: float = jnp.exp(-w["sharpness"] * next_state.torso_tilt**2)
    upright *= jnp.where((z > 0.2) & ~(x < -1.0), 1.0, 0.0)

    def smooth(values):
        return sum(jnp.square(value) for value in values)

    jerk = 0.0
    for i, _ in enumerate(LIMITS):
        jerk += jnp.abs(action - state.last_action)[i] ** (1 / 3)
    for i in range(6):
        jerk = jerk + jnp.hypot(action[i], next_state.joint_rates[-i]) ** -0.5
    scale = 2.0 if len(action) > 3 and action.shape[0] != 4 else 1.0
    if scale > 1:
        jerk = jerk / scale
    root = lambda v: jnp.sqrt(v + 1e-6)
    spread = jnp.stack([root(v) for v in action**2]).mean()
    distance = jnp.linalg.norm(next_state.torso_position[:2] - jnp.zeros(2), axis=-1)
    alive = (next_state.torso_position[2] > 0.2).astype(jnp.float32)
    matrix = action[:, None] @ action[None, ...].T
    terms = {
        "forward": w["forward"] * _bounded(velocity, high=3.0) * upright,
        "effort": -w["effort"] * (smooth(action) + jerk + spread + matrix.sum()),
    }
    terms["alive"] = alive + y * GOAL + jnp.dot(UP, next_state.torso_velocity) + distance
    terms = {**terms, "best": max(1.0, 2.0)}
    total = sum(terms[name] for name in terms.keys())
    return total, {name: value for name, value in terms.items()}
'''


def program(source, *names):
    return RewardProgram(source, "", tuple((name, 1.0) for name in names))


def with_body(body):
    lines = "".join(f"    {line}\n" for line in body.split("\n"))
    return program(
        'WEIGHTS = {"pace": 1.0, "calm": 1.0}\n'
        f"def reward(state, action, next_state, w):\n{lines}    return 0.0, {{}}\n",
        "pace",
        "calm",
    )


def reason(rejection):
    assert isinstance(rejection, Rejection)
    assert rejection.stage is Stage.LINT
    return rejection.reason


def test_a_typical_program_passes():
    assert lint(program(TYPICAL, "forward", "sharpness", "effort", "unused"), TASK) is None


def test_programs_of_the_offline_author_pass():
    author = OfflineProposer()
    first = [Brief(Operator.INITIAL)] * 24
    parents = checked(author.propose(Context(TASK, 0, seed=0), first))
    later = [Brief(operator, parents[:2], parents[2:4]) for operator in Operator]
    checked(author.propose(Context(TASK, 1, seed=0), later * 4))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        # names that are not known
        ("x = next_state.torso_positon", "next_state has no field 'torso_positon'. Did you mean"),
        ("x = state.z", "Fields: torso_position, torso_velocity, torso_tilt, joint_rates"),
        ("x = state._vector", "state has no field '_vector'"),
        ("x = w['pase']", "WEIGHTS has no 'pase'. Did you mean 'pace'? It has: pace, calm."),
        ("x = WEIGHTS['pace']", 'read weights as w["name"]'),
        ("x = jnp.clamp(action, 0, 1)", "jnp.clamp is not available here. Write jnp.clip"),
        ("x = jnp.random.normal()", "jnp.random.normal is not available"),
        ("x = jnp.norm(action)", "Did you mean 'linalg.norm'?"),
        ("x = jnp.linalg.inv(action)", "jnp.linalg.inv is not available"),
        ("x = jnp", "can only be used as in"),
        ("x = np.exp(1.0)", "there is no 'np' here, only jnp. Write jnp.exp instead."),
        ("x = jax.nn.sigmoid(1.0)", "there is no 'jax' here, only jnp."),
        ("x = velocty", "the name 'velocty' is not defined"),
        ("velocity = 1.0\nx = velocty", "Did you mean 'velocity'?"),
        ("x = open('a')", "the name 'open' is not defined"),
        ("x = __builtins__", "the name '__builtins__' is not defined"),
        ("x = action.__class__", "the attribute '__class__' is not available"),
        ("x = action.tolist()", "the attribute 'tolist' is not available"),
        ("x = jnp.pi.real", "the attribute 'real' is not available"),
        ("x = (1).real", "the attribute 'real' is not available"),
        # statements
        ("import os", "imports are not allowed"),
        ("from jax import nn", "imports are not allowed"),
        ("while True:\n    pass", "`while` is not allowed"),
        ("try:\n    x = 1\nexcept ValueError:\n    x = 2", "`try` is not allowed"),
        ("with action:\n    x = 1", "`with` is not allowed"),
        ("global x", "no memory between steps"),
        ("class A:\n    x = 1", "classes are not allowed"),
        ("del action", "`delete` is not allowed"),
        ("raise 1", "`raise` is not allowed"),
        ("assert action", "`assert` is not allowed"),
        ("match action:\n    case 1:\n        x = 1", "`match` is not allowed"),
        ("yield 1", "does nothing here"),
        ("x = yield 1", "`yield` is not allowed"),
        ("print(action)", "no printing"),
        ("jnp.exp(action)", "no printing and no appending"),
        ("async def f():\n    return 1", "`asyncfunctiondef` is not allowed"),
        # assignment
        ("action[0] = 1.0", "cannot be changed in place"),
        ("action[0] += 1.0", "cannot be changed in place"),
        ("x, action[1:] = 1.0", "cannot be changed in place"),
        ("w['pace'] = 1.0", "weights cannot be assigned"),
        ("state.torso_tilt = 1.0", "attributes cannot be assigned"),
        ("jnp = 1.0", "'jnp' cannot be given a meaning"),
        ("w = 1.0", "'w' cannot be given a meaning"),
        ("x = [1 for state in action]", "'state' cannot be given a meaning"),
        ("WEIGHTS = 1.0", "'WEIGHTS' cannot be given a meaning"),
        ("__x = 1.0", "'__x' cannot be given a meaning"),
        ("def jnp():\n    return 1", "'jnp' cannot be given a meaning"),
        ("x: jnp.ndarray = action", "leave the type annotations out"),
        ("if (x := 1) > 0:\n    y = 1", "`:=` is not allowed"),
        # functions and calls
        ("def f(*x):\n    return 1", "plain positional parameters"),
        ("f = lambda **x: 1", "plain positional parameters"),
        ("def f(x=action):\n    return 1", "must be a plain number"),
        ("@jnp.vectorize\ndef f(x):\n    return 1", "decorators are not allowed"),
        ("def f(x) -> jnp.ndarray:\n    return 1", "leave the type annotations out"),
        ("x = jnp.stack(*[action])", "`*` before a value is not allowed"),
        ("x = jnp.sum(**{})", "`**` in a call is not allowed"),
        ("x = (lambda: 1)()", "only functions with a name"),
        # values
        ("x = f'{action}'", "f-strings are not allowed"),
        ("x = 'text'", "strings can only be keys"),
        ("x = action.astype('float32')", "strings can only be keys"),
        ("x = b'text'", "strings can only be keys"),
        ("x = 2j", "complex numbers"),
        ("x = {1, 2}", "sets are not allowed"),
        ("x = {v for v in action}", "sets are not allowed"),
        ("x = 10000000000", "an integer can be at most 1,000,000,000"),
        ("x = 10 ** 1000", "an exponent must be a plain number, at most 64"),
        ("x = 10 ** -1000", "an exponent must be a plain number, at most 64"),
        ("x = 10 ** 10 ** 10", "an exponent must be a plain number, at most 64"),
        ("x = [0] * 1000000", "cannot be multiplied"),
        ("x = 1000000 * (0,)", "cannot be multiplied"),
        ("x = 1 << 1000000", "`<<` is not allowed"),
        ("x = 1\nx >>= 3", "`>>` is not allowed"),
        # loops
        ("for i in range(65):\n    x = i", "at most 64 rounds"),
        ("x = [i for i in range(0, 1000000000, 2)]", "at most 64 rounds"),
        ("for i in range(10**9):\n    x = i", "one to three plain integers"),
        ("for i in range(0, 9, 0):\n    x = i", "one to three plain integers"),
        ("for i in range(3):\n    x = i\nelse:\n    x = 1", "cannot have an `else`"),
    ],
)
def test_what_is_not_allowed(body, words):
    rejection = reason(lint(with_body(body), TASK))
    assert words in rejection
    assert rejection.startswith(("line 3 (`", "line 4 (`", "line 5 (`", "line 6 (`"))


def test_outside_functions_there_are_only_definitions():
    for statement in ("if 1 > 0:\n    x = 1", "for i in range(3):\n    x = i", "return 1"):
        source = f"WEIGHTS = {{}}\n{statement}\n"
        expected = f"line 2 (`{statement.splitlines()[0]}`): outside functions"
        assert reason(lint(program(source), TASK)).startswith(expected)


def test_complaints_come_in_the_order_of_the_program_and_each_once():
    body = "a = np.exp(1.0)\nb = np.exp(2.0)\nc = state.z\nd = [foo for d in action]\nimport os"
    lines = reason(lint(with_body(body), TASK)).split("\n")
    assert [line[:6] for line in lines] == ["line 3", "line 5", "line 6", "line 7"]
    assert "(`import os`)" in lines[-1]


def test_only_the_first_complaints_are_given():
    body = "\n".join(f"x = state.z{i}" for i in range(30))
    assert len(reason(lint(with_body(body), TASK)).split("\n")) == 4


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("x = 1\n" * 401, "401 lines; the limit is 400"),
        ("x = (" + "1, " * 4000 + ")\n", "expressions and statements; the limit is 3000"),
        ("x = 1" + " + 1" * 5000, "too"),
        ("x = \n", "line 1 (`x =`): not valid Python"),
        ("\ud800", "not valid Python"),
        ("x" + ".x" * 400, "does nothing"),
    ],
)
def test_what_is_too_large_or_not_python(source, words):
    assert words in reason(lint(program(source), TASK))


def test_how_deep_python_goes_is_its_own_affair():
    """The limit differs between its versions; either way it is turned down in words."""
    words = reason(lint(program("x" + ".x" * 2900), TASK))
    assert "nested too deeply" in words or "does nothing" in words


def test_the_builtins_are_those_that_the_program_will_be_given():
    from reward_synth.reward import trace

    assert {builtin.__name__ for builtin in trace._BUILTINS} == BUILTINS


def checked(proposals):
    """The proposals as parents of the next, all of them past lint."""
    programs = [parse(proposal.answer) for proposal in proposals]
    for parsed in programs:
        assert isinstance(parsed, RewardProgram)
        assert lint(parsed, TASK) is None, parsed.source
    return tuple(Parent(f"g00c{i:02d}", parsed, 0.0, "") for i, parsed in enumerate(programs))
