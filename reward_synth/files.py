"""Files that are either whole or not there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

_PART = ".part"


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Open a file that appears under its name only when the block has ended without an error.

    Raises:
      OSError: the disk is full or the folder cannot be written; nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=_PART)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync(path.parent)


def sweep(folder: Path) -> None:
    """Remove what killed processes left of files that they were writing."""
    for path in folder.rglob(f".*{_PART}"):
        path.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """Have the names in a folder outlast a power cut, as ``fsync`` has a file's contents."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def cache_folder() -> Path:
    """Return the folder of what is kept from run to run, such as compiled programs."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "reward-synth"


def write_text(path: Path, text: str) -> None:
    """Write a text file as UTF-8, in one piece or not at all."""
    with atomic_write(path) as file:
        file.write(text.encode("utf-8"))


def save_arrays(
    file: BinaryIO, arrays: Mapping[str, np.ndarray], *, compressed: bool = False
) -> None:
    """Write named arrays as an npz, which ``numpy.load`` reads."""
    save: Callable[..., None] = np.savez_compressed if compressed else np.savez
    save(file, **arrays)
