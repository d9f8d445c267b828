"""The text of exported rewards; that it computes the right numbers is for tests/extras."""

from __future__ import annotations

import ast
import json
import os
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from reward_synth.deploy.torch_reward import torch_file, traced_expert
from reward_synth.errors import ExportError
from reward_synth.records import Field, RewardProgram, TaskDescription, TracedReward
from reward_synth.reward.array_program import encode
from reward_synth.reward.parse import parse_source
from reward_synth.reward.trace import trace
from reward_synth.task import load_task

GOLDEN = Path(__file__).parent / "golden" / "hover_torch.txt"
HOVER = TaskDescription(
    name="hover",
    sentence="Hover one metre above the ground.",
    notes="",
    fields=(
        Field("position", (3,), "m", "world", "x, y and z of the drone", (0.0, 0.0, 0.1)),
        Field("up", (3,), "1", "world", "its own up direction", (0.0, 0.0, 1.0)),
        Field("yaw", (), "rad", "world", "heading", (0.0,)),
        Field("last_action", (2,), "1", "actuator", "before", (0.0, 0.0)),
    ),
    actions=("left", "right"),
    timestep=0.02,
    episode_steps=100,
    terminates=False,
)
PROGRAM = '''"""Being close to one metre pays, up to 1 a step, and more so upright.

Turning and jerks cost a little; each step pays for staying in the air.
"""
WEIGHTS = {"height": 1.0, "sharpness": 4.0, "turn": 0.1, "jerk": 0.01, "alive": 0.5}
GOAL = jnp.array([0.0, 0.0, 1.0])


def reward(state, action, next_state, w):
    error = next_state.position - GOAL
    close = jnp.exp(-w["sharpness"] * jnp.linalg.norm(error) ** 2)
    upright = jnp.clip(next_state.up[2], 0.0, 1.0)
    turn = jnp.mod(next_state.yaw - state.yaw + jnp.pi, 2 * jnp.pi) - jnp.pi
    terms = {
        "height": w["height"] * close * jnp.where(next_state.up[2] > 0.5, upright, 0.0),
        "turn": -w["turn"] * jnp.abs(turn) / 0.02,
        "jerk": -w["jerk"] * jnp.sum((action - state.last_action) ** 2),
        "alive": w["alive"],
    }
    return sum(terms.values()), terms
'''


def traced(source=PROGRAM):
    program = parse_source(source)
    assert isinstance(program, RewardProgram), program
    found = trace(program, HOVER)
    assert isinstance(found, TracedReward), found
    return found


def made(function, terms, weights=(("a", 1.0),), source="#\n", rationale=""):
    """A traced reward of any function (state, action, next_state, weights) -> terms."""

    def step(*arguments):
        values = [jnp.asarray(v, jnp.float32) for v in function(*arguments)]
        return sum(values), jnp.stack(values)

    shapes = [jax.ShapeDtypeStruct((n,), jnp.float32) for n in (9, 2, 9, len(weights))]
    return TracedReward(RewardProgram(source, rationale, weights), terms, encode(step, *shapes))


def test_the_whole_file():
    """Renew with RENEW_GOLDEN=1, then read the difference as a user of Isaac Gym would."""
    found = torch_file(traced(), HOVER, "a test")
    if os.environ.get("RENEW_GOLDEN"):
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(found)
    assert found == GOLDEN.read_text()


@pytest.mark.parametrize("name", ["ant", "reacher"])
def test_lines_are_short_and_syntax_is_old(name):
    task = load_task(name)
    text = torch_file(traced_expert(task), task.description, "a test")
    ast.parse(text, feature_version=(3, 7))
    assert max(map(len, text.splitlines())) <= 100
    assert task.expert_source in text


def test_what_a_stranger_wrote_stays_text():
    """Names, rationale and source come from a language model, or from whoever owned the child."""
    nasty = 'x"]; import os; """\\'
    source = f'"""{nasty}"""\r\nimport os\x0c\u2028import os\n\u202eimport os'
    reward = made(
        lambda s, a, n, w: [w[0] * n[0], w[1] * n[1]],
        (nasty, "import os\\"),
        ((nasty, 1.0), ("'\"\\", 2.0)),
        source,
        f'{nasty}"""\nimport os\n"""',
    )
    text = torch_file(reward, HOVER, 'run """\nimport os')
    tree = ast.parse(text)
    imported = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert imported == {"typing", "torch"}
    assert [n.names[0].name for n in ast.walk(tree) if isinstance(n, ast.Import)] == ["torch"]
    (weights,) = (n.value for n in tree.body if isinstance(n, ast.AnnAssign))
    assert ast.literal_eval(weights) == {nasty: 1.0, "'\"\\": 2.0}
    assert "\u202e" not in text
    assert "\r" not in text


