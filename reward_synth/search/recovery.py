"""Trainings that go on although their process is lost: once more, then each member alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from reward_synth.search.blame import blame, environment_error
from reward_synth.search.failure import Failure, WorkerError
from reward_synth.search.store import Store

Result = TypeVar("Result")


def once_more(work: Callable[[], Result], notice: Callable[[str], None]) -> Result:
    """Do the work, and again if its process was lost: once can be an accident, such as a kill.

    Args:
      work: goes on where it was left when it is done again.
      notice: told of the loss.

    Raises:
      WorkerError: it was lost twice.
    """
    try:
        return work()
    except WorkerError as error:
        notice(f"{error} It is started again.")
    return work()


def train_all(
    store: Store,
    job: str,
    members: Sequence[str],
    together: Callable[[], None],
    alone: Callable[[int], None],
    notice: Callable[[str], None],
) -> dict[int, Failure]:
    """Train members together; if their process is lost twice, each alone.

    Can be killed at any point and called again. What is kept, under ``<job>/lost`` in the
    store, is that they train alone, and how each fared; their results are for ``together``
    and ``alone`` to keep, and both do nothing if they have kept them already. They raise
    ``WorkerError`` if their process is lost.

    Args:
      store: the run's.
      job: such as ``"gen_00/train"``.
      members: their ids.
      together: trains all that are not trained yet, from its own checkpoint.
      alone: trains one, by place, from a checkpoint of its own; see ``blame``.
      notice: told what is lost and what is done about it.

    Returns:
      By place, how they failed whose rewards are at fault. The others are trained, by
      ``together`` or one by one by ``alone``.

    Raises:
      TrainingError: it is no reward's fault. The next call begins again, together.
    """
    key = f"{job}/lost"
    lost = store.get(key)
    if lost is None:
        try:
            once_more(together, notice)
        except WorkerError as error:
            if not error.failure.during:
                raise environment_error(error.failure) from error
            if len(members) == 1:
                return {0: error.failure}
            notice(f"{error} Each candidate now trains alone, to find out whose fault that is.")
            lost = {}
            store.put(key, lost)
        else:
            return {}

    def run_alone(place: int) -> Failure | None:
        try:
            once_more(lambda: alone(place), notice)
        except WorkerError as error:
            return error.failure
        return None

    def note(place: int, failure: Failure | None) -> None:
        lost[members[place]] = failure and failure.to_json()
        store.put(key, lost)

    known = {
        place: lost[member] and Failure.from_json(lost[member])
        for place, member in enumerate(members)
        if member in lost
    }
    verdicts = blame(run_alone, len(members), known=known, note=note)
    if verdicts.environment is not None:
        store.put(key, None)  # once it is mended, they are innocent
        raise environment_error(verdicts.environment)
    return verdicts.guilty
