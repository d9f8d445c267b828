"""Reflection: golden text, and each finding where it belongs and nowhere else."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reward_synth.feedback.contrast import Contrast, Difference
from reward_synth.feedback.evidence import Evidence, evidence_of
from reward_synth.feedback.reflection import findings, reflect, snapshots
from reward_synth.feedback.scores import score
from reward_synth.records import Field, TaskDescription, Violation
from reward_synth.rollout.episodes import ENDS, Rollouts

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


APART = Contrast(
    "the 3 worst",
    "the 3 best",
    (
        Difference("length of the episode", "steps", 43.0, 312.4),
        Difference("torso_tilt at the end", "rad", 0.8123, 0.0491),
        Difference("action 'hip' on average", "", -0.1, -0.00004),
    ),
)
FALL = Contrast("the last tenth", "before", (Difference("torso_height", "m", 0.4, 1.2),))
ROBOT = TaskDescription(
    name="robot",
    sentence="Stand.",
    notes="",
    fields=(Field("tilt", (), "rad", "world", "pitch", (0.0,)),),
    actions=("hip",),
    timestep=0.02,
    episode_steps=1000,
    terminates=True,
)


def evidence(ends=None, episode_return=10.0, terms=((5.0, 4.0),), **changes):
    fitness = np.array([1.8, 2.0, 2.2])
    return Evidence(
        terms=("forward", "upright"),
        curve=[line(i, **changes) for i in range(LINES)],
        score=score([fitness], [np.array([1, 1, 0])], [np.full(3, 140)]),
        episode_fitness=fitness,
        episode_return=np.full(3, episode_return),
        episode_terms=np.repeat(np.array(terms), 3, axis=0),
        term_range=np.array([[-0.2, 1.0], [0.0, 0.5]]),
        at_limit=np.array([[0.01, 0.3], [0.02, 0.66]]),
        ends=ends or {"terminated": 1, "time limit": 2, "diverged": 0},
        contrast=None,
        ending=None,
        description=ROBOT,
    )


@pytest.mark.parametrize(("path", "blind"), [(GOLDEN, False), (BLIND, True)])
def test_golden(path, blind):
    """Regenerate with REWARD_SYNTH_GOLDEN=write."""
    rendered = reflect(replace(evidence(), contrast=APART, ending=FALL), blind=blind) + "\n"
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


def test_limits_that_are_exceeded_are_told_except_to_the_blind():
    kept = evidence()
    beyond = Violation("hip speed", "rad/s", 0.25, 1.5)
    broken = replace(kept, score=replace(kept.score, violations=(beyond,)))
    words = "It exceeds the robot's limits: hip speed in 25% of steps, by up to 1.5 rad/s."
    assert words in reflect(broken)
    assert reflect(broken).replace(f" {words}", "") == reflect(kept)
    assert reflect(broken, blind=True) == reflect(kept, blind=True)


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
        ({"fitness": lambda p: 5 * p}, "Without exploration noise the policy does far worse (2)"),
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


@pytest.mark.parametrize(
    ("ends", "shares", "words"),
    [
        ((0.0, 0.5), (0.0, 0.9), "'upright' is at its highest in 90%"),
        ((0.0, 0.5), (0.9, 0.0), "'upright' is at its lowest in 90% of steps: it is rarely"),
        ((-0.5, 0.0), (0.9, 0.0), "'upright' costs the most it can in 90%"),
        ((0.3, 0.3), (1.0, 1.0), "'upright' is much the same in all"),
    ],
)
def test_findings_about_limits(ends, shares, words):
    stuck = replace(
        evidence(),
        term_range=np.array([[-0.2, 1.0], ends]),
        at_limit=np.array([[0.01, 0.3], shares]),
    )
    (found,) = findings(stuck)
    assert words in found


@pytest.mark.parametrize(("terminates", "words"), [(True, "for going on"), (False, "nothing")])
def test_a_living_reward_teaches_something_only_where_life_can_end(terminates, words):
    living = replace(
        evidence(curve_terms=lambda p: {"forward": p, "upright": 0.5}),
        at_limit=np.array([[0.0, 0.0], [1.0, 1.0]]),
        description=replace(ROBOT, terminates=terminates),
    )
    (found,) = findings(living)
    assert "'upright' is much the same in every step" in found
    assert words in found


def test_a_curve_that_stands_still_is_one_number_and_gaps_are_explained():
    text = reflect(evidence(length=50.0))
    assert "| 50 throughout |" in text
    assert "A dash" not in text
    gaps = reflect(evidence(curve_fitness=lambda p: None if p < 0.5 else p))
    assert "| -, -, " in gaps
    assert "A dash: no episode ended then." in gaps


def test_a_penalty_that_is_hardly_ever_incurred_is_nothing_to_mend():
    calm = replace(
        evidence(),
        term_range=np.array([[-0.2, 1.0], [-0.5, 0.0]]),
        at_limit=np.array([[0.01, 0.3], [0.0, 0.9]]),
    )
    assert findings(calm) == findings(evidence())


def test_a_reflection_is_short_however_many_terms_there_are():
    names = tuple(f"term_{i}" for i in range(32))
    many = replace(
        evidence(curve_terms=lambda p: dict.fromkeys(names, 0.1)),
        terms=names,
        episode_terms=np.arange(96.0).reshape(3, 32),
        term_range=np.tile([0.0, 1.0], (32, 1)),
        at_limit=np.zeros((32, 2)),
        contrast=APART,
    )
    text = reflect(many)
    assert len(text) < 4_000
    assert "20 smaller terms" in text
    assert "| term term_31 |" in text
    assert "| term term_3 |" not in text


def test_what_eureka_shows_stands_before_the_first_heading():
    first = reflect(replace(evidence(), contrast=APART)).split("\n## ")[0]
    assert "term forward" in first
    assert "held-out episodes" in first
    assert "the 3 worst" not in first


def rollouts():
    """Nine episodes of up to 100 steps; the first three fall over early, tilted."""
    steps, count = 100, 9
    length = np.array([20, 30, 40, 100, 100, 100, 100, 100, 100])
    happened = np.arange(steps)[:, None] < length
    tilt = np.zeros((steps + 1, count, 1))
    tilt[:, :3, 0] = np.linspace(0.0, 3.0, steps + 1)[:, None]
    tilt += 0.01 * np.random.default_rng(0).normal(size=tilt.shape)
    terms = np.stack([0.5 + 0.0 * happened, np.linspace(-1, 0, steps)[:, None] * happened], 2)
    terms[0, 0, 1] = -1e6  # a spike
    return Rollouts(
        length=length,
        end=np.where(length < 100, ENDS.index("terminated"), ENDS.index("time limit")),
        success=length == 100,
        state=tilt,
        action=np.zeros((steps, count, 1)),
        fitness=0.1 * happened,
        reward=terms.sum(2) * happened,
        terms=terms * happened[..., None],
        qpos=np.zeros((steps + 1, count, 1)),
    )


def test_evidence_of_rollouts():
    ran = rollouts()
    result = score([ran.episode_fitness], [ran.success], [ran.length])
    found = evidence_of(ran, [line(0)], result, ("alive", "cost"), ROBOT)
    assert found.ends == {"terminated": 3, "time limit": 6, "diverged": 0}
    np.testing.assert_allclose(found.episode_fitness[:3], [2, 3, 4])
    np.testing.assert_allclose(found.episode_terms[3], [50.0, -50.0], rtol=1e-6)
    # Steps after an episode's end do not count, and one spike does not stretch the range.
    np.testing.assert_allclose(found.term_range[0], [0.5, 0.5])
    np.testing.assert_allclose(found.at_limit[0], [1.0, 1.0])
    assert -1.0 <= found.term_range[1, 0] < -0.9
    assert found.at_limit[1].max() < 0.1
    assert found.contrast.bad == "the 3 that failed"
    assert found.ending is None  # most lasted
    quantities = {d.quantity: d for d in found.contrast.differences}
    assert quantities["length of the episode"].bad == 30
    assert any("tilt" in quantity for quantity in quantities)


def test_where_most_episodes_end_early_evidence_says_how():
    ran = rollouts()
    tilt = np.zeros_like(ran.state)
    tilt[19:] = 1.0  # in the last 2 of 20 steps
    ran = replace(
        ran,
        length=np.full(9, 20),
        end=np.full(9, ENDS.index("terminated")),
        success=np.zeros(9, bool),
        state=tilt,
    )
    result = score([ran.episode_fitness], [ran.success], [ran.length])
    found = evidence_of(ran, [line(0)], result, ("forward", "upright"), ROBOT)
    assert found.ends["terminated"] == 9
    assert [d.quantity for d in found.ending.differences] == ["tilt"]
    assert "What happens before an episode ends early" in reflect(found)


def test_a_term_that_hardly_varies_is_constant():
    ran = rollouts()
    terms = 5.0 + 0.01 * np.random.default_rng(1).normal(size=ran.terms.shape)
    ran = replace(ran, terms=terms)
    result = score([ran.episode_fitness], [ran.success], [ran.length])
    found = evidence_of(ran, [line(0)], result, ("alive", "cost"), ROBOT)
    assert (found.at_limit == 1.0).all()


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