@pytest.mark.parametrize(
    ("term", "variable"),
    [
        ("forward speed", "forward_speed"),
        ("2 legs", "term_2_legs"),
        ("import", "term_import"),
        ("position", "term_position"),
        ("torch", "term_torch"),
        ("n", "term_n"),
        ("höhe", "h_he"),
        ("...", "term"),
        ("reward", "term_reward"),
        ("match", "match"),
    ],
)
def test_terms_become_variables(term, variable):
    reward = made(lambda s, a, n, w: [w[0] * n[0], n[1] + n[2]], (term, "other"))
    text = torch_file(reward, HOVER, "a test")
    assert f'    {variable} = weights["a"] * position[:, 0]\n' in text
    assert f"    reward = {variable} + other\n" in text
    assert f"        {json.dumps(term, ensure_ascii=False)}: {variable},\n" in text


def test_terms_of_one_name_in_ascii_differ():
    reward = made(lambda s, a, n, w: [n[0], n[1], n[0]], ("a b", "a_b", "c"))
    text = torch_file(reward, HOVER, "a test")
    assert "reward = a_b + term_a_b + a_b" in text
    assert '"c": c' in text


def test_only_what_is_read_is_asked_for():
    text = torch_file(made(lambda s, a, n, w: [n[6]], ("heading",)), HOVER, "a test")
    assert text.count('_field(next_state, "yaw", [n])') == 1
    assert text.count("_field(") == 2  # and its definition
    assert "state: nothing, {} will do" in text
    assert "WEIGHTS: Dict[str, float] = {}" in text


@pytest.mark.parametrize(
    ("total", "text", "adding"),
    [
        (lambda x, y, z: x * y, "x * y", "need not"),
        (lambda x, y, z: x, "x", "need not"),
        (lambda x, y, z: x + y + y, "x + y + y", "need not"),
        (lambda x, y, z: 2.0 * x + y, "2.0 * x + y", "need not"),
        (lambda x, y, z: sum([x, y, z]), "x + y", "which add up"),
        (lambda x, y, z: y + x, "y + x", "which add up"),
    ],
)
def test_whether_terms_add_up_is_said(total, text, adding):
    def step(state, action, after, w):
        x, y, zero = after[0], after[1], jnp.float32(0.0)
        return total(x, y, zero), jnp.stack([x, y, zero])

    shapes = [jax.ShapeDtypeStruct((n,), jnp.float32) for n in (9, 2, 9, 0)]
    program = RewardProgram("#\n", "", ())
    traced = TracedReward(program, ("x", "y", "zero"), encode(step, *shapes))
    found = torch_file(traced, HOVER, "a test")
    assert f"{adding} add up to the reward".replace("add up add up", "add up") in found
    assert f"    reward = {text}\n" in found


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not JSON"),
        (b"[1, 2", "not JSON"),
        (b'{"constants": [], "inputs": [], "operations": [], "outputs": []}', "other shapes"),
    ],
)
def test_damaged_arrays_are_one_line(data, words):
    program = traced().program
    with pytest.raises(ExportError, match=words) as caught:
        torch_file(TracedReward(program, ("height",), data), HOVER, "a test")
    assert "\n" not in str(caught.value)


def test_uint32_is_refused():
    reward = made(lambda s, a, n, w: [n[0].astype(jnp.uint32)], ("x",))
    with pytest.raises(ExportError, match="it computes with uint32"):
        torch_file(reward, HOVER, "a test")


def test_a_task_without_an_expert(point_task_folder, tmp_path):
    folder = tmp_path / "lonely"
    folder.mkdir()
    text = (point_task_folder / "task.py").read_text().partition("EXPERT_SOURCE")[0]
    (folder / "task.py").write_text(text)
    (folder / "task.md").write_text("Rest.\n")
    with pytest.raises(ExportError, match="task lonely has no expert_reward"):
        traced_expert(load_task(folder))
