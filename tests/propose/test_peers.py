"""The baselines' messages against golden/; write them anew as in ``test_prompts``."""

import math
import os
from dataclasses import replace
from pathlib import Path

import pytest

from reward_synth.propose.library import Example
from reward_synth.propose.operators import Manner, Operator
from reward_synth.propose.peers import peer_messages
from reward_synth.propose.prompts import environment_class, initial_messages
from reward_synth.propose.proposer import Brief, Context, Parent
from reward_synth.reward.parse import parse_source
from tests.propose.test_prompts import FACADE, PARENT, PENDULUM, REFLECTION

GOLDEN = Path(__file__).parent / "golden"
WORSE = PARENT.replace("[1]", "[0]").replace("Upright", "Sideways")
EXAMPLE = Example(
    "balance",
    "Keep a pole\nupright on a cart.",
    environment_class(replace(PENDULUM, fields=PENDULUM.fields[:2])),
    PARENT,
    "outputs/balance/1",
    0.0,
)
CONTEXT = Context(PENDULUM, 1, 0, (EXAMPLE, replace(EXAMPLE, task="lift", sentence="Lift a pole.")))


def parent(id, source, reflection=REFLECTION):
    return Parent(id, parse_source(source), math.nan, reflection)


FIRST = Brief(Operator.INITIAL, alike=True)
GOOD, BAD = parent("g01c02", PARENT), parent("g01c00", WORSE, "Nothing moved.")
CASES = {
    "icpl_first": replace(FIRST, manner=Manner.ICPL),
    "icpl_one_trained": Brief(Operator.REVISE, (GOOD,), manner=Manner.ICPL),
    "icpl": Brief(
        Operator.REVISE,
        (GOOD,),
        manner=Manner.ICPL,
        contrast=BAD,
        differences=("weight up is new: 1\n-x\n+y", "weight up went from 1 to 2"),
    ),
    "text2reward_zero_shot": replace(FIRST, manner=Manner.TEXT2REWARD),
    "text2reward_one_shot": replace(FIRST, manner=Manner.TEXT2REWARD, shots=1),
    "text2reward_two_shots": replace(FIRST, manner=Manner.TEXT2REWARD, shots=5),
    "text2reward_comment": Brief(
        Operator.REVISE,
        (GOOD,),
        manner=Manner.TEXT2REWARD,
        comment="It swings and never stops.\n",
        shots=1,
    ),
    "text2reward_no_comment": Brief(Operator.REVISE, (GOOD,), manner=Manner.TEXT2REWARD),
}


@pytest.mark.parametrize("case", CASES)
def test_golden(case):
    system, user = peer_messages(CONTEXT, FACADE, CASES[case])
    path = GOLDEN / f"{case}.md"
    if os.environ.get("REWARD_SYNTH_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(user.content, encoding="utf-8")
    assert user.content == path.read_text(encoding="utf-8"), f"{path} differs; see above"
    assert system == initial_messages(PENDULUM, FACADE)[0]


def test_every_golden_file_has_its_case():
    assert {path.stem for path in GOLDEN.glob("*.md")} == set(CASES)


@pytest.mark.parametrize("case", CASES)
def test_white_space_is_tidy(case):
    text = peer_messages(CONTEXT, FACADE, CASES[case])[1].content.replace(PARENT.strip(), "")
    assert "\n\n\n" not in text.replace(WORSE.strip(), "")
    assert text == text.strip() + "\n"


@pytest.mark.parametrize("case", CASES)
def test_no_number_of_the_fitness_is_told(case):
    brief = CASES[case]
    told = peer_messages(CONTEXT, FACADE, brief)
    flattered = replace(
        brief,
        parents=tuple(replace(p, fitness=1234.5) for p in brief.parents),
        contrast=brief.contrast and replace(brief.contrast, fitness=-1234.5),
    )
    assert peer_messages(CONTEXT, FACADE, flattered) == told


def test_text_from_others_is_never_rendered_as_a_template():
    brief = replace(
        CASES["icpl"], differences=("{{ x }}",), parents=(parent("a", PARENT, "{% y %}"),)
    )
    text = peer_messages(CONTEXT, FACADE, brief)[1].content
    assert "{{ x }}" in text
    assert "{% y %}" in text
