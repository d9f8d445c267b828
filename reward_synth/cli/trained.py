"""What a run has trained: its task as it was then, and the policy that stands for its winner."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from reward_synth.errors import ExportError, TaskError

if TYPE_CHECKING:
    from reward_synth.task import Task


def final_trainings(run: Path) -> list[Path]:
    """Return the folders of the found reward's final trainings, the least fit first.

    The middle one stands for the winner: neither the luckiest nor the unluckiest. A training
    whose files are gone is not among them.
    """
    from reward_synth.rollout.episodes import Rollouts

    fitness = {
        policy.parent: float(Rollouts.load(rollout).episode_fitness.mean())
        for policy in (run / "final" / "found").glob("seed_*/policy.npz")
        if (rollout := policy.with_name("rollout.npz")).is_file()
    }
    return sorted(fitness, key=lambda folder: (fitness[folder], folder.name))


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
