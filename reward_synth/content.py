"""Where the content folders (envs, prompts) are: in a checkout at its top, in a wheel inside."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def content_folder(name: str) -> Path:
    """Return the content folder ``"envs"`` or ``"prompts"``.

    Raises:
      FileNotFoundError: the installation is incomplete.
    """
    for folder in (_PACKAGE / "_bundled" / name, _PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"{name}/ is missing from this installation of reward-synth.")
