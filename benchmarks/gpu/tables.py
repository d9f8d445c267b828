"""Results as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.gpu.drive import Results
from benchmarks.gpu.plan import PLAYGROUND, Cell, Kind, Settings

Result = Mapping[str, Any]


def report(results: Results, settings: Settings) -> str:
    """Return everything that there are results for, as one text."""
    parts = [_machine(results), _training(results), _together(results), _peers(results, settings)]
    return "\n\n".join(part for part in parts if part)


def _machine(results: Results) -> str:
    for _, found in _of("machine", results):
        if "device" not in found:
            return f"machine: {found['status']}"
        versions = ", ".join(f"{name} {v}" for name, v in found["versions"].items() if v)
        device = found["driver"] or found["device"]
        return (
            f"{found['platform']}: {device}; {found['cores']} cores of {found['processor']}\n"
            f"Python {found['python']}, {versions}"
        )
    return ""


def _training(results: Results) -> str:
    head = ("task", "backend", "K", "N", "steps/s", "collecting", "physics/s")
    head = (*head, "iteration", "compile", "new reward", "peak memory", "")
    rows = [
        (
            Path(cell.task).name,
            cell.engine,
            str(cell.candidates),
            str(cell.envs),
            _number(found.get("steps_per_second")),
            _number(found.get("collecting_steps_per_second")),
            _number(found.get("physics_steps_per_second")),
            _seconds(found.get("iteration")),
            _seconds(found.get("compile")),
            _seconds(found.get("second_compile")),
            _memory(found.get("memory")),
            _trouble(found),
        )
        for cell, found in _of("train", results)
    ]
    return _table(
        "Training: environment steps/s of K candidates with N environments each; of collecting "
        "alone, with random actions;\nphysics steps/s of training; seconds to compile at first, "
        "and for other rewards in the same sizes",
        head,
        rows,
    )


def _together(results: Results) -> str:
    rows = []
    for cell, found in _of("together", results):
        together, alone = found.get("together"), found.get("alone", [])
        total = sum(job["seconds"] for job in alone)
        learning = sum(job["seconds"] - job["first_iteration"] for job in alone)
        # what is missing of the trainings took as long as those that there are
        share = len(alone) / cell.candidates
        rows.append(
            (
                Path(cell.task).name,
                cell.engine,
                f"{cell.candidates} x {cell.envs}",
                _number(found.get("steps")),
                _seconds(together and together["seconds"]),
                _seconds(total / share if alone else None),
                _ratio(together and total / together["seconds"], share),
                _ratio(
                    together and learning / (together["seconds"] - together["first_iteration"]),
                    share,
                ),
                str(len(alone)),
                _trouble(found),
            )
        )
    return _table(
        "Candidates together and one after the other, whole trainings, compilation included; how "
        "many times faster together,\nand the same without first iterations; of how many alone "
        "the time is known",
        ("task", "backend", "K x N", "steps", "together", "one by one", "times", "times", "of", ""),
        rows,
    )


def _peers(results: Results, settings: Settings) -> str:
    rows = []
    for cell, found in _of("brax", results):
        mine = [
            (other, result)
            for other, result in _of("train", results)
            if (other.task, other.envs) == (cell.task, cell.envs)
        ]
        rows.append(
            (
                PLAYGROUND[Path(cell.task).name],
                cell.engine,
                str(cell.envs),
                _number(found.get("steps_per_second")),
                _number(found.get("physics_steps_per_second")),
                _seconds(found.get("iteration")),
                _seconds(found.get("compile")),
                _seconds(found.get("seconds_for_steps")),
                "; ".join(_against(found, other, result) for other, result in mine),
                _trouble(found),
            )
        )
    return _table(
        "Brax's PPO on MuJoCo Playground, one candidate: steps/s, physics steps/s, seconds to "
        f"compile, seconds for\n{settings.steps:,} steps with that; our steps/s over Brax's, all "
        "candidates counted",
        ("task", "MJX", "N", "steps/s", "physics/s", "iteration", "compile", "all", "ours", ""),
        rows,
    )


def _against(found: Result, cell: Cell, ours: Result) -> str:
    if "steps_per_second" not in found or "steps_per_second" not in ours:
        return f"{cell.engine} K={cell.candidates}: -"
    times = ours["steps_per_second"] / found["steps_per_second"]
    return f"{cell.engine} K={cell.candidates}: {times:.2f}"


def _of(kind: Kind, results: Results) -> Iterable[tuple[Cell, Result]]:
    found = [(cell, result) for cell, result in results.items() if cell.kind == kind]
    return sorted(found, key=lambda entry: (entry[0].task, entry[0].candidates, entry[0].envs))


def _trouble(found: Result) -> str:
    return "" if found["status"] == "ok" else found["status"]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f} s" if value < 1 else f"{value:.1f} s"


def _memory(memory: Result | None) -> str:
    return "-" if memory is None else f"{memory['bytes'] / 2**30:.2f} GiB {memory['of']}"


def _ratio(value: float | None, share: float) -> str:
    return f"{value / share:.2f}" if value and share else "-"


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table with words to the left and numbers to the right; nothing without rows."""
    if not rows:
        return ""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    words = {0, 1, len(head) - 1} | {i for i, name in enumerate(head) if name == "ours"}
    lines = [
        "  ".join(
            cell.ljust(width) if i in words else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (head, *rows)
    ]
    return "\n".join((title, "", *lines))
