"""Options of a command, read so that each mistake is one line."""

from __future__ import annotations

import argparse
from typing import NoReturn

from reward_synth.errors import ConfigError


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
