"""How often a rejection was wrong."""

import pytest

from reward_synth.feedback.audit import FalseRejects, audited, did_well, false_rejects


def test_a_tenth_is_audited_by_seed():
    drawn = [audited(seed) for seed in range(2000)]
    assert drawn == [audited(seed) for seed in range(2000)]
    assert 150 <= sum(drawn) <= 250
    assert sum(audited(seed, 0.5) for seed in range(2000)) > 900
    assert not any(audited(seed, 0.0) for seed in range(100))


def test_the_median_is_well_enough():
    assert did_well(2.0, [1.0, 2.0, 3.0])
    assert not did_well(1.9, [1.0, 2.0, 3.0])
    assert did_well(-5.0, [])
    assert not did_well(None, [])


def test_nothing_audited_says_nothing():
    assert false_rejects([]) == FalseRejects(0, 0, None, 0.0, 1.0)


def test_wilson_by_hand():
    """For 1 of 10 and z = 1.96: (0.1 + z^2/20 -+ z sqrt(0.009 + z^2/400)) / (1 + z^2/10)."""
    found = false_rejects([True] + [False] * 9)
    assert (found.audited, found.wrong, found.rate) == (10, 1, 0.1)
    assert (found.low, found.high) == pytest.approx((0.0179, 0.4042), abs=1e-4)


def test_no_mistake_among_ten_is_not_none_at_all():
    found = false_rejects([False] * 10)
    assert found.rate == 0.0
    assert found.low == 0.0
    assert found.high == pytest.approx(0.2775, abs=1e-4)
