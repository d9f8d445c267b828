"""Options of a command, read so that each mistake is one line; places that are named in them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from reward_synth.errors import ConfigError, did_you_mean
from reward_synth.run_folder import is_run


class Parser(argparse.ArgumentParser):
    """Raises a ConfigError rather than printing its usage and leaving."""

    def __init__(self) -> None:
        super().__init__(add_help=False, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong.

        Raises:
          ConfigError: always.
        """
        raise ConfigError(f"{message}.")

    def read(self, arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
        """Return the options, and the rest in its order.

        Raises:
          ConfigError: an option is unknown, or its value is wrong.
        """
        options, rest = self.parse_known_args(arguments)
        for text in rest:
            if text.startswith("-"):
                known = (*self._option_string_actions, "--help")
                raise ConfigError(f"no option {text!r}.{did_you_mean(text, known)}")
        return options, rest


def whole_numbers(
    arguments: Sequence[str], settings: Mapping[str, tuple[int, int]]
) -> tuple[list[Path], dict[str, int]]:
    """Tell folders from settings such as ``episodes=20``.

    Args:
      arguments: as typed.
      settings: by name, the default and the least that is allowed.

    Returns:
      The folders, resolved, and each setting's value.

    Raises:
      ConfigError: a setting is unknown, or not such a number.
    """
    folders, values = [], {name: default for name, (default, _) in settings.items()}
    for text in arguments:
        name, equals, value = text.partition("=")
        if text.startswith("-"):
            raise ConfigError(f"no option {text!r}. Settings are {_listed(settings)}.")
        if not equals or Path(text).exists():
            folders.append(Path(text).expanduser().resolve())
        elif name not in settings:
            hint = did_you_mean(name, tuple(settings)) or f" There are {_listed(settings)}."
            raise ConfigError(f"no setting {name!r}.{hint}")
        elif not value.isdecimal() or int(value) < settings[name][1]:
            least = settings[name][1]
            raise ConfigError(f"{name} must be a whole number of at least {least}, not {value}.")
        else:
            values[name] = int(value)
    return folders, values


def _listed(settings: Mapping[str, tuple[int, int]]) -> str:
    return ", ".join(f"{name}=<n>" for name in settings)


def run_of(folder: Path) -> Path | None:
    """Return the run that a folder is a candidate's of, such as outputs/.../gen_00/cand_03.

    Args:
      folder: resolved, so that it has parents.
    """
    run = folder.parent.parent
    is_place = re.fullmatch(r"gen_\d+/cand_\d+", "/".join(folder.parts[-2:]))
    return run if is_place and is_run(run) else None
