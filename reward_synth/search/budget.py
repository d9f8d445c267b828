"""Budgets: a run stops before it passes one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from reward_synth.errors import BudgetError
from reward_synth.propose.llm.records import Answer, Completion
from reward_synth.search.config import BudgetSettings
from reward_synth.search.store import Spent, Store


@dataclass(slots=True)
class Budget:
    """What the run may still spend; reads and writes the store's ledger.

    Attributes:
      settings: the limits, for all sittings of the run together.
      store: where the ledger is.
      title: under which answers are entered, such as "gen_00/propose".
    """

    settings: BudgetSettings
    store: Store
    title: str = ""
    _began: float = field(default_factory=time.monotonic)
    _earlier_seconds: float = field(init=False)
    _in_flight: int = field(init=False, default=0)
    _largest: Spent = field(init=False, default_factory=Spent)

    def __post_init__(self) -> None:
        self._earlier_seconds = float(self.store.get("seconds") or 0.0)

    def seconds(self) -> float:
        """Return the wall-clock seconds of all sittings so far, and note them in the store."""
        seconds = self._earlier_seconds + time.monotonic() - self._began
        self.store.put("seconds", seconds)
        return seconds

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let time pass that the run does not spend, but waits for somebody."""
        self.seconds()  # a kill meanwhile costs none of the wait
        began = time.monotonic()
        try:
            yield
        finally:
            self._began += time.monotonic() - began

    def check_seconds(self) -> None:
        """Raise ``BudgetError`` if the time is up."""
        limit = self.settings.seconds
        if limit is not None and self.seconds() >= limit:
            raise BudgetError(f"the budget of {limit:g} seconds is used up.")

    def allows(self, env_steps: int) -> bool:
        """Whether a training of so many environment steps fits; time at the rate seen so far."""
        limits, spent = self.settings, self.store.spent()
        if limits.env_steps is not None and spent.env_steps + env_steps > limits.env_steps:
            return False
        if limits.seconds is None:
            return True
        trained = sum((entry for _, _, entry in self.store.ledger() if entry.env_steps), Spent())
        seconds_a_step = trained.seconds / trained.env_steps if trained.env_steps else 0.0
        return self.seconds() + env_steps * seconds_a_step <= limits.seconds

    def before_request(self) -> None:
        """Raise ``BudgetError`` if a request might pass a budget.

        An answer's price is only known afterwards, so each one in flight counts as
        the largest seen so far.
        """
        self.check_seconds()
        limits, spent = self.settings, self.store.spent()
        coming = self._in_flight + 1
        for name, limit, used, largest in (
            ("tokens", limits.tokens, spent.tokens, self._largest.tokens),
            ("dollars", limits.dollars, spent.dollars, self._largest.dollars),
        ):
            if limit is not None and (used >= limit or used + coming * largest > limit):
                raise BudgetError(
                    f"the budget of {limit:g} {name} would be passed: {used:g} are spent and an "
                    f"answer takes up to {largest:g}."
                )
        self._in_flight += 1

    def on_answer(self, answer: Answer) -> None:
        """Enter what an answer cost, once: an entry's id says which answer it is for.

        An answer that is read back from the run's folder is in the ledger already, unless
        the run was killed between keeping it and entering it.
        """
        completion = answer if isinstance(answer, Completion) else answer.completion
        if completion is None or not completion.cached:
            self._in_flight = max(0, self._in_flight - 1)
        if completion is None:
            return
        receipt = completion.receipt
        if completion.cached and any(id.endswith(receipt) for id, _, _ in self.store.ledger()):
            return
        spent = Spent(
            prompt_tokens=completion.prompt_tokens,
            completion_tokens=completion.completion_tokens,
            dollars=completion.dollars or 0.0,
            seconds=0.0,
        )
        self._largest = Spent(
            max(self._largest.prompt_tokens, spent.prompt_tokens),
            max(self._largest.completion_tokens, spent.completion_tokens),
            max(self._largest.dollars, spent.dollars),
        )
        self.store.charge(f"{self.title}/{receipt}", "language model", spent)
