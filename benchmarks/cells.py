"""Cells of a benchmark: worked off side by side, each a line of a file, none done twice."""

import contextlib
import json
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Keyed:
    """A cell: its fields, which JSON has, tell it from all others."""

    @property
    def key(self) -> list:
        """What its line calls it."""
        return list(astuple(self))


def read_lines(output: Path) -> list[dict]:
    """Return the lines that were finished; one that a kill has cut short is none."""
    if not output.is_file():
        return []
    found = []
    for text in output.read_text().splitlines():
        with contextlib.suppress(json.JSONDecodeError):
            found.append(json.loads(text))
    return found


def append(output: Path, line: dict) -> None:
    """Add a line in one write, after mending what a kill has left."""
    output.parent.mkdir(parents=True, exist_ok=True)
    torn = output.is_file() and not f"\n{output.read_text()}".endswith("\n")
    with output.open("ab", buffering=0) as file:
        file.write(("\n" * torn + json.dumps(line) + "\n").encode())


def work_off(
    cells: Sequence[Any], work: Callable[[Any], dict], output: Path, processes: int
) -> Iterator[dict]:
    """Compute the cells that are not in the output, add their lines to it and yield them.

    Args:
      cells: in the order in which they are begun; the ``key`` of each is in its line, as JSON has
        it, and tells it from all others.
      work: from a cell to its line, in a process that may have computed others.
      output: one JSON object a line.
      processes: side by side; each has a core, which trainings of one thread use best.
    """
    done = [line["key"] for line in read_lines(output)]
    todo = [cell for cell in cells if cell.key not in done]
    print(f"{len(todo)} to do, {len(cells) - len(todo)} done", flush=True)
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        try:
            for future in as_completed([pool.submit(work, cell) for cell in todo]):
                append(output, future.result())
                yield future.result()
        finally:  # after an error, or Ctrl-C: those that wait are not begun
            pool.shutdown(cancel_futures=True)
