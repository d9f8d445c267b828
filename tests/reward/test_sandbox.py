"""Nothing that a program does reaches beyond its own child, and the next program still traces."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys

import pytest

from reward_synth.errors import SandboxError
from reward_synth.records import Field, Rejection, RewardProgram, TaskDescription, TracedReward
from reward_synth.reward.lint import lint
from reward_synth.reward.parse import parse_source
from reward_synth.reward.sandbox import Layer, Sandbox
from reward_synth.reward.verify import load
from tests.reward.adversarial import ATTACKS, HEAD, LAST_WORDS, PROGRAMS, program

TASK = TaskDescription(
    name="test",
    sentence="Test.",
    notes="",
    fields=(
        Field("height", (), "m", "world", "height", (1.0,)),
        Field("velocity", (3,), "m/s", "world", "x, y, z", (0.0, 0.0, 0.0)),
    ),
    actions=("a", "b"),
    timestep=0.01,
    episode_steps=100,
    terminates=True,
)
GOOD = parse_source(
    program("y = jnp.exp(-next_state.height**2)", result="w['a'] * x + y, {'x': x, 'y': y}")
)


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox.start() as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def taken():
    """A sandbox whose children run whatever Python they are sent."""
    with Sandbox.start(handler="tests.reward.raw_child:run") as sandbox:
        yield sandbox


@pytest.fixture
def request_of(tmp_path):
    """A request with a file to spoil, a place to write and a port to reach."""
    tmp_path.chmod(0o777)
    victim, mark = tmp_path / "victim", tmp_path / "mark"
    victim.write_text("precious")
    victim.chmod(0o666)
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield {"victim": str(victim), "mark": str(mark), "port": server.getsockname()[1]}
    assert victim.read_text() == "precious"
    assert not mark.exists()


def unparsed(source):
    """A program as it would be after parsing, even if it does not parse."""
    return RewardProgram(source, "", (("a", 1.0),))


def assert_still_works(sandbox):
    traced = sandbox.trace(GOOD, TASK)
    assert isinstance(traced, TracedReward), traced
    assert traced.terms == ("x", "y")
    assert callable(load(traced, TASK))


def test_there_are_enough_of_them():
    assert len(PROGRAMS) >= 60
    assert len(ATTACKS) + len(LAST_WORDS) >= 50


def test_every_layer_is_on(sandbox):
    """On the systems that this suite is run on: a kernel with Landlock and seccomp."""
    assert [layer.name for layer in sandbox.layers if not layer.active] == []
    assert len(sandbox.layers) == 7
    for layer in sandbox.layers:
        assert layer.name in sandbox.table()


@pytest.mark.parametrize("name", PROGRAMS)
def test_adversarial_programs_without_lint(sandbox, name, tmp_path):
    tmp_path.chmod(0o777)
    source = PROGRAMS[name].replace("MARK", str(tmp_path / "mark"))
    result = sandbox.trace_unchecked(unparsed(source), TASK, timeout_s=1.5)
    assert not (tmp_path / "mark").exists()
    if isinstance(result, TracedReward):  # it may be harmless, or harm only its own process
        loaded = load(result, TASK)
        assert callable(loaded) or isinstance(loaded, Rejection)
    else:
        assert result.reason


def test_the_next_candidate_still_traces(sandbox):
    assert_still_works(sandbox)


@pytest.mark.parametrize("name", PROGRAMS)
def test_adversarial_programs_are_turned_down_in_words(sandbox, name):
    """Lint or, for what only running can show, the child."""
    parsed = parse_source(PROGRAMS[name])
    rejection = parsed if isinstance(parsed, Rejection) else lint(parsed, TASK)
    if rejection is None:
        assert isinstance(parsed, RewardProgram)
        result = sandbox.trace(parsed, TASK, timeout_s=1.5)
        if isinstance(result, TracedReward):
            loaded = load(result, TASK)
            rejection = loaded if isinstance(loaded, Rejection) else None
        else:
            rejection = result
    harmless = {
        "lambda",
        "deep nesting",
        "exponential expression",
        "list that grows",
    }
    assert rejection is not None or name in harmless
    if rejection is not None:
        assert len(rejection.reason) > 20


@pytest.mark.parametrize("name", ATTACKS)
def test_attacks_with_real_python_are_contained(taken, request_of, name):
    answer = taken.ask(request_of | {"code": ATTACKS[name]}, timeout_s=5.0)
    assert answer.get("outcome") != "BREACH", answer
    assert not os.path.exists("/tmp/reward_synth_breach")  # noqa: PTH110


@pytest.mark.parametrize("name", LAST_WORDS)
def test_what_ends_a_child_ends_only_the_child(taken, request_of, name):
    answer = taken.ask(request_of | {"code": LAST_WORDS[name]}, timeout_s=1.5)
    assert answer.get("outcome") != "BREACH", answer
    assert taken.ask({"code": "outcome = 'alive'"}, timeout_s=5.0) == {"outcome": "alive"}


def test_no_process_is_left_behind(taken):
    taken.ask({"code": "while True: pass"}, timeout_s=0.5)
    server = taken._server.pid
    children = subprocess.run(
        ["ps", "--ppid", str(server), "-o", "pid="], capture_output=True, text=True, check=False
    )
    assert children.stdout.split() == []


def test_the_environment_is_not_passed_on(monkeypatch):
    monkeypatch.setenv("MY_SECRET_KEY", "s3cret")
    with Sandbox.start(handler="tests.reward.raw_child:run") as sandbox:
        code = "import os; outcome = sorted(os.environ)"
        answer = sandbox.ask({"code": code}, timeout_s=5.0)
    assert "SECRET" not in answer["outcome"]


def test_a_dead_parent_is_replaced(taken):
    taken._server.kill()
    taken._server.wait()
    assert taken.ask({"code": "outcome = 'alive'"}, timeout_s=60.0) == {"outcome": "alive"}


def test_strict_fails_closed(monkeypatch):
    lacking = (Layer("Landlock", False, "the kernel has no Landlock"),)
    monkeypatch.setattr(Sandbox, "_probe", lambda self: lacking)
    refused = pytest.raises(SandboxError, match=r"lacks Landlock \(the kernel has no Landlock\)")
    with refused, Sandbox.start(strict=True):
        pass
    with Sandbox.start() as sandbox:
        assert "OFF" in sandbox.table()


def test_a_strict_child_refuses_without_its_layers():
    """Even if the probe at start-up was passed: the environment was let in behind its back."""
    code = (
        "import os, sys\n"
        "from reward_synth.reward.sandbox import client\n"
        "client.ENVIRONMENT['EXTRA'] = 'x'\n"
        "with client.Sandbox.start(strict=True) as s: pass\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "scrubbed environment" in done.stderr


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("if x > 0:\n    x = x", "jnp.where"),
        ("x = x / jnp.zeros(())", "NaN"),
        ("x = jnp.sqrt(next_state.height - 5.0)", "NaN near home|NaN at rest"),
        ("x = jnp.sum(jnp.sqrt(next_state.velocity - state.velocity - 1e-3))", "'x'"),
        ("x = x * 1e30", "order 1 a step"),
        ("x = jnp.ones(()) * 3.0", "same number, 3"),
        ("x = next_state.velocity", r"shape \(3,\)"),
        ("x = jnp.dot(next_state.velocity, action)", "line 5"),
        ("x = next_state.velocity[7] * jnp.ones(2) @ jnp.ones(3)", "line 5"),
    ],
)
def test_honest_mistakes_are_explained(sandbox, body, words):
    result = sandbox.trace_unchecked(unparsed(program(body)), TASK)
    assert isinstance(result, Rejection)
    assert re.search(words, result.reason), result.reason


def test_the_client_does_not_import_jax():
    code = (
        "import sys; import reward_synth.reward.sandbox, reward_synth.reward.parse, "
        "reward_synth.reward.lint, reward_synth.reward.facade, reward_synth.state; "
        "assert 'jax' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def forged(sandbox, monkeypatch, **answer):
    monkeypatch.setattr(sandbox, "ask", lambda request, timeout_s: answer)
    result = sandbox.trace(GOOD, TASK)
    if isinstance(result, TracedReward):
        result = load(result, TASK)
    assert isinstance(result, Rejection)
    return result.reason


def test_forged_answers_are_only_rejections(sandbox, monkeypatch):
    traced = sandbox.trace(GOOD, TASK)
    arrays = traced.arrays.decode()
    for answer in (
        {},
        {"refused": "stop the run"},
        {"terms": [], "arrays": arrays},
        {"terms": ["x", "x"], "arrays": arrays},
        {"terms": ["x", "\x1b[2J"], "arrays": arrays},
        {"terms": ["x", "\ud800"], "arrays": arrays},
        {"terms": ["x"] * 1200, "arrays": arrays},
        {"terms": ["x", 3], "arrays": arrays},
        {"terms": ["x", "y"], "arrays": 3},
        {"terms": ["x", "y"], "arrays": "\ud800"},
        {"terms": ["x", "y", "z"], "arrays": arrays},
    ):
        assert forged(sandbox, monkeypatch, **answer)
    assert "\x1b" not in forged(sandbox, monkeypatch, reason="look: \x1b[2J")
    assert "\x1b" not in forged(sandbox, monkeypatch, died="look: \x1b[2J")


def test_a_program_that_only_the_compiler_would_refuse_is_refused_before(sandbox, monkeypatch):
    program = json.loads(sandbox.trace(GOOD, TASK).arrays)
    for operation in program["operations"]:
        if operation[0] == "reduce_sum":
            operation[:1] = ["cumsum"]
            operation[2] = {"axis": 77, "reverse": False}
    answer = {"terms": ["x", "y"], "arrays": json.dumps(program)}
    assert "not a pure reward" in forged(sandbox, monkeypatch, **answer)


def test_head_is_what_parse_expects():
    assert isinstance(parse_source(program("")), RewardProgram)
    assert HEAD.startswith("WEIGHTS")
