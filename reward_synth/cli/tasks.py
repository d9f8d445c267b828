"""``reward-synth tasks`` and ``reward-synth check``: what there is, and whether it can be used."""

from __future__ import annotations

from reward_synth.errors import TaskError


def list_tasks() -> int:
    """Print a table of the bundled tasks."""
    # Imported here because tasks bring MuJoCo and JAX, which the rest of the CLI does without.
    from reward_synth.cli.tables import open_console, tasks_table
    from reward_synth.task import bundled_tasks, load_task

    open_console().print(tasks_table([load_task(name) for name in bundled_tasks()]))
    print("Details: task.md in the task's folder. Run one: reward-synth run task=<name>")
    return 0


def check(path: str) -> int:
    """Print what is wrong with a task; return 1 if anything is."""
    from reward_synth.task import find_task
    from reward_synth.task.check import check_task

    try:
        folder = find_task(path)
    except TaskError as error:
        problems: tuple[str, ...] = (str(error),)
        name = path
    else:
        problems = check_task(folder)
        name = folder.name
    if not problems:
        print(f"{name}: fine. Run it: reward-synth run task={path}")
        return 0
    print(f"{name}: {len(problems)} problem{'s' if len(problems) > 1 else ''}")
    for problem in problems:
        print(f"  - {problem}")
    return 1
