"""The task that something was trained for, as it was then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reward_synth.errors import ExportError, TaskError

if TYPE_CHECKING:
    from reward_synth.task import Task


def task_of(folder: str | None, name: str, fingerprint: str, when: str) -> Task:
    """Load a task, where it was or by its name.

    Args:
      folder: where it was; None if that is not known.
      name: of the task, for what came from another machine.
      fingerprint: as it was.
      when: it was so, such as "when the policy was trained".

    Raises:
      ExportError: it is not as it was.
      TaskError: it is gone.
    """
    from reward_synth.task import load_task

    try:
        task = load_task(folder or name)
    except TaskError:
        task = load_task(name)
    if task.fingerprint != fingerprint:
        raise ExportError(
            f"task {task.name} is not as it was {when}: its policy may be for another robot. "
            "Restore the task's folder, or train again."
        )
    return task
