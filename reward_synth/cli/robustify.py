"""``reward-synth robustify``: a run's winner, trained in worlds that differ, and compared."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reward_synth.cli.arguments import whole_numbers
from reward_synth.cli.outcome import shorten
from reward_synth.errors import ConfigError
from reward_synth.files import cache_folder, write_text
from reward_synth.run_folder import check_run

# default, least; 0 steps are as many as the run trained for, 0 more as many again
_SETTINGS = {"trainings": (4, 1), "steps": (0, 1), "more": (0, 1), "episodes": (20, 2)}


def robustify_run(arguments: Sequence[str]) -> int:
    """Do the second stage of a run, or go on with it; print a table and where the plot is.

    Raises:
      ConfigError: an argument is wrong.
      RewardSynthError: the run has no winner, or cannot be trained on.
    """
    folders, given = whole_numbers(arguments, _SETTINGS)
    if len(folders) != 1:
        raise ConfigError(f"`reward-synth robustify` takes one run folder, not {len(folders)}.")
    folder = folders[0]
    check_run(folder)

    from reward_synth.train.setup import configure_jax

    configure_jax(cache_folder() / "xla")
    from reward_synth.cli.stress import winner
    from reward_synth.cli.tables import open_console, robustness_table
    from reward_synth.report.build import build_report
    from reward_synth.report.stress import stress_plot
    from reward_synth.search.budget import Budget
    from reward_synth.search.config import config_from_json
    from reward_synth.search.robustify import Settings, Stage
    from reward_synth.search.store import Store

    subject = winner(folder)
    with Store.open(folder) as store:
        config = config_from_json(store.get("config"))
        config.check()
        if config.trainer != "jax":
            raise ConfigError("robustify trains with trainer=jax, which this run did not.")
        best = store.get("best")
        result = store.get("result")
        steps = given["steps"] or config.search.steps or subject.task.train_steps
        (candidate,) = [
            c for c in store.candidates() if c.id == (result["best"] if result else best)
        ]
        stage = Stage(
            store=store,
            config=config,
            task=subject.task,
            best=candidate,
            place=str(subject.folder.relative_to(folder)),
            settings=Settings(given["trainings"], steps, given["more"] or steps, given["episodes"]),
            budget=Budget(config.budget, store),
            say=lambda text: print(text, flush=True),
        )
        found = stage.run()
        write_text(stage.folder / "robustness.svg", stress_plot(found.tests))
        plot = stage.folder / "robustness.svg"
    build_report(folder)
    open_console().print(robustness_table(found))
    print(shorten(Path(plot)))
    return 0
