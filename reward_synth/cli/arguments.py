"""Options of a command, read so that each mistake is one line; places that are named in them."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
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


def run_of(folder: Path) -> Path | None:
    """Return the run that a folder is a candidate's of, such as outputs/.../gen_00/cand_03.

    Args:
      folder: resolved, so that it has parents.
    """
    run = folder.parent.parent
    is_place = re.fullmatch(r"gen_\d+/cand_\d+", "/".join(folder.parts[-2:]))
    return run if is_place and (run / "run.db").is_file() else None
