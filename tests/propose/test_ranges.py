"""Bounds for worlds that differ: the rule's, the prompt for a language model, and its answers."""

from __future__ import annotations

import pytest

from reward_synth.deploy.stress import Curve, Level, Stress
from reward_synth.propose.ranges import offline_ranges, parse_ranges, ranges_messages
from reward_synth.randomisation import Randomisation
from reward_synth.records import Field, TaskDescription

TASK = TaskDescription(
    name="point",
    sentence="Bring the point mass to rest 1 m to the right.",
    notes="",
    fields=(Field("position", (), "m", "world", "along the rail", (0.0,)),),
    actions=("push",),
    timestep=0.1,
    episode_steps=20,
    terminates=True,
)


def curve(name: str, fitness: dict[float, float]) -> Curve:
    return Curve(name, tuple(Level(v, f, f, f, 0.0, 0.0, 1.0, 20.0) for v, f in fitness.items()))


MASS = curve("mass", {0.5: 9.0, 0.8: 9.5, 1.0: 10.0, 1.5: 8.0, 2.0: 3.0})
GAIN = curve("gain", {0.8: 2.0, 0.9: 7.9, 1.0: 10.0, 1.1: 7.0})  # bears nothing
DELAY = curve("delay", {0.0: 10.0, 1.0: 9.0, 2.0: 9.0, 3.0: 8.5, 4.0: 0.0})
NOISE = curve("noise", {0.0: 10.0, 0.05: 9.9, 0.3: 9.0})
PRIORS = Stress(
    "point", "the winner", 4, 0, 0.1, 99, MASS.levels[2], (MASS, GAIN, DELAY, NOISE), ()
)


def test_the_rule_goes_half_of_the_way_and_beyond_what_is_not_borne_at_all():
    assert offline_ranges(PRIORS) == Randomisation(
        mass=(0.75, 1.5),  # half of 1 to 0.5; 1.25 is less than the first level tested
        gain=(0.9, 1.1),
        delay=(0.0, 1.0),  # whole steps
        noise=(0.0, 0.15),
    )


def test_a_language_model_is_told_task_reward_and_priors_and_nothing_else():
    (message,) = ranges_messages(TASK, "def reward(): ...\n", PRIORS)
    text = message.content
    assert TASK.sentence in text
    assert "def reward(): ..." in text
    assert (
        "| mass | times the model's | 0.5: 9, 0.8: 9.5, 1: 10, 1.5: 8, 2: 3 | 0.5 to 1.5 |" in text
    )
    assert "| gain | times the model's | 0.8: 2, 0.9: 7.9, 1: 10, 1.1: 7 | 1 to 1 |" in text
    assert "`delay`: control steps" in text
    assert "friction" not in text.split("# Your turn")[0]  # it was not tested
    assert '{ "mass": [low, high], "gain": [low, high], "delay": [low, high]' in text


def test_the_last_object_of_an_answer_counts():
    answer = (
        'First {"mass": [0.1, 9]}, but better:\n```json\n'
        '{"mass": [0.8, 1.3], "delay": [0, 2], "friction": [0.5, 1]}\n```'
    )
    assert parse_ranges(answer, PRIORS) == Randomisation(mass=(0.8, 1.3), delay=(0.0, 2.0))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("I would rather not.", "no JSON object"),
        ("{mass: [1, 2]}", "cannot be read"),
        ('{"weight": [1, 2]}', "'weight', which nothing is called"),
        ('{"mass": 1.2}', "mass is not two numbers"),
        ('{"mass": [1, 2, 3]}', "mass is not two numbers"),
        ('{"mass": [true, 2]}', "mass is not two numbers"),
        ('{"mass": [1.2, 0.8]}', "mass must be"),
        ('{"delay": [0, 0.5]}', "whole control steps"),
        ('{"friction": [0.5, 1.5]}', "nothing would differ"),
        ('{"mass": [1, 1]}', "nothing would differ"),
        ("{}", "nothing would differ"),
    ],
)
def test_what_is_wrong_with_an_answer_is_said(answer, words):
    found = parse_ranges(answer, PRIORS)
    assert isinstance(found, str)
    assert words in found
