"""``reward-synth label``: people say which policies do the task better."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from reward_synth.cli.arguments import Parser
from reward_synth.cli.outcome import shorten
from reward_synth.errors import ConfigError, FeedbackError
from reward_synth.feedback.journal import Journal
from reward_synth.search.store import Store
from reward_synth.search.strategies import strategy_of


def label(arguments: Sequence[str]) -> int:
    """Ask people about a run's policies until they leave.

    Raises:
      ConfigError: an argument is wrong, or the port is in use.
      RunError: there is no run in the folder, or it is of another format.
      FeedbackError: answers cannot be taken in, there is nothing to see, or the extra is missing.
    """
    options = _parse(arguments)
    folder: Path = options.run
    with Store.read(folder) as store:  # whatever is wrong with the run is said before all else
        config, candidates = store.get("config") or {}, store.candidates()
    if config:
        strategy_of(config["search"]["strategy"])  # of the user's own, it may not be found here
    if options.take_in is not None:
        with Journal.open(folder) as journal:
            count = journal.take_in(options.take_in, [c.id for c in candidates])
        print(f"{count} new annotations are in {shorten(folder)}.")
    if options.export is not None:
        with Journal.open(folder) as journal:
            count = journal.export(options.export)
        print(f"{count} annotations:\n{shorten(options.export.resolve())}")
    if options.take_in is not None or options.export is not None:
        return 0
    filmed = any((folder / c.folder / "rollout.mp4").is_file() for c in candidates)
    if not filmed and not config.get("video", {}).get("enabled", True):
        raise FeedbackError(
            f"{shorten(folder)} has no videos to show: it was run with video.enabled=false."
        )
    return _ask(folder, options)


def _ask(folder: Path, options: argparse.Namespace) -> int:
    from reward_synth.label.desk import named

    who = None if options.who is None else named(options.who)
    if options.terminal:
        from reward_synth.label.terminal import ask_in_terminal

        return ask_in_terminal(folder, who or named(os.environ.get("USER") or "somebody"))
    from reward_synth.label.serve import serve

    def invite(address: str) -> None:
        print(f"Which policies of {shorten(folder)} do it better? Ctrl-C ends this.")
        print(address, flush=True)

    serve(folder, options.host, options.port, who, invite)
    return 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = Parser()
    parser.add_argument("--who")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int)
    parser.add_argument("--terminal", action="store_true")
    parser.add_argument("--export", type=Path)
    parser.add_argument("--import", type=Path, dest="take_in")
    options, rest = parser.read(arguments)
    if len(rest) != 1:
        raise ConfigError(f"`reward-synth label` takes one run folder, not {len(rest)}.")
    if options.port is not None and not 0 <= options.port < 65536:
        raise ConfigError(f"--port is from 0 to 65535, not {options.port}.")
    options.run = Path(rest[0]).expanduser()
    return options
