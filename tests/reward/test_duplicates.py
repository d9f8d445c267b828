"""Whether a reward has been had before."""

from __future__ import annotations

import numpy as np
import pytest

from reward_synth.reward.canonical import Sample, canonical
from reward_synth.reward.compare import pearson_distance
from reward_synth.reward.duplicates import (
    THRESHOLD,
    Duplicate,
    Known,
    Likeness,
    find_duplicate,
    identity_distance,
)
from tests.reward.compared import (
    BOTH,
    CAPPED,
    EFFORT,
    NEAR,
    NOTHING,
    SPEED,
    pushed,
    reward_of,
    scaled,
    shaped,
)

SOURCE = '''"""Near."""
WEIGHTS = {{"near": {}}}

def reward(state, action, next_state, w):
    terms = {{"near": -w["near"] * jnp.abs(next_state.position)}}
    return sum(terms.values()), terms
'''
ONE, TWO = SOURCE.format(1.0), SOURCE.format(2.0)


@pytest.fixture(scope="module")
def sample() -> Sample:
    return Sample.draw(pushed(2000), seed=0)


def test_by_text(sample):
    near = canonical(NEAR, sample)
    known = [Known.of("g00c00", TWO), Known.of("g00c01", ONE), Known.of("g00c02", ONE)]
    rewritten = ONE.replace("Near", "Other words").replace("1.0", "1")
    expected = Duplicate("g00c01", Likeness.TEXT, 0.0)
    assert find_duplicate(rewritten, None, known) == expected
    assert find_duplicate(rewritten, near, known) == expected
    assert find_duplicate(SOURCE.format(3.0), near, known) is None
    with pytest.raises(ValueError, match="reward"):
        find_duplicate("x = 1", None, known)


def test_by_behaviour_it_is_the_nearest(sample):
    forms = {name: canonical(r, sample) for name, r in (("near", NEAR), ("effort", EFFORT))}
    known = [Known.of(name, TWO, form) for name, form in forms.items()]
    twice = canonical(scaled(NEAR, 2.0), sample)
    found = find_duplicate(ONE, twice, known)
    assert found is not None
    assert (found.id, found.by) == ("near", Likeness.BEHAVIOUR)
    assert found.distance < 1e-6
    assert find_duplicate(ONE, twice, []) is None
    assert find_duplicate(ONE, twice, [Known.of("near", TWO)]) is None
    assert find_duplicate(ONE, canonical(SPEED, sample), known) is None
    # With a threshold that all pass, still the nearest.
    found = find_duplicate(ONE, twice, known[::-1], threshold=1.0)
    assert found is not None
    assert found.id == "near"


def test_weights_that_hardly_differ(sample):
    own = canonical(BOTH, sample)
    for change, same in ((0.01, True), (0.1, False), (0.5, False)):
        weights = BOTH.weights * np.float32([1.0 + change, 1.0 - change])
        distance = identity_distance(own, canonical(BOTH, sample, weights))
        assert (distance <= THRESHOLD) == same, (change, distance)


def test_what_one_distance_alone_would_take_for_the_same(sample):
    """Shaping and constants are the same to EPIC, a cap not yet reached is to the values."""
    near = canonical(NEAR, sample)
    for other in (scaled(NEAR, 1.0, 2.0), shaped(NEAR, lambda x: 3.0 * x[:, 0])):
        form = canonical(other, sample)
        assert pearson_distance(near.epic, form.epic) < 1e-3
        assert identity_distance(near, form) > 0.1
    speed, capped = canonical(SPEED, sample), canonical(CAPPED, sample)
    assert (speed.values == capped.values).all()
    assert identity_distance(speed, capped) > 0.1


def test_nothing_is_known_of_a_bonus_that_was_not_earned(sample):
    for height in (50.0, 60.0):
        never = reward_of(lambda s, a, n, w, h=height: (np.abs(n[:, 0]) > h).astype(float))
        form = canonical(never, sample)
        known = [Known.of("g00c00", TWO, canonical(NOTHING, sample)), Known.of("c1", TWO, form)]
        assert find_duplicate(ONE, form, known) is None
    nan = canonical(reward_of(lambda s, a, n, w: np.full(len(a), np.nan)), sample)
    assert identity_distance(nan, nan) == 1.0
