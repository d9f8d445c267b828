"""What a run says about its own screens and races, by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reward_synth.records import Rejection, Stage
from reward_synth.search.candidate import audits
from reward_synth.search.summary import summary
from reward_synth.train.race import Standing
from tests.search.archives import candidate

SCREENED = {"score": None, "rejection": Rejection(Stage.SCREEN, "losing the episode pays.")}


def passed(index, fitness, generation=0, standing=None):
    standings = () if standing is None else (Standing(100, standing, standing, True),)
    return replace(candidate(generation, index, fitness), standings=standings)


def audited(index, fitness=None, generation=0, **changes):
    """Turned down by a screen and trained all the same; as the loop has it, it says so for ever."""
    made = replace(candidate(generation, index, fitness or 0.0), **SCREENED, audited=True)
    scored = candidate(generation, index, fitness or 0.0).score
    return replace(made, score=None if fitness is None else scored, **changes)


def test_audited_are_judged_by_the_median_of_the_others_of_their_generation():
    others = [passed(i, float(i)) for i in range(1, 4)]  # median 2
    failed = Rejection(Stage.TRAIN, "it drives the simulation to NaN.")
    cut = (Standing(100, 0.0, 0.0, kept=False),)
    found = [
        *others,
        audited(4, 2.0),
        audited(5, 1.9),
        audited(6, 9.0),
        audited(7, standings=cut),
        audited(8, rejection=failed),
        audited(9),  # waits
        audited(0, 9.0, generation=1),  # has nobody to be compared with
    ]
    assert audits(found) == [True, False, True, False, False]


def test_screens_say_how_often_they_were_wrong():
    turned_down = [replace(candidate(0, i, 0.0), **SCREENED) for i in range(10, 15)]
    found = [*(passed(i, float(i)) for i in range(1, 4)), audited(4, 1.0), audited(5, 1.5)]
    # Wilson for 0 of 2: z^2 / (2 + z^2), z = 1.96
    assert summary([*found, *turned_down], ()) == [
        "screens turned down 7 of 10 candidates; of 2 trained all the same 0 did as well as the "
        "median [0.00, 0.66]"
    ]
    assert summary([*found[:3], *turned_down], ()) == [
        "screens turned down 5 of 8 candidates; none of them was trained all the same"
    ]


def test_rungs_say_whether_their_order_was_that_of_the_end():
    """At the end 3, 2, 1; at the rung 2, 3, 1: two pairs of three are in order."""
    found = [passed(0, 3.0, standing=2.0), passed(1, 2.0, standing=3.0)]
    found.append(passed(2, 1.0, standing=1.0))
    (line,) = summary(found, (0.2, 0.4))
    assert line.startswith("rung 1 (20%): tau 0.33 [")
    assert line.endswith("] over 3 pairs")
    (line,) = summary(found[:2], (0.2, 0.4))
    assert line.startswith("rung 1 (20%): tau -1.00 [")
    assert line.endswith("] over 1 pair")


@pytest.mark.parametrize("candidates", [[], [passed(0, 1.0, standing=1.0)]])
def test_nothing_is_said_where_nothing_is_known(candidates):
    assert summary(candidates, (0.2,)) == []
