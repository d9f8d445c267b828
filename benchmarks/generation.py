"""Where the time of a search goes: one whole run without a language model, stage by stage.

    .venv/bin/python benchmarks/generation.py [--task hopper] [--generations 3] [--cold]

Prints a table, and as its last line the same as JSON. ``--cold`` starts with an empty cache of
compiled programs, as the first run on a machine does. Videos are made beside training; their row
is the time for which the run waits for the last of them. The target is that training takes more
than 80% of a generation.
"""

import argparse
import contextlib
import json
import os
import platform
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

# (stage, where its function is looked up, the function's name)
STAGES = (
    ("propose and trace", "reward_synth.search.loop", "propose_generation"),
    ("load rewards", "reward_synth.search.trainings", "traced_reward"),
    ("train", "reward_synth.train.job", "train"),
    ("held-out episodes", "reward_synth.search.trainings", "evaluate"),
)


class Silence:
    """A listener that does not listen."""

    def __getattr__(self, name: str):
        return lambda *arguments, **options: None


@contextlib.contextmanager
def stopwatch(module: ModuleType, name: str, spent: dict[str, float], stage: str) -> Iterator[None]:
    """Add up the seconds that a module's function takes."""
    function = getattr(module, name)

    def timed(*arguments, **options):
        began = time.perf_counter()
        try:
            return function(*arguments, **options)
        finally:
            spent[stage] = spent.get(stage, 0.0) + time.perf_counter() - began

    setattr(module, name, timed)
    try:
        yield
    finally:
        setattr(module, name, function)


def measure(task: str, generations: int, steps: int | None, folder: Path) -> dict:
    """Run a search and return the seconds of each stage."""
    from importlib import import_module

    began = time.perf_counter()
    from reward_synth.report.build import build_report
    from reward_synth.rollout.video import VideoWorker
    from reward_synth.search.config import FinalSettings, LLMSettings, RunConfig, SearchSettings
    from reward_synth.search.loop import start

    config = RunConfig(task=task, llm=LLMSettings("offline"), final=FinalSettings(trainings=0))
    config = replace(config, search=SearchSettings(generations=generations, steps=steps))
    spent: dict[str, float] = {}
    with contextlib.ExitStack() as stack:
        for stage, module, name in STAGES:
            stack.enter_context(stopwatch(import_module(module), name, spent, stage))
        stack.enter_context(stopwatch(VideoWorker, "wait", spent, "wait for videos"))  # pyright: ignore
        start(config, folder, Silence())  # pyright: ignore
    ran = time.perf_counter()
    build_report(folder)
    total = time.perf_counter() - began
    spent["report"] = time.perf_counter() - ran
    spent["start-up and the rest"] = total - sum(spent.values())
    loop = [spent[stage] for stage, _, _ in STAGES]
    return {
        "task": task,
        "generations": generations,
        "seconds": {stage: round(seconds, 2) for stage, seconds in spent.items()},
        "total": round(total, 2),
        "training_share_of_generations": round(spent["train"] / sum(loop), 3),
        "training_share_of_run": round(spent["train"] / total, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--task", default="hopper")
    parser.add_argument("--generations", type=int, default=3)
    parser.add_argument("--steps", type=int, help="for each candidate; default: the task's own")
    parser.add_argument("--cold", action="store_true", help="begin with an empty compilation cache")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        if options.cold:
            os.environ["XDG_CACHE_HOME"] = scratch
        folder = Path(scratch) / "run"
        result = measure(options.task, options.generations, options.steps, folder)
    result["cache"] = "cold" if options.cold else "as it was"
    for stage, seconds in result["seconds"].items():
        print(f"{stage:24}{seconds:8.2f} s {seconds / result['total']:7.1%}")
    print(f"{'total':24}{result['total']:8.2f} s")
    print(f"training takes {result['training_share_of_generations']:.0%} of a generation")
    print(json.dumps({"machine": platform.machine(), "cores": os.cpu_count(), **result}))


if __name__ == "__main__":
    main()
