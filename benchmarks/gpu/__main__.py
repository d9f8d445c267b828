"""The command; see the package's docstring."""

from __future__ import annotations

import argparse
import importlib.util
import json
import time
from dataclasses import asdict, replace
from pathlib import Path

from benchmarks import gpu
from benchmarks.gpu.drive import Results, run
from benchmarks.gpu.plan import TOY, TOY_SETTINGS, Cell, Grid, Settings, plan
from benchmarks.gpu.tables import report
from reward_synth.files import write_text

BACKENDS = ("mjx", "mjx-jax", "mjx-warp", "cpu")


def main(arguments: list[str] | None = None) -> None:
    options = _parse(arguments)
    started = time.monotonic()
    grid, settings = _choose(options)
    results = run(
        plan(grid),
        settings,
        options.work,
        limit=60 * options.cell_minutes,
        deadline=started + 60 * options.minutes,
        say=lambda line: print(line, flush=True),
    )
    print(f"\n{report(results, settings)}\n")
    line = json.dumps(summary(results, settings))
    if options.output:
        write_text(options.output, line + "\n")
    print(line)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    grid, settings = Grid(), Settings()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description=gpu.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    lists = parser.add_argument_group("what to measure; lists in order of importance")
    lists.add_argument("--tasks", nargs="+", default=grid.tasks, help="names or folders")
    lists.add_argument(
        "--backend", nargs="+", default=grid.backends, help=f"of {', '.join(BACKENDS)}"
    )
    lists.add_argument("--candidates", nargs="+", type=int, default=grid.candidates, help="K")
    lists.add_argument("--envs", nargs="+", type=int, default=grid.envs, help="N, for each of K")
    lists.add_argument(
        "--brax",
        nargs="*",
        default=grid.implementations,
        help="what Playground's MJX runs on: jax, warp, or nothing to leave it out",
    )
    sizes = parser.add_argument_group("sizes, the same for Brax")
    sizes.add_argument("--horizon", type=int, default=settings.horizon)
    sizes.add_argument("--epochs", type=int, default=settings.epochs)
    sizes.add_argument("--minibatches", type=int, default=settings.minibatches)
    sizes.add_argument("--hidden", nargs="+", type=int, default=settings.hidden)
    sizes.add_argument("--steps", type=int, default=settings.steps, help="of whole trainings")
    sizes.add_argument("--seconds", type=float, default=settings.seconds, help="iterations timed")
    add("--toy", action="store_true", help="tiny, to see that all of it runs; no sizes then")
    add("--work", type=Path, default=Path("outputs/gpu"), help="results, and where to go on")
    add("--minutes", type=float, default=24 * 60.0, help="after which to stop (default: a day)")
    add("--cell-minutes", type=float, default=5.0, help="after which a cell is ended")
    add("--output", type=Path, help="file for the JSON")
    return parser.parse_args(arguments)


def _choose(options: argparse.Namespace) -> tuple[Grid, Settings]:
    """Return what the options ask for, less what the installed packages cannot do."""
    if options.toy:
        engines = options.brax and TOY.implementations
        grid = replace(TOY, backends=options.backend, implementations=engines)
        settings = TOY_SETTINGS
    else:
        grid = Grid(options.tasks, options.backend, options.candidates, options.envs, options.brax)
        settings = Settings(
            horizon=options.horizon,
            epochs=options.epochs,
            minibatches=options.minibatches,
            hidden=tuple(options.hidden),
            steps=options.steps,
            seconds=options.seconds,
        )
    for envs in grid.envs:
        if envs % settings.minibatches:
            raise SystemExit(f"--envs {envs} must be a multiple of --minibatches, for Brax.")
    for backend in grid.backends:
        if backend not in BACKENDS:
            raise SystemExit(f"--backend {backend} is none: take of {', '.join(BACKENDS)}.")
    if set(grid.backends) != {"cpu"} and importlib.util.find_spec("mujoco.mjx") is None:
        raise SystemExit("backend mjx needs the mjx extra: pip install 'reward-synth[mjx]'.")
    missing = [name for name in ("brax", "mujoco_playground") if not importlib.util.find_spec(name)]
    if grid.implementations and missing:
        print("no comparison with Brax: pip install -c constraints.txt playground brax")
        grid = replace(grid, implementations=())
    return grid, settings


def summary(results: Results, settings: Settings) -> dict[str, object]:
    cells = [{**_plain(cell), **found} for cell, found in results.items()]
    return {"settings": asdict(settings), "cells": cells}


def _plain(cell: Cell) -> dict[str, object]:
    """Return the cell without the folders of this machine."""
    return {**asdict(cell), "task": Path(cell.task).name}


if __name__ == "__main__":
    main()
