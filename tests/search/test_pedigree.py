"""Estimates over the family tree: who is like whom."""

from __future__ import annotations

import numpy as np
import pytest

from reward_synth.feedback.estimates import estimates
from reward_synth.search.pedigree import fitness_estimates, resemblance
from tests.search.archives import candidate


def test_a_child_is_like_its_first_parent_and_through_it_like_its_kin():
    founder, stranger = candidate(0, 0, 1.0), candidate(0, 1, 1.0)
    child = candidate(1, 0, parents=("g00c00",))
    crossed = candidate(1, 1, parents=("g00c00", "g00c01"))
    grandchild = candidate(2, 0, parents=("g01c00",))
    alike = resemblance([founder, stranger, child, crossed, grandchild])
    h = alike[0, 2]
    assert 0.0 < h < 1.0
    assert alike == pytest.approx(alike.T)
    assert np.diag(alike).tolist() == [1.0] * 5
    assert alike[1].tolist() == [0.0, 1.0, 0.0, 0.0, 0.0]
    assert alike[0] == pytest.approx([1.0, 0.0, h, h, h**2])
    assert alike[4] == pytest.approx([h**2, 0.0, h, h**3, 1.0])
    assert np.linalg.eigvalsh(alike).min() > 0.0


def test_orphans_are_like_nobody():
    alike = resemblance([candidate(1, k, parents=("g00c07",)) for k in range(2)])
    assert alike.tolist() == np.eye(2).tolist()


def test_only_who_is_scored_is_estimated_and_kin_count():
    founder, cut = candidate(0, 0, 9.0), candidate(0, 1)
    others = [candidate(0, 2 + k, float(k)) for k in range(3)]
    children = [candidate(1, k, 0.5, parents=("g00c00",)) for k in range(3)]
    everybody = [founder, cut, *others, *children]
    found = fitness_estimates(everybody)
    assert set(found) == {c.id for c in everybody} - {cut.id}
    plain = estimates({c.id: c.score.trainings for c in everybody if c.score})
    assert found[founder.id].mean < plain[founder.id].mean
