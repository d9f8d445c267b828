"""How a run looks while it runs: a live display in a terminal, plain lines in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from reward_synth.cli.tables import (
    comparison_table,
    generation_table,
    open_console,
    short_number,
)
from reward_synth.feedback.estimates import Estimate
from reward_synth.search.archive import Archive
from reward_synth.search.candidate import Candidate

if TYPE_CHECKING:
    from reward_synth.search.listener import Comparison, Listener, Tick

_EVERY_S = 10.0  # between two lines of a log

Clock = Callable[[], float]


@contextmanager
def progress_display(console: Console | None = None) -> Iterator[Listener]:
    """Show a run on stdout, in the way that fits what stdout is."""
    console = console or open_console()
    if console.is_terminal and not console.is_dumb_terminal:
        display = LiveProgress(console)
        with display.live:
            yield display
    else:
        yield PlainProgress(console)


class _Tables:
    """What both displays print for good, and the best candidate that they have heard of."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._best: tuple[Candidate, Estimate] | None = None

    def notice(self, text: str) -> None:
        """Print a line or more, as they are."""
        self._console.print(Text(text), soft_wrap=True)

    def generation(self, archive: Archive, best: Candidate | None, total: int) -> None:
        """Print the generation's table."""
        self._best = best and (best, archive.estimates[best.id])
        self._console.print(generation_table(archive, best, total))

    def comparison(self, comparison: Comparison, best: Candidate) -> None:
        """Print the comparison's table, and which candidate it is about."""
        self._console.print(comparison_table(comparison))
        self.notice(f"The reward found: {best.id} by {best.author}, in {best.folder}/reward.py")

    def best(self) -> str:
        """Say how good the best candidate so far is, ``""`` if there is none."""
        if self._best is None:
            return ""
        candidate, estimate = self._best
        return f"best so far {short_number(estimate.mean)} ({candidate.id})"


class PlainProgress(_Tables):
    """Lines for a log: one when a training begins and ends, and one about every ten seconds."""

    def __init__(self, console: Console, clock: Clock = time.monotonic) -> None:
        super().__init__(console)
        self._clock = clock
        self._began = 0.0
        self._said = 0.0
        self._last: Tick | None = None

    def training(self, title: str) -> None:
        """Print the title."""
        self._began = self._said = self._clock()
        self.notice(_capitalized(title))

    def tick(self, tick: Tick) -> None:
        """Print a line if the last one is ten seconds ago."""
        self._last = tick
        now = self._clock()
        if now - self._said < _EVERY_S or tick.done >= tick.total:
            return
        self._said = now
        rate = tick.done / (now - self._began)
        left = _duration((tick.total - tick.done) / rate) if rate else "?"
        facts = [
            f"{tick.done / tick.total:.0%}: {tick.done:,}/{tick.total:,} steps",
            f"{rate:,.0f} steps/s",
            f"{left} left",
            f"fitness {short_number(tick.fitness)}",
            self.best(),
        ]
        self.notice(f"  {', '.join(fact for fact in facts if fact)}; spent {spending(tick)}")

    def trained(self) -> None:
        """Print how long the training took."""
        tick, self._last = self._last, None
        if tick is not None:
            seconds = max(self._clock() - self._began, 1e-9)
            rate = f"{tick.done / seconds:,.0f} steps/s"
            self.notice(f"  done: {tick.done:,} steps in {_duration(seconds)} ({rate})")


class LiveProgress(_Tables):
    """A few lines at the foot of the terminal that change; tables scroll by above them.

    Attributes:
      live: the display, a context manager.
    """

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._bar = Progress(
            BarColumn(bar_width=28),
            TaskProgressColumn(),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f} steps"),
            _RateColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
            console=console,
            auto_refresh=False,
            speed_estimate_period=20.0,
        )
        self._spinner = Spinner("dots", "Starting")
        self._training = False
        self._tick: Tick | None = None
        self.live = Live(
            get_renderable=self.render, console=console, refresh_per_second=4, transient=True
        )

    def training(self, title: str) -> None:
        """Begin a new bar."""
        self._reset(_capitalized(title))
        self._training = True

    def tick(self, tick: Tick) -> None:
        """Move the bar."""
        self._tick = tick
        if not self._bar.task_ids:
            self._bar.add_task("", total=tick.total)
        self._bar.update(self._bar.task_ids[0], completed=tick.done, total=tick.total)

    def trained(self) -> None:
        """Take the bar away."""
        self._reset("Scoring")

    def generation(self, archive: Archive, best: Candidate | None, total: int) -> None:
        """Print the generation's table; what comes next has no steps to count."""
        last = archive.generations == total
        self._reset("Preparing the comparison" if last else "Writing the next reward programs")
        super().generation(archive, best, total)

    def comparison(self, comparison: Comparison, best: Candidate) -> None:
        """Print the comparison's table."""
        self._reset("Making the videos and the report")
        super().comparison(comparison, best)

    def render(self) -> RenderableType:
        """Return the changing lines: what is being done, how far it is, what it has taken."""
        lines: list[RenderableType] = [self._spinner]
        if self._training and self._tick is not None:
            lines.append(self._bar.get_renderable())
        if self._tick is not None:
            lines.append(self._facts(self._tick))
        return Group(*lines)

    def _facts(self, tick: Tick) -> Table:
        """The present fitness, the best so far, what was spent and what is left of the budget."""
        facts = Table.grid(padding=(0, 2))
        facts.add_column(style="dim")
        facts.add_column()
        fitness = [f"{short_number(tick.fitness)} in training"] if self._training else []
        facts.add_row("fitness", ", ".join([*fitness, *filter(None, [self.best()])]) or "-")
        facts.add_row("spent", spending(tick))
        left = remaining(tick)
        if left:
            facts.add_row("left", left)
        return facts

    def _reset(self, title: str) -> None:
        for task in self._bar.task_ids:
            self._bar.remove_task(task)
        self._training = False
        self._spinner.update(text=Text(title, style="bold"))


class _RateColumn(ProgressColumn):
    """Steps per second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} steps/s" if speed else "", style="cyan")


def spending(tick: Tick) -> str:
    """Say what the run has taken so far."""
    spent = tick.spent
    parts = [f"{spent.env_steps:,} steps", _duration(spent.seconds)]
    if spent.tokens:
        parts.append(f"{spent.tokens:,} tokens")
    if spent.dollars:
        parts.append(f"${spent.dollars:.2f}")
    return ", ".join(parts)


def remaining(tick: Tick) -> str:
    """Say what the budget leaves, ``""`` if it has no limit."""
    spent, budget = tick.spent, tick.budget
    parts = []
    if budget.env_steps is not None:
        parts.append(f"{max(0, budget.env_steps - spent.env_steps):,} steps")
    if budget.seconds is not None:
        parts.append(_duration(max(0.0, budget.seconds - spent.seconds)))
    if budget.tokens is not None:
        parts.append(f"{max(0, budget.tokens - spent.tokens):,} tokens")
    if budget.dollars is not None:
        parts.append(f"${max(0.0, budget.dollars - spent.dollars):.2f}")
    return ", ".join(parts)


def _duration(seconds: float) -> str:
    """``"1:02:03"`` or ``"2:03"``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]
