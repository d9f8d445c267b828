"""Who is to blame, whatever befalls whom."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reward_synth.records import Rejection, Stage
from reward_synth.search.blame import alike, blame, environment_error, rejection
from reward_synth.search.failure import Failure

LOG = Path("run/training.log")
HUNG = Failure.silent(60.0, "generation", LOG)
SEGFAULT = Failure.ended(-11, "generation", LOG)
KILLED = Failure.ended(-9, "generation", LOG)
BUG = Failure.raised("ValueError", "shapes", "generation", LOG)
UNBORN = Failure.raised("ImportError", "no jaxlib", "", LOG)


class Trials:
    """Members that fail as they are told to, tried alone and counted."""

    def __init__(self, fates):
        self.fates = fates
        self.tried = []

    def __call__(self, index):
        self.tried.append(index)
        return self.fates[index]


@pytest.mark.parametrize(
    ("fates", "guilty", "environment", "tried"),
    [
        ([None, None, None], [], None, 3),  # an accident, or one of them together
        ([None, SEGFAULT, None], [1], None, 3),
        ([SEGFAULT], [0], None, 1),  # one alone proves nothing about what is around it
        ([SEGFAULT, SEGFAULT], [], SEGFAULT, 2),
        ([HUNG, None, HUNG, None], [], HUNG, 3),
        ([HUNG, None, None, HUNG, None], [0, 3], None, 5),  # two, but fewer than half
        ([HUNG, SEGFAULT, BUG, KILLED], [0, 1, 2, 3], None, 4),  # each in its own way
        ([BUG] * 8, [], BUG, 4),  # no more are tried than it takes
        ([None, UNBORN, None, None, None], [], UNBORN, 2),
    ],
)
def test_verdicts(fates, guilty, environment, tried):
    trials = Trials(fates)
    verdicts = blame(trials, len(fates))
    assert verdicts.guilty == {index: fates[index] for index in guilty}
    assert verdicts.environment == environment
    assert trials.tried == list(range(tried))


class KilledError(Exception):
    pass


@given(
    st.lists(st.sampled_from([None, None, HUNG, SEGFAULT, BUG, UNBORN]), max_size=8),
    st.lists(st.tuples(st.integers(0, 8), st.booleans()), max_size=5),
)
def test_killed_anywhere_and_called_again_it_says_the_same(fates, kills):
    """Each sitting is killed at a trial: before it, or after it and before it is noted."""
    kept, tried = {}, []

    def sitting(kill_at, after):
        def run_alone(index):
            if index == kill_at and not after:
                raise KilledError
            tried.append(index)
            if index == kill_at:
                raise KilledError
            return fates[index]

        return blame(run_alone, len(fates), known=dict(kept), note=kept.__setitem__)

    for kill_at, after in kills:
        try:
            sitting(kill_at, after)
        except KilledError:
            assert kill_at not in kept
    assert sitting(None, False) == blame(Trials(fates), len(fates))
    noted_again = [i for i in set(tried) if tried.count(i) > 1 + sum(k == (i, True) for k in kills)]
    assert not noted_again


@pytest.mark.parametrize("failure", [HUNG, SEGFAULT, KILLED, BUG])
def test_a_rejection_says_what_to_do(failure):
    turned_down = rejection(failure)
    assert turned_down.stage is Stage.TRAIN
    assert turned_down.reason.startswith(f"its training {failure.words}")
    assert "make it simpler" in turned_down.reason or "smaller arrays" in turned_down.reason


def test_the_error_names_the_log_and_that_the_run_is_kept():
    message = str(environment_error(SEGFAULT))
    assert "\n" not in message
    assert "Segmentation fault (SIGSEGV)" in message
    assert str(LOG) in message
    assert "can be continued" in message


NAN = Rejection(Stage.TRAIN, "the final policy drives the simulation to NaN.")
OTHER = Rejection(Stage.TRAIN, "the policy's update became infinite or NaN.")
LINT = Rejection(Stage.LINT, NAN.reason)


@pytest.mark.parametrize(
    ("rejections", "said"),
    [
        ([NAN, NAN, NAN], True),
        ([NAN, NAN], True),
        ([NAN], False),
        ([], False),
        ([NAN, OTHER], False),
        ([NAN, None, NAN], False),
        ([None, None], False),
        ([LINT, LINT], False),
        ([NAN, LINT], False),
    ],
)
def test_the_same_end_for_all_is_said(rejections, said):
    notice = alike(rejections)
    assert (notice is not None) == said
    if notice:
        assert NAN.reason in notice
        assert f"all {len(rejections)} candidates" in notice
