"""Sweeps: worlds in one batch are worlds one by one, and what they show is kept and said."""

from __future__ import annotations

import json

import jax
import numpy as np
import pytest

from reward_synth.deploy.stress import Curve, Level, Stress
from reward_synth.deploy.sweep import left_out, measured_spread, sweep
from reward_synth.randomisation import fixed
from reward_synth.report.stress import stress_plot
from reward_synth.sim.cpu import CpuBackend
from reward_synth.task import load_task

EPISODES = 6


@pytest.fixture(scope="module")
def point(point_task_folder):
    return load_task(point_task_folder)


def steer(observation: np.ndarray) -> np.ndarray:
    """A hand-written policy that brings the point mass to 1 m."""
    return (1.5 * (1.0 - observation[:, :1]) - 1.5 * observation[:, 1:]) / 2.0


def stress(task, act=steer, **options) -> Stress:
    options = {"policy": "steer", "seed": 3, "episodes": EPISODES, "threads": 1} | options
    return sweep(task, act, np.ones(2), **options)


def alone(task, name: str, value: float) -> np.ndarray:
    """Each episode's fitness in one world, by a loop of its own."""
    keys = jax.random.split(jax.random.key(3), EPISODES)
    backend = CpuBackend(task, keys, randomisation=fixed(name, value))
    state, fitness = backend.reset().copy(), np.zeros(EPISODES)
    running = np.ones(EPISODES, bool)
    for _ in range(task.description.episode_steps):
        state = backend.step(np.clip(steer(state[:, :2]), -1, 1))[0].copy()
        fitness += running * -np.abs(state[:, 0] - 1.0) / 20
        running &= np.abs(state[:, 0]) <= 3.0
    return fitness


@pytest.mark.parametrize(("name", "value"), [("mass", 3.0), ("gain", 0.3), ("delay", 3.0)])
def test_a_world_in_the_batch_is_the_world_alone(point, name, value):
    found = stress(point, levels={"mass": (3.0,), "gain": (0.3,), "delay": (3.0,), "noise": (0.2,)})
    (curve,) = (c for c in found.curves if c.name == name)
    (level,) = (x for x in curve.levels if x.value == value)
    expected = alone(point, name, value)
    assert level.fitness == pytest.approx(expected.mean(), abs=1e-5)
    assert level.low < expected.mean() < level.high
    assert level.fitness < found.nominal.fitness


def test_the_nominal_level_is_in_every_curve_and_steps_are_counted(point):
    found = stress(point, levels={"mass": (0.5, 1.0, 2.0), "push": (1.0,)})
    assert [[x.value for x in c.levels] for c in found.curves] == [[0.5, 1.0, 2.0], [0.0, 1.0]]
    for curve, place in zip(found.curves, (1, 0), strict=True):
        assert curve.levels[place].fitness == found.nominal.fitness
    worlds = [found.nominal, *(level for _, level in found.levels())]
    assert len(worlds) == 4
    assert found.env_steps == round(EPISODES * sum(x.length for x in worlds))


def test_noise_is_in_units_of_the_spread_and_the_same_for_whoever_is_tested(point):
    calls = []

    def watching(observation: np.ndarray) -> np.ndarray:
        calls.append(observation.copy())
        return steer(observation)

    for _ in range(2):
        sweep(
            point,
            watching,
            np.array([2.0, 0.0]),
            policy="",
            seed=3,
            episodes=40,
            levels={"noise": (0.5, 1.0)},
        )
    (first, again) = calls[0], calls[len(calls) // 2]
    np.testing.assert_array_equal(first, again)
    nominal, half, whole = first.reshape(3, 40, 2)
    np.testing.assert_allclose(whole - nominal, 2 * (half - nominal), atol=1e-5)
    assert (whole - nominal)[:, 0].std() == pytest.approx(2.0, rel=0.3)
    np.testing.assert_array_equal(whole[:, 1], nominal[:, 1])


def test_what_means_nothing_to_a_robot_is_left_out_with_the_reason(point):
    assert set(left_out(load_task("cartpole_swingup"))) == {"friction"}
    assert left_out(load_task("hopper")) == {}
    found = stress(load_task("cartpole_swingup"), act=lambda o: np.zeros((len(o), 1)), episodes=2,
                   levels={"friction": (0.5,), "mass": (2.0,)})  # fmt: skip
    assert [curve.name for curve in found.curves] == ["mass"]
    assert "friction: not tested, for nothing in the model rubs" in found.summary


def test_the_spread_of_a_policy_that_does_not_tell_is_measured(point):
    spread = measured_spread(point, steer, seed=0, episodes=8)
    assert spread.shape == (2,)
    assert 0.1 < spread[0] < 1.0


def level(value: float, fitness: float) -> Level:
    return Level(value, fitness, fitness - 1, fitness + 1, 0.5, 0.2, 0.8, 20.0)


FITNESS = {0.5: 9.0, 0.8: 3.0, 0.9: 8.0, 1.0: 10.0, 1.1: 8.5, 1.5: 7.9, 2.0: 9.9}
MASS = Curve("mass", tuple(level(value, fitness) for value, fitness in FITNESS.items()))


def test_what_is_safe_ends_at_the_first_level_that_fails():
    assert MASS.safe(0.8, MASS.levels[3]) == (0.9, 1.1)
    assert MASS.safe(0.2, MASS.levels[3]) == (0.5, 2.0)
    negative = Curve("delay", tuple(level(v, f) for v, f in [(0, -1.0), (1, -1.1), (2, -1.3)]))
    assert negative.safe(0.8, negative.levels[0]) == (0, 1)


def made() -> Stress:
    return Stress("point", "steer", 6, 3, 0.1, 99, MASS.levels[3], (MASS,), (("push", "for ..."),))


def test_the_worst_case_is_named_and_records_survive_json():
    found = made()
    name, worst = found.worst
    assert (name, worst.value) == ("mass", 0.8)
    assert any(
        "masses: keeps 80% of the nominal fitness from 0.9 to 1.1" in x for x in found.summary
    )
    assert any(line.startswith("worst case: masses at 0.8 times") for line in found.summary)
    data = json.loads(json.dumps(found.to_json()))
    assert data["format"] == 1
    assert Stress.from_json(data) == found


def test_the_plot_stands_alone_and_names_its_lines():
    from xml.etree import ElementTree

    text = stress_plot({"nominal": made(), "robustified": made()})
    root = ElementTree.fromstring(text)  # its names are all declared
    assert root.tag.endswith("svg")
    assert "var(--" not in text
    words = " ".join(x.text or "" for x in root.iter() if x.tag.endswith("text"))
    for expected in ("fitness", "success", "masses", "nominal", "robustified"):
        assert expected in words
