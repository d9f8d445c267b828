"""The comparison of ways to ask."""

import numpy as np

from benchmarks.queries import STRATEGIES, TEACHERS, play, settled


def test_settled_is_when_the_best_leads_for_good():
    regret = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    assert settled(regret).tolist() == [1, 2, 3, 4]


def test_next_pair_finds_what_an_oracle_knows():
    found = play(STRATEGIES["next_pair"], TEACHERS["oracle"], seed=0, budget=30)
    assert found[-1].tolist() == [0.0, 1.0, 1.0]


def test_the_same_seed_has_the_same_game():
    for strategy in STRATEGIES.values():
        one, other = (play(strategy, TEACHERS["oracle"], 1, 6) for _ in range(2))
        assert (one == other).all()
