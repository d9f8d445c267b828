"""``reward-synth <command>``: what each command runs, and how mistakes end."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from reward_synth import __version__
from reward_synth.cli.outcome import explain
from reward_synth.errors import ConfigError, RewardSynthError, did_you_mean

_COMMANDS = ("run", "report", "label", "tasks", "check", "compare", "export-reward")
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
    # Each command imports what it needs, so that none waits for another's libraries.
    match arguments:
        case ["--version"]:
            print(f"reward-synth {__version__}")
            return 0
        case ["run", *rest]:
            if _wants_help(rest):
                from reward_synth.cli.help import run_help

                print(run_help())
                return 0
            from reward_synth.cli.run import run

            return run(rest)
        case [] | ["-h" | "--help" | "help", *_]:
            from reward_synth.cli.help import MAIN_HELP

            print(MAIN_HELP)
            return 0
        case [
            ("report" | "label" | "tasks" | "check" | "compare" | "export-reward") as command,
            *rest,
        ] if _wants_help(rest):
            from reward_synth.cli.help import COMMAND_HELP

            print(COMMAND_HELP[command])
            return 0
        case ["tasks"]:
            from reward_synth.cli.tasks import list_tasks

            return list_tasks()
        case ["report", folder]:
            from reward_synth.cli.report import write_report

            return write_report(folder)
        case ["label", *rest]:
            from reward_synth.cli.label import label

            return label(rest)
        case ["check", path]:
            from reward_synth.cli.tasks import check

            return check(path)
        case ["compare", *rest]:
            from reward_synth.cli.compare import compare_rewards

            return compare_rewards(rest)
        case ["export-reward", *rest]:
            from reward_synth.cli.export import export_reward

            return export_reward(rest)
        case ["report" | "tasks" | "check" as command, *rest]:
            wanted = {"report": "one run folder", "check": "one task folder or name"}
            raise ConfigError(
                f"`reward-synth {command}` takes {wanted.get(command, 'no arguments')}, "
                f"not {len(rest)}."
            )
        case [unknown, *_]:
            raise ConfigError(f"no command {unknown!r}.{_suggestion(arguments)}")
    raise AssertionError(arguments)


def _wants_help(arguments: list[str]) -> bool:
    return any(argument in _HELP for argument in arguments)


def _suggestion(arguments: list[str]) -> str:
    if "=" in arguments[0]:
        return f" Did you mean `reward-synth run {' '.join(arguments)}`?"
    return did_you_mean(arguments[0], _COMMANDS) or f" The commands are {', '.join(_COMMANDS)}."
