"""Reflection: golden text, and each finding where it belongs and nowhere else."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reward_synth.feedback.reflection import Evidence, findings, reflect, snapshots
from reward_synth.feedback.scores import score

GOLDEN = Path(__file__).parent / "golden" / "reflection.md"
BLIND = GOLDEN.with_name("reflection_blind.md")
LINES = 40


def line(i, **changes):
    part = i / (LINES - 1)
    values = {
        "fitness": 2 * part,
        "length": 50 + 100 * part,
        "episode_return": 10 * part,
        "terms": {"forward": part, "upright": 0.3 + 0.2 * part},
        "kl": 0.01,
        "explained_variance": 0.8,
    }
    changes = {k.removeprefix("curve_"): v for k, v in changes.items()}
    return values | {k: v(part) if callable(v) else v for k, v in changes.items()}


def evidence(ends=None, episode_return=10.0, terms=((5.0, 4.0),), **changes):
    fitness = np.array([1.8, 2.0, 2.2])
    return Evidence(
        terms=("forward", "upright"),
        curve=[line(i, **changes) for i in range(LINES)],
        score=score([fitness], [np.array([1, 1, 0])], [np.full(3, 140)]),
        episode_fitness=fitness,
        episode_return=np.full(3, episode_return),
        episode_terms=np.repeat(np.array(terms), 3, axis=0),
        ends=ends or {"terminated": 1, "time limit": 2, "diverged": 0},
        episode_steps=1000,
    )


@pytest.mark.parametrize(("path", "blind"), [(GOLDEN, False), (BLIND, True)])
def test_golden(path, blind):
    """Regenerate with REWARD_SYNTH_GOLDEN=write."""
    rendered = reflect(evidence(), blind=blind) + "\n"
    if os.environ.get("REWARD_SYNTH_GOLDEN") == "write":
        path.write_text(rendered)
    assert rendered == path.read_text()


def test_a_blind_reflection_does_not_depend_on_fitness_or_success():
    sighted = evidence()
    other = replace(
        evidence(fitness=lambda p: -p),
        episode_fitness=np.array([7.0, 8.0, 9.0]),
        score=score([np.array([7.0, 8.0, 9.0])], [np.zeros(3)], [np.full(3, 140)]),
    )
    assert reflect(sighted) != reflect(other)
    assert reflect(sighted, blind=True) == reflect(other, blind=True)


def test_a_healthy_training_has_no_findings():
    assert findings(evidence()) == [
        "Nothing stands out: every term moves and training was healthy."
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"curve_terms": lambda p: {"forward": p, "upright": 0.0}},
            "'upright' was zero throughout",
        ),
        (
            {"curve_terms": lambda p: {"forward": p, "upright": 0.5}},
            "'upright' moved by less than 2%",
        ),
        ({"fitness": lambda p: -p}, "earns this reward by something other than the task"),
        ({"length": lambda p: 200 - 150 * p}, "Episodes got shorter"),
        ({"kl": 0.2}, "Updates were large"),
        ({"explained_variance": 0.05}, "explains only 5%"),
        ({"explained_variance": -3.0}, "explains only 0%"),
    ],
)
def test_findings_from_the_curve(changes, words):
    (found,) = findings(evidence(**changes))
    assert words in found


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ({"terms": ((99.0, 1.0),)}, "'forward' is 99%"),
        ({"ends": {"terminated": 3}}, "Every held-out episode was terminated early"),
        ({"ends": {"diverged": 1}}, "diverged"),
        ({"ends": {"terminated": 1}, "episode_return": -5.0}, "dying pays"),
    ],
)
def test_findings_from_the_episodes(outcome, words):
    assert any(words in found for found in findings(evidence(**outcome)))


def test_snapshots_average_and_leave_gaps():
    values = np.arange(20.0)
    values[:2] = np.nan
    found = snapshots(values)
    assert len(found) == 10
    assert np.isnan(found[0])
    np.testing.assert_allclose(found[1:], np.arange(2.5, 20, 2))


def test_an_empty_or_short_curve_is_no_problem():
    short = evidence()
    short = replace(short, curve=short.curve[:1])
    assert "fitness of the task" in reflect(short)
