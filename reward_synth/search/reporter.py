"""From a training's progress to what a listener hears of it."""

from __future__ import annotations

import time

from reward_synth.search.budget import Budget
from reward_synth.search.listener import Listener, Tick
from reward_synth.search.store import Spent, Store


class ProgressReporter:
    """Turns a training's progress into ticks, and stops it when the time is up."""

    def __init__(self, budget: Budget, store: Store, listener: Listener) -> None:
        self._budget = budget
        self._store = store
        self._listener = listener
        self._total = 0
        self._began = 0.0
        self._spent = Spent()

    def begin(self, title: str, total: int) -> None:
        """Announce a training of ``total`` environment steps."""
        self._total, self._began, self._spent = total, time.monotonic(), self._store.spent()
        self._listener.training(title)

    def end(self) -> None:
        """Say that the training is over."""
        self._listener.trained()

    def tick(self, done: int, fitness: float) -> None:
        """Report ``done`` steps; raises ``BudgetError`` if the time is up."""
        seconds = time.monotonic() - self._began
        spent = self._spent + Spent(env_steps=done, seconds=seconds)
        self._listener.tick(Tick(done, self._total, fitness, spent, self._budget.settings))
        self._budget.check_seconds()
