"""``reward-synth <command>``: what each command runs, and how mistakes end."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

from reward_synth import __version__
from reward_synth.cli.outcome import explain
from reward_synth.errors import ConfigError, RewardSynthError, did_you_mean

# What runs each command: a function of a module in reward_synth.cli. Each command imports what it
# needs, so that none waits for another's libraries.
_COMMANDS = {
    "run": "run:run",
    "label": "label:label",
    "report": "report:write_report",
    "tasks": "tasks:list_tasks",
    "check": "tasks:check",
    "compare": "compare:compare_rewards",
    "robustify": "robustify:robustify_run",
    "stress": "stress:stress_policy",
    "export": "export_policy:export_policy",
    "verify": "verify:verify_bundle",
    "export-reward": "export:export_reward",
}
# Those that are called with their arguments one by one, and what they take.
_PLAIN = {"report": ("one run folder",), "tasks": (), "check": ("one task folder or name",)}
_HELP = ("-h", "--help")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    The codes are 0 for done, 1 for failed, 2 for a mistake in the command or its settings, and
    130 for stopped by Ctrl-C.

    Args:
      arguments: without the program's name; ``sys.argv``'s by default.
    """
    try:
        code = _dispatch(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
    except BrokenPipeError:  # of `reward-synth tasks | head`, which has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (RewardSynthError, OSError, KeyboardInterrupt) as error:
        return explain(error)
    return code


def _dispatch(arguments: list[str]) -> int:
    match arguments:
        case ["--version"]:
            print(f"reward-synth {__version__}")
            return 0
        case [] | ["-h" | "--help" | "help", *_]:
            from reward_synth.cli.help import MAIN_HELP

            print(MAIN_HELP)
            return 0
        case [command, *rest] if command in _COMMANDS:
            if _wants_help(rest):
                from reward_synth.cli.help import command_help

                print(command_help(command))
                return 0
            module, _, function = _COMMANDS[command].partition(":")
            work = getattr(import_module(f"reward_synth.cli.{module}"), function)
            return work(rest) if command not in _PLAIN else work(*_plain(command, rest))
    raise ConfigError(f"no command {arguments[0]!r}.{_suggestion(arguments)}")


def _plain(command: str, arguments: list[str]) -> list[str]:
    wanted = _PLAIN[command]
    if len(arguments) != len(wanted):
        raise ConfigError(
            f"`reward-synth {command}` takes {' '.join(wanted) or 'no arguments'}, "
            f"not {len(arguments)}."
        )
    return arguments


def _wants_help(arguments: list[str]) -> bool:
    return any(argument in _HELP for argument in arguments)


def _suggestion(arguments: list[str]) -> str:
    if "=" in arguments[0]:
        return f" Did you mean `reward-synth run {' '.join(arguments)}`?"
    return did_you_mean(arguments[0], _COMMANDS) or f" The commands are {', '.join(_COMMANDS)}."
