"""A run as a listener hears it, without one."""

from __future__ import annotations

import math
from dataclasses import replace

from reward_synth.feedback.scores import Score
from reward_synth.records import Rejection, Stage
from reward_synth.search.archive import Archive
from reward_synth.search.candidate import Candidate
from reward_synth.search.config import BudgetSettings
from reward_synth.search.listener import Comparison, Listener, Tick
from reward_synth.search.store import Spent
from reward_synth.train.race import Standing

STEPS = 6 * 65_536
BUDGET = BudgetSettings(dollars=2.0, seconds=1800.0)


def make_score(fitness: float, trainings: int = 1) -> Score:
    return Score(
        fitness, fitness - 1.5, fitness + 1.5, 0.4, 812.5, (fitness,) * trainings, episodes=10
    )


def make_candidate(index: int, fitness: float | None, generation: int = 0) -> Candidate:
    operator = "initial" if generation == 0 else "revise"
    candidate = Candidate(generation, index, operator, (), "offline")
    if fitness is None:
        reason = "no field 'torso_vel'. Did you mean 'torso_velocity'? It has [x, z] in m/s."
        return candidate.rejected(Rejection(Stage.TRACE, reason))
    return Candidate(generation, index, operator, (), "offline", score=make_score(fitness))


CANDIDATES = [
    make_candidate(0, 4.25),
    make_candidate(1, None),
    make_candidate(2, 9.625),
    replace(
        make_candidate(3, 1.0), score=None, standings=(Standing(9_830, 1.5, 1.25, kept=False),)
    ),
]
ARCHIVE = Archive(tuple(CANDIDATES), 1)
COMPARISON = Comparison(
    65_536,
    {
        "found": make_score(10.5, trainings=4),
        "expert": make_score(8.0, trainings=4),
        "sparse": make_score(3.0, trainings=4),
    },
    normalized=1.5,
)


def make_tick(done: int, fitness: float = math.nan) -> Tick:
    spent = Spent(30_000, 9_000, 0.21, env_steps=done, seconds=done / 8000)
    return Tick(done, STEPS, fitness, spent, BUDGET)


def tell(listener: Listener, after_tick: object = None) -> None:
    """One generation and the comparison; ``after_tick`` is called after each tick."""
    listener.notice("Proposing offline, without a language model (no OPENAI_API_KEY).")
    listener.training("generation 1/1: training 6 candidates")
    for k in range(1, 49):
        listener.tick(make_tick(k * STEPS // 48, fitness=math.nan if k < 4 else k / 8))
        if callable(after_tick):
            after_tick()
    listener.trained()
    listener.generation(ARCHIVE, CANDIDATES[2], 1)
    listener.training("final comparison: 12 trainings from scratch")
    listener.tick(make_tick(STEPS // 2, 5.0))
    if callable(after_tick):
        after_tick()
    listener.tick(make_tick(STEPS, 6.0))
    listener.trained()
    listener.comparison(COMPARISON, CANDIDATES[2])
