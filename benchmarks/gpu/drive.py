"""Cells in processes of their own: in time, whatever becomes of them, and only once."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.gpu.plan import Cell, Settings, order
from reward_synth.files import write_text

ROOT = Path(__file__).parents[2]
OVERTIME = "over time"

Results = Mapping[Cell, Mapping[str, Any]]
Command = Callable[[Cell, Settings, Path], Sequence[str]]


def child(cell: Cell, settings: Settings, path: Path) -> Sequence[str]:
    """Return the command that measures a cell and writes what it finds to ``path``."""
    told = json.dumps(order(cell, settings))
    return [sys.executable, "-m", "benchmarks.gpu.cell", told, str(path)]


def run(
    cells: Sequence[Cell],
    settings: Settings,
    work: Path,
    *,
    limit: float,
    deadline: float,
    say: Callable[[str], None],
    shortest: float = 20.0,
    command: Command = child,
) -> Results:
    """Measure what has not been measured yet, as far as the time reaches.

    Args:
      cells: the most important first.
      settings: of all cells; those of the folder, if it has results.
      work: folder of the results, one JSON file a cell, and of what the cells printed.
      limit: seconds after which a cell is ended.
      deadline: on ``time.monotonic``'s clock; a cell that it cuts short is measured again.
      say: told what happens, a line at a time.
      shortest: seconds; with fewer left no cell is begun.
      command: what measures a cell.

    Returns:
      The results of all cells that have one: what was measured, "status", which is "ok" or
      says what went wrong, and "wall_seconds".

    Raises:
      SystemExit: the folder has results of other settings.
    """
    _claim(work, settings)
    results: dict[Cell, Mapping[str, Any]] = {}
    for number, cell in enumerate(cells, 1):
        path = work / f"{cell.name}.json"
        if not path.is_file():
            left = deadline - time.monotonic()
            if left < shortest:
                say(f"time is up before cell {number} of {len(cells)}; run it again to go on")
                break
            result = _measure(command, cell, settings, work, min(limit, left))
            if result["status"] == OVERTIME and left < limit:
                say(f"[{number}/{len(cells)}] {cell.name}: cut short by the end of the time")
                break
            write_text(path, json.dumps(result, indent=1))
            say(
                f"[{number}/{len(cells)}] {cell.name}: {result['status']}, "
                f"{result['wall_seconds']:.0f} s"
            )
        results[cell] = json.loads(path.read_text(encoding="utf-8"))
    return results


def _claim(work: Path, settings: Settings) -> None:
    """Write the settings into the folder, or compare them with those that are there."""
    told = json.dumps(order(Cell("machine"), settings)["settings"], indent=1)
    path = work / "settings"
    if path.is_file() and path.read_text(encoding="utf-8") != told:
        raise SystemExit(
            f"{work} has results of other settings: give another --work, or remove it."
        )
    write_text(path, told)


def _measure(
    command: Command, cell: Cell, settings: Settings, work: Path, limit: float
) -> dict[str, Any]:
    """Run the cell's process; return what it reported, and how it ended."""
    parts = (work / "unfinished" / f"{cell.name}.json").resolve()
    log = work / "logs" / f"{cell.name}.txt"
    parts.unlink(missing_ok=True)
    for folder in (parts.parent, log.parent):
        folder.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with log.open("w") as file:
        try:
            code = subprocess.run(
                command(cell, settings, parts),
                cwd=ROOT,
                stdout=file,
                stderr=subprocess.STDOUT,
                timeout=limit,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            code = None
    found = json.loads(parts.read_text(encoding="utf-8")) if parts.is_file() else {}
    parts.unlink(missing_ok=True)
    status = verdict(code, log.read_text(encoding="utf-8", errors="replace"))
    return {**found, "status": status, "wall_seconds": time.monotonic() - started}


def verdict(code: int | None, log: str) -> str:
    """Say in words how a process ended.

    Args:
      code: its exit status, negative if a signal ended it, None if its time limit did.
      log: all that it printed.
    """
    if code == 0:
        return "ok"
    if code is None:
        return OVERTIME
    lowered = log.lower()
    if "resource_exhausted" in lowered or "out of memory" in lowered or "memoryerror" in lowered:
        return "out of memory"
    if code < 0:
        return f"ended by signal {-code}" + (", as when memory runs out" if code == -9 else "")
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return f"failed: {lines[-1][:200]}" if lines else f"failed with exit status {code}"
