"""Rungs that come later where the order at them was not that of the end."""

from dataclasses import replace

import numpy as np
import pytest

from reward_synth.search.archive import Archive
from reward_synth.search.config import SearchSettings
from reward_synth.search.loop import resume, start
from reward_synth.search.rungs import Ladder, ladder_of
from reward_synth.search.store import Store
from reward_synth.train.race import Race, Standing
from tests.search.archives import candidate
from tests.search.test_loop import Ear, config  # noqa: F401 (a fixture)

SETTINGS = SearchSettings(rungs=(0.2, 0.4), keep=(0.67, 0.34))
GIVEN = Ladder((0.2, 0.4), (0.67, 0.34))


def raced(generation, standings, *, finishers=6, rungs=2):
    """A generation whose fitness at the end is its index, with these standings at all rungs."""
    return [
        candidate(
            generation,
            i,
            float(i) if i < finishers else None,
            standings=tuple(Standing(100 * (r + 1), low, low, True) for r in range(rungs)),
        )
        for i, low in enumerate(standings)
    ]


def ladder(*generations):
    found = [raced(g, standings) for g, standings in enumerate(generations)]
    return ladder_of(Archive(tuple(c for row in found for c in row), len(found)), SETTINGS)


RIGHT, WRONG = [0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0]


def test_rungs_stay_while_they_are_right_or_nothing_is_known():
    assert ladder() == GIVEN
    assert ladder(RIGHT) == GIVEN
    assert ladder(RIGHT, RIGHT, RIGHT) == GIVEN
    few = Archive(tuple(raced(0, WRONG, finishers=4)), 1)  # 6 pairs
    assert ladder_of(few, SETTINGS) == GIVEN
    unraced = Archive(tuple(raced(0, WRONG, rungs=0)), 1)
    assert ladder_of(unraced, SETTINGS) == GIVEN


def test_an_order_that_is_not_that_of_the_end_makes_them_later_and_later():
    assert ladder(WRONG) == Ladder((0.3, 0.6), (0.67, 0.34))
    assert ladder(WRONG, WRONG) == Ladder((0.45, 0.8), (0.67, 0.34))
    assert ladder(WRONG, WRONG, WRONG) == Ladder((0.675, 0.8), (0.67, 0.34))
    assert ladder(*[WRONG] * 4) == Ladder((0.8,), (0.34,))
    assert ladder(*[WRONG] * 7) == Ladder((0.8,), (0.34,))


def test_what_a_ladder_has_shown_is_forgotten_with_it():
    assert ladder(WRONG, RIGHT) == ladder(WRONG, RIGHT, RIGHT) == ladder(WRONG)
    # A ladder that was right is not given up for one bad generation.
    assert ladder(RIGHT, RIGHT, WRONG) == GIVEN


def test_trainings_that_follow_change_nothing():
    """Else a generation that is trained would seem to have been cut at other rungs."""
    found = raced(0, WRONG)
    again = [replace(c, score=replace(c.score, fitness=-c.score.fitness)) for c in found]
    assert ladder_of(Archive(tuple(again), 1), SETTINGS) == ladder(WRONG)


def test_a_rung_that_is_late_already_does_not_move_back():
    assert Ladder((0.6, 0.9), (0.5, 0.3)).later == Ladder((0.8, 0.9), (0.5, 0.3))
    assert Ladder().later == Ladder()


@pytest.mark.parametrize("tau", [0.0, 0.7])
def test_how_often_it_is_wrong(tau):
    """Races of 8 as they are run by default, ten generations, correlated rank orders."""
    rng = np.random.default_rng(0)
    correlation = np.sin(np.pi * tau / 2)  # Greiner's relation, for normal variables
    changed = []
    for _ in range(25):
        found = []
        for generation in range(10):
            end = rng.standard_normal(8)
            low = correlation * end + np.sqrt(1 - correlation**2) * rng.standard_normal(8)
            ahead = {*np.argsort(-low)[:3], rng.integers(8)}
            found += [
                candidate(
                    generation,
                    i,
                    float(end[i]) if i in ahead else None,
                    standings=(Standing(100, low[i], low[i], i in ahead),),
                )
                for i in range(8)
            ]
        changed.append(ladder_of(Archive(tuple(found), 10), SETTINGS) != GIVEN)
    assert np.mean(changed) > 0.7 if tau == 0.0 else np.mean(changed) < 0.15


def test_the_loop_trains_by_it_and_says_so_once(config, tmp_path, monkeypatch):  # noqa: F811
    """Standings turned upside down: the second generation is cut later than the first."""
    honest = Race.standings

    def upside_down(self, histories):
        return [
            tuple(replace(s, low=-s.low) for s in standings)
            for standings in honest(self, histories)
        ]

    monkeypatch.setattr(Race, "standings", upside_down)
    monkeypatch.setattr("reward_synth.search.rungs._FEWEST_PAIRS", 1)
    monkeypatch.setattr("reward_synth.search.rungs._USEFUL", 1.1)  # whatever they are
    ear, folder = Ear(), tmp_path / "run"
    search = replace(config.search, rungs=(0.2, 0.4), keep=(0.67, 0.34))
    final = replace(config.final, trainings=0)
    start(replace(config, search=search, final=final), folder, ear)
    resume(folder, ear)
    with Store.read(folder) as store:
        events = [detail for _, kind, detail in store.events() if kind == "rungs"]
        first, second = (
            {tuple(s.steps for s in c.standings) for c in store.candidates(g) if c.score}
            for g in (0, 1)
        )
    assert events == [{"generation": 1, "rungs": [0.3, 0.6], "keep": [0.67, 0.34]}]
    assert sum("cut later from here on, at 30% and 60%" in text for text in ear.heard) == 1
    assert first == {(128, 192)}
    assert second == {(128, 320)}
