"""Rendered messages against tests/golden/.

After a deliberate change to a template, write them anew and read the difference:

    REWARD_SYNTH_GOLDEN=write pytest tests/propose/test_prompts.py && git diff tests/golden
"""

import dataclasses
import os
from pathlib import Path

import pytest

from reward_synth.propose.operators import Operator
from reward_synth.propose.prompts import (
    Elite,
    environment_class,
    fenced,
    initial_messages,
    repair_messages,
    revise_messages,
)
from reward_synth.records import Field, Rejection, Stage, TaskDescription

GOLDEN = Path(__file__).parents[1] / "golden"
FACADE = ("abs", "clip", "exp", "sum", "tanh", "where")

PENDULUM = TaskDescription(
    name="cart_pendulum",
    sentence="Swing the pole up and keep it upright, with the cart near the middle of the rail.",
    notes="The rail is 2 m long. The pole hangs down at the start.",
    fields=(
        Field("cart_position", (), "m", "world", "x of the cart, 0 in the middle", (-0.0,)),
        Field("pole_direction", (2,), "1", "world", "x and z of the pole's axis", (0.0, -1.0)),
        Field("velocities", (2,), "m/s and rad/s", "joint", "cart,\n  pole", (0.0, 0.0)),
        Field("camera_to_world", (3, 3), "1", "world", "rotation", (1, 0, 0, 0, 1, 0, 0, 0, 1)),
        Field("rays", (30,), "m", "cart", "distances", tuple(i / 3 for i in range(30))),
    ),
    actions=("motor",),
    timestep=0.02,
    episode_steps=500,
    terminates=False,
)
PARENT = '''"""Upright pays."""
WEIGHTS = {"up": 1.0}


def reward(state, action, next_state, w):
    terms = {"up": w["up"] * next_state.pole_direction[1]}
    return sum(terms.values()), terms
'''
REFLECTION = """
Episode length: 500 throughout.

- `up`: -0.99, -0.42, 0.10, 0.12 (min -0.99, mean -0.30, max 0.12)
"""
ENDING = dataclasses.replace(PENDULUM, terminates=True, notes="")


def changed(operator, **options):
    return revise_messages(PENDULUM, FACADE, PARENT, REFLECTION, operator=operator, **options)


CASES = {
    "initial": lambda: initial_messages(PENDULUM, FACADE),
    "initial_sample_0": lambda: initial_messages(PENDULUM, FACADE, 0),
    "initial_sample_3": lambda: initial_messages(ENDING, FACADE, 3),
    "initial_again": lambda: initial_messages(
        PENDULUM, FACADE, failures=("total is nan\nin 3 states.",)
    ),
    "revise": lambda: revise_messages(PENDULUM, FACADE, PARENT, REFLECTION),
    "revise_everything": lambda: revise_messages(
        ENDING,
        FACADE,
        PARENT,
        REFLECTION,
        comment="It swings up but drifts to the end of the rail.",
        elites=(Elite(PARENT, "Ranked 1st of 16."), Elite(PARENT, "Ranked 2nd of 16.")),
        failures=("the state has no field 'angle'.", "total is nan\nin 3 states."),
        sample=4,
    ),
    "structure": lambda: changed(Operator.STRUCTURE),
    "thought": lambda: changed(Operator.THOUGHT, sample=2),
    "simplify": lambda: changed(Operator.SIMPLIFY, sample=1),
    "repair": lambda: repair_messages(
        PENDULUM, FACADE, PARENT, Rejection(Stage.TRACE, "`pole_angle` is no field.")
    ),
    "repair_nothing": lambda: repair_messages(
        PENDULUM, FACADE, "", Rejection(Stage.ANSWER, "no ```python block.")
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_golden(case):
    messages = CASES[case]()
    assert [m.role for m in messages] == ["system", "user"]
    for name, message in zip(("system", case), messages, strict=True):
        path = GOLDEN / f"{name}.md"
        if os.environ.get("REWARD_SYNTH_GOLDEN") == "write":
            path.write_text(message.content, encoding="utf-8")
        assert message.content == path.read_text(encoding="utf-8"), f"{path} differs; see above"


def test_every_golden_file_has_its_case():
    assert {path.stem for path in GOLDEN.glob("*.md")} == {"system", *CASES}


@pytest.mark.parametrize("case", CASES)
def test_white_space_is_tidy(case):
    text = CASES[case]()[1].content.replace(PARENT.strip(), "")
    assert "\n\n\n" not in text
    assert text == text.strip() + "\n"


def test_environment_class_is_python_with_every_field():
    text = environment_class(PENDULUM)
    compile(text, "environment", "exec")
    for field in PENDULUM.fields:
        assert sum(line.strip().startswith(f"{field.name}:") for line in text.splitlines()) == 1


def test_samples_differ_and_none_is_plain():
    texts = [initial_messages(PENDULUM, FACADE, sample)[1].content for sample in range(8)]
    assert len(set(texts)) == 8
    assert texts[0] == initial_messages(PENDULUM, FACADE)[1].content


@pytest.mark.parametrize(
    "operator", [op for op in Operator if op.needs_model and op is not Operator.INITIAL]
)
def test_every_operator_has_an_instruction_and_ways_of_its_own(operator):
    texts = [changed(operator, sample=sample)[1].content for sample in (None, 0, 1, 2)]
    assert texts[0] == texts[1]
    assert len(set(texts)) == 3
    others = {op: changed(op)[1].content for op in Operator if op.needs_model and op != "initial"}
    assert [op for op, text in others.items() if text == texts[0]] == [operator]


def test_the_example_program_is_one():
    system = initial_messages(PENDULUM, FACADE)[0].content
    example = system.split("```python\n")[1].split("```")[0]
    scope = {}
    exec(compile(example, "example", "exec"), scope)
    assert set(scope["WEIGHTS"]) == {"course", "sharpness", "calm", "rudder"}


def test_text_from_others_is_never_rendered_as_a_template():
    text = revise_messages(PENDULUM, FACADE, "{{ x }}", "{% if %}", comment="{{ y }}")[1].content
    assert "{{ x }}" in text
    assert "{% if %}" in text
    assert "{{ y }}" in text


def test_a_fence_cannot_be_closed_from_inside():
    assert fenced("a ``` b", "text") == "````text\na ``` b\n````"


def test_a_block_keeps_the_indentation_of_its_first_line():
    assert fenced("\n  \n  a\n b\n\n") == "```\n  a\n b\n```"
