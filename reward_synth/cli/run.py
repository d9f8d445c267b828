"""``reward-synth run``: a hydra application; ``resume=<folder>`` continues what it began."""

from __future__ import annotations

import argparse
import logging
import os
import secrets
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from reward_synth.cli.arguments import Parser
from reward_synth.cli.outcome import INTERRUPTED, explain, shorten
from reward_synth.cli.presets import CONF
from reward_synth.cli.settings import VERSION_BASE, check_overrides, register_schema, to_run_config
from reward_synth.content import content_folder
from reward_synth.errors import ConfigError, did_you_mean
from reward_synth.run_folder import is_run

if TYPE_CHECKING:
    from reward_synth.search.listener import Listener

_OPTIONS = ("--help", "--multirun", "--cfg", "--resolve", "--package", "--config-dir", "--info")


def run(arguments: Sequence[str]) -> int:
    """Run hydra's job for these arguments, or each of a multirun's; return the exit code.

    Raises:
      ConfigError: a setting or an option is wrong; nothing was begun.
    """
    resumed = [text for text in arguments if text.startswith("resume=")]
    if resumed:
        if len(arguments) > 1:
            raise ConfigError("a resumed run keeps its settings: give resume=<folder> alone.")
        return _resume(Path(resumed[0].partition("=")[2]).expanduser())
    options = _parse(arguments)
    register_schema()
    _register_resolvers()
    check_overrides(options.overrides, multirun=options.multirun, config_dir=options.config_dir)
    codes: list[int] = []

    def job(composed: DictConfig) -> None:
        codes.append(_start(composed))

    application = hydra.main(version_base=VERSION_BASE, config_path=str(CONF), config_name="config")
    with _as_hydra_wants(arguments):
        application(job)()
    return max(codes, default=0)


def _start(composed: DictConfig) -> int:
    """Begin a run in the folder that hydra has made for it."""
    settings = HydraConfig.get()
    folder = Path(settings.runtime.output_dir)
    config = to_run_config(composed)

    def begin(listener: Listener) -> None:
        listener.notice(f"Run folder: {shorten(folder)}")
        from reward_synth.search.loop import start
        from reward_synth.task.load import find_task

        # A path is noted in full, so that the run can be continued from any directory.
        task = find_task(config.task)
        bundled = task.parent == content_folder("envs")
        start(replace(config, task=task.name if bundled else str(task)), folder, listener)

    return _watch(begin, folder)


def _resume(folder: Path) -> int:
    if is_run(folder):
        logging.basicConfig(filename=folder / "run.log", level=logging.INFO, encoding="utf-8")

    def go_on(listener: Listener) -> None:
        from reward_synth.search.loop import resume

        resume(folder, listener)

    return _watch(go_on, folder)


def _watch(work: Callable[[Listener], object], folder: Path) -> int:
    """Do the work of a run under a progress display; its folder is the last line printed.

    Raises:
      SystemExit: Ctrl-C, which ends a whole multirun.
    """
    from reward_synth.cli.progress import progress_display

    try:
        with progress_display() as listener, _reported(folder):
            work(listener)
    except KeyboardInterrupt as error:
        explain(error, folder)
        raise SystemExit(INTERRUPTED) from None
    except Exception as error:  # noqa: BLE001 (the last to hear of it, and says all of it)
        return explain(error, folder)
    if (folder / "report.html").is_file():
        print(f"Report: {shorten(folder / 'report.html')}")
    print(shorten(folder), flush=True)
    return 0


@contextmanager
def _reported(folder: Path) -> Iterator[None]:
    """Leave a report in the run's folder, however the run ends."""
    from reward_synth.report.build import build_report

    try:
        yield
    except BaseException:
        # What ended the run is worth more than why there is no report of it.
        with suppress(Exception):
            build_report(folder)
        raise
    build_report(folder)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the options, which hydra reads again, to refuse what it does not know."""
    parser = Parser()
    parser.add_argument("--multirun", "-m", action="store_true")
    parser.add_argument("--cfg", "-c", choices=["job", "hydra", "all"])
    parser.add_argument("--resolve", action="store_true")
    parser.add_argument("--package", "-p")
    parser.add_argument("--config-dir", "-cd", type=Path)
    parser.add_argument("--info", "-i", nargs="?")
    parser.add_argument("--hydra-help", action="store_true")
    options, rest = parser.parse_known_args(arguments)
    unknown = [text for text in rest if text.startswith("-")]
    if unknown:
        name = unknown[0].lstrip("-")
        if "=" in name:
            raise ConfigError(f"settings are written without dashes: {name}")
        raise ConfigError(f"no option {unknown[0]!r}.{did_you_mean(unknown[0], _OPTIONS)}")
    if options.config_dir and not options.config_dir.is_dir():
        raise ConfigError(f"--config-dir: there is no folder {options.config_dir}.")
    options.overrides = rest
    return options


def _register_resolvers() -> None:
    """Make known what conf/config.yaml names run folders with."""

    def task_name(task: str) -> str:
        from reward_synth.task.load import find_task

        return find_task(task).name

    # Cached, as hydra's ${now:}, for a run folder that is asked for twice must be the same.
    OmegaConf.register_new_resolver("task_name", task_name, replace=True)
    OmegaConf.register_new_resolver(
        "run_id", lambda: secrets.token_hex(2), use_cache=True, replace=True
    )


@contextmanager
def _as_hydra_wants(arguments: Sequence[str]) -> Iterator[None]:
    """Hand hydra its arguments, in the one place where it looks; let its errors come to us."""
    argv, variable = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    sys.argv = ["reward-synth run", *arguments]
    os.environ["HYDRA_FULL_ERROR"] = "1"  # else it prints a part of them and exits
    try:
        yield
    finally:
        sys.argv = argv
        if variable is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = variable
