"""The bandit: what yields is tried more, what is cheap too, and nothing is given up."""

from collections import Counter

import numpy as np

from reward_synth.search.bandit import Record, thompson


def shares(records, draws=4000):
    rng = np.random.default_rng(0)
    counts = Counter(thompson(records, rng) for _ in range(draws))
    return {arm: counts[arm] / draws for arm in records}


def test_without_a_record_all_are_alike():
    found = shares({arm: Record() for arm in "abcd"})
    assert all(abs(share - 0.25) < 0.03 for share in found.values())


def test_what_yields_is_tried_more_and_nothing_is_given_up():
    found = shares({"good": Record(6, 4), "poor": Record(1, 9), "new": Record()})
    assert found["good"] > 2 * found["poor"]
    assert found["new"] > 0.2
    assert found["poor"] > 0.0


def test_half_the_price_is_worth_twice_the_successes():
    found = shares({"dear": Record(50, 50, cost=2.0), "cheap": Record(25, 75, cost=1.0)})
    assert abs(found["dear"] - found["cheap"]) < 0.1


def test_it_finds_the_better_arm():
    rng, chances = np.random.default_rng(1), {"a": 0.2, "b": 0.5, "c": 0.3}
    records = {arm: Record() for arm in chances}
    drawn = Counter()
    for _ in range(400):
        arm = thompson(records, rng)
        won = rng.random() < chances[arm]
        old = records[arm]
        records[arm] = Record(old.successes + won, old.failures + (not won))
        drawn[arm] += 1
    assert drawn["b"] > 200
