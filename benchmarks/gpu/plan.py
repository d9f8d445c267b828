"""What is measured and in which order; imports nothing heavy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

Kind = Literal["machine", "train", "together", "brax"]

TASKS = Path(__file__).parents[1] / "tasks"

# MuJoCo Playground's tasks that resemble ours; their models come with its package.
PLAYGROUND = {
    "cartpole_swingup": "CartpoleSwingup",
    "half_cheetah": "CheetahRun",
    "hopper": "HopperHop",
    "humanoid": "HumanoidWalk",
}


@dataclass(frozen=True, slots=True)
class Settings:
    """What all cells share, ours and Brax's alike.

    Attributes:
      horizon: steps of each environment between updates.
      epochs: passes over each batch.
      minibatches: parts that a batch is cut into.
      hidden: widths of the hidden layers.
      learning_rate: of Adam.
      seconds: for which an iteration is repeated when it is timed.
      steps: of each candidate, where whole trainings are timed.
    """

    horizon: int = 32
    epochs: int = 4
    minibatches: int = 16
    hidden: tuple[int, ...] = (64, 64)
    learning_rate: float = 3e-4
    seconds: float = 8.0
    steps: int = 500_000


@dataclass(frozen=True, slots=True)
class Cell:
    """One measurement, made in a process of its own.

    Attributes:
      kind: what is measured.
      task: a task's name or folder; also where Brax trains Playground's version of it.
      engine: our backend, "cpu", "mjx", or "mjx-jax" and "mjx-warp" for a given implementation of
        MJX; the implementation that Playground runs on.
      candidates: K.
      envs: N, environments for each candidate.
    """

    kind: Kind
    task: str = ""
    engine: str = ""
    candidates: int = 1
    envs: int = 1

    @property
    def name(self) -> str:
        """The stem of the cell's files."""
        if self.kind == "machine":
            return "machine"
        return f"{self.kind}-{Path(self.task).name}-{self.engine}-{self.candidates}x{self.envs}"


@dataclass(frozen=True, slots=True)
class Grid:
    """What to measure; each list is in order of importance.

    Attributes:
      tasks: names or folders of ours.
      backends: of ours.
      candidates: values of K.
      envs: values of N.
      implementations: of MJX, for Playground; none leaves the comparison out.
    """

    tasks: Sequence[str] = (
        "half_cheetah",
        str(TASKS / "humanoid"),
        str(TASKS / "three_fingers"),
        "ant",
    )
    backends: Sequence[str] = ("mjx",)
    candidates: Sequence[int] = (16, 1, 4)
    envs: Sequence[int] = (1024, 4096, 256)
    implementations: Sequence[str] = ("jax", "warp")


def plan(grid: Grid) -> tuple[Cell, ...]:
    """Return all cells, the most important first.

    A cell's rank is the number of lists of which it has not taken the head. So the heads come
    first, then what differs from them in one respect, and a benchmark that is stopped early has
    seen a bit of everything.
    """
    ranked: list[tuple[int, Cell]] = []
    most = max(grid.candidates)
    for i, task in enumerate(grid.tasks):
        for j, envs in enumerate(grid.envs):
            for b, backend in enumerate(grid.backends):
                cell, rank = Cell("train", task, backend, 1, envs), (i > 0) + (j > 0) + (b > 0)
                for k, candidates in enumerate(grid.candidates):
                    ranked.append((rank + (k > 0), replace(cell, candidates=candidates)))
                # once a task, at the first number of environments: it takes long
                if j == 0 and most > 1:
                    ranked.append((rank + 1, replace(cell, kind="together", candidates=most)))
            if Path(task).name in PLAYGROUND:
                for m, implementation in enumerate(grid.implementations):
                    rank = (i > 0) + (j > 0) + (m > 0)
                    ranked.append((rank, Cell("brax", task, implementation, 1, envs)))
    ranked.sort(key=lambda entry: entry[0])  # stable: ties keep the order above
    return (Cell("machine"), *(cell for _, cell in ranked))


# Sizes that two quiet cores finish in about two minutes; the numbers mean nothing.
TOY = Grid(("half_cheetah",), ("mjx",), (2,), (4,), ("jax",))
TOY_SETTINGS = Settings(horizon=4, epochs=1, minibatches=2, seconds=0.2, steps=64)


def order(cell: Cell, settings: Settings) -> dict[str, object]:
    """Return what the cell's process is told, as JSON has it."""
    return {"cell": asdict(cell), "settings": asdict(settings)}
