"""Who is to blame for a training that hung, crashed or came to nothing: a reward, or all around it.

A population trains in one process, so that one bad member takes the others with it. It is found
by training each member alone. That is no more work than training them together, and none of
it is lost: alone a member learns what it would among others, to the bit, so a training that
ends is that member's result. Halving groups would need fewer trainings, but would meet the
fault again at every halving, and each time it hangs costs the whole time limit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from reward_synth.errors import TrainingError
from reward_synth.records import Rejection, Stage
from reward_synth.search.failure import Failure, FailureKind

_FEWEST_ALIKE = 2


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Who is to blame.

    Attributes:
      guilty: by place, how each member failed whose reward is at fault.
      environment: how the members fail if it is not their rewards' fault, but that of the
        task, the machine or ourselves; None if it is not.
    """

    guilty: dict[int, Failure]
    environment: Failure | None = None


def blame(
    run_alone: Callable[[int], Failure | None],
    count: int,
    *,
    known: Mapping[int, Failure | None] | None = None,
    note: Callable[[int, Failure | None], None] = lambda index, failure: None,
) -> Verdicts:
    """Train each member alone and say who is to blame for what befell them together.

    Several that fail alike, two at least and half of all, are the environment's fault; so is a
    process that does not even start. No more are tried once that is so.

    Can be killed at any point and called again with what it had noted: nobody that was noted
    is tried again, and the verdicts are the same.

    Args:
      run_alone: trains one member, by place; None if it went well.
      count: members that failed together.
      known: what ``note`` was told in an earlier sitting, as far as it got.
      note: told what came of each member as soon as it is known, to be written down. When the
        environment is found at fault, forget it all: it may be mended by the next sitting.
    """
    found = dict(known or {})
    guilty: dict[int, Failure] = {}
    for index in range(count):
        if index not in found:
            found[index] = run_alone(index)
            note(index, found[index])
        failure = found[index]
        if failure is None:
            continue
        guilty[index] = failure
        alike = sum(failure.like(other) for other in guilty.values())
        if not failure.during or (alike >= _FEWEST_ALIKE and 2 * alike >= count):
            return Verdicts({}, failure)
    return Verdicts(guilty)


def rejection(failure: Failure) -> Rejection:
    """Turn a candidate down for what its training did."""
    if failure.kind is FailureKind.HUNG:
        mend = "use no loops, fewer operations and smaller arrays"
    else:
        mend = "make it simpler"
    return Rejection(Stage.TRAIN, f"its training {failure.words}: {mend}.")


def environment_error(failure: Failure) -> TrainingError:
    """Return the error for the user when it is no reward's fault."""
    return TrainingError(
        f"the training process {failure.words}, whatever the reward: the fault is in the task, the "
        f"machine or reward-synth, not in the rewards. Its log is {failure.log}. All that was done "
        "is kept, and the run can be continued once it is mended."
    )


def alike(rejections: Sequence[Rejection | None]) -> str | None:
    """Say so if all trained candidates were turned down for the same reason; else None.

    A reward that ruins its own training is its own fault. Rewards that differ and are ruined in
    the same words point at what they share.

    Args:
      rejections: of all candidates that got as far as training; None for one that is well.
    """
    reasons = {r.reason if r is not None and r.stage is Stage.TRAIN else None for r in rejections}
    if len(rejections) < _FEWEST_ALIKE or len(reasons) > 1 or None in reasons:
        return None
    return (
        f"all {len(rejections)} candidates were turned down in training for the same reason, "
        f'"{reasons.pop()}" The task may be at fault rather than the rewards: see '
        "`reward-synth check`, and whether the expert's or the sparse reward trains."
    )
