"""Which failures are told: the most instructive ones, each once, in the same order every time."""

from dataclasses import replace

from reward_synth.records import Stage
from reward_synth.search.setbacks import failures
from tests.search.descent import (
    ALL,
    BASE,
    BEST,
    BROKEN,
    CHILD,
    LOSER,
    RACE,
    RIVAL,
    archive,
    rejected,
)


def ids(lines):
    return [line.split(" ")[0] for line in lines]


def test_one_of_each_kind():
    lost, screened, cut = failures(ALL, CHILD)
    assert lost.startswith("g02c01 (structure), a bonus for standing: fitness -")
    assert "] against g01c00." in lost
    assert screened == (
        "g01c01 (structure), a change of code: turned down before training: standing still "
        "earns 1.2 a step, hopping 0.9."
    )
    assert cut == (
        "g03c00 (thought), idea 0: cut after 10,240 steps of training: its fitness stood at 0.05, "
        "the median of its generation at 1.2."
    )


def test_only_the_parents_own_children_count_as_lost():
    assert "g02c01" not in ids(failures(ALL, BASE))
    assert "g02c01" in ids(failures(ALL))


def test_neither_the_parent_nor_its_ancestors_are_failures():
    worse = replace(CHILD, score=replace(CHILD.score, trainings=(0.0, 0.1)))
    child = replace(BEST, score=replace(BEST.score, trainings=(0.3,)))
    assert ids(failures(archive(BASE, worse, child))) == ["g01c00"]
    assert failures(archive(BASE, worse, child), child) == ()


def test_code_that_did_not_run_fills_up_and_no_answer_is_no_lesson():
    assert ids(failures(archive(BASE, CHILD, BEST, BROKEN), CHILD)) == ["g02c02"]
    assert ids(failures(archive(BASE, CHILD, LOSER, BROKEN), CHILD)) == ["g02c01", "g02c02"]
    assert "g02c03" not in ids(failures(ALL, CHILD))


def test_the_same_reason_is_told_once_and_the_parents_children_first():
    reason = "standing still earns {} a step."
    others = [rejected(f"g02c{i:02d}", Stage.SCREEN, reason.format(i)) for i in range(3)]
    own = rejected("g01c05", Stage.SCREEN, reason.format(9.5), ("g01c00",))
    another = rejected("g01c06", Stage.TRAIN, "the reward became infinite.")
    lines = failures(archive(BASE, CHILD, own, another, *others), CHILD)
    assert ids(lines) == ["g01c05", "g01c06"]


def test_only_those_far_behind_are_told_of_the_race():
    assert ids(failures(archive(BASE, RIVAL, *RACE))) == ["g03c00"]
    assert failures(archive(BASE, RIVAL, *RACE[2:])) == ()


def test_lines_are_short():
    long = rejected("g02c09", Stage.SCREEN, "far too long " * 100)
    assert len(failures(archive(BASE, long))[0]) < 400
