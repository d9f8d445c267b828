"""Our side: a population in training, its collecting alone, and one training after the other."""

from __future__ import annotations

import itertools
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import jax

from benchmarks.gpu.cell import Report, peak_memory
from benchmarks.gpu.plan import Cell, Settings
from reward_synth.records import Rejection
from reward_synth.reward.rewards import Reward, expert_reward, sparse_reward
from reward_synth.task import load_task
from reward_synth.task.task import Task
from reward_synth.train.config import PPOConfig
from reward_synth.train.job import train
from reward_synth.train.policy import Policy
from reward_synth.train.population import Member, Population

_COMPILED = "/jax/core/compile/backend_compile_duration"
_FEWEST = 3  # timed iterations
_ENDLESS = 10_000  # iterations that a training is told it has; it anneals its learning rate


class Compilations:
    """Every program that XLA compiles from now on: name and seconds, in order."""

    def __init__(self) -> None:
        self.programs: list[tuple[str, float]] = []
        jax.monitoring.register_event_duration_secs_listener(self._listen)

    def _listen(self, event: str, duration_secs: float, **kwargs: str | int) -> None:
        if event == _COMPILED:
            self.programs.append((str(kwargs.get("fun_name", "?")), duration_secs))

    def since(self, start: int) -> dict[str, object]:
        """Return how many were compiled after the first ``start``, and what took longest."""
        programs = self.programs[start:]
        longest = sorted(programs, key=lambda program: -program[1])[:3]
        return {
            "programs": len(programs),
            "seconds": round(sum(seconds for _, seconds in programs), 3),
            "longest": [(name, round(seconds, 3)) for name, seconds in longest],
        }


def measure_training(cell: Cell, settings: Settings, report: Report) -> None:
    """Time a population's iterations, then collecting alone, then a population with new rewards."""
    task, config, backend = load_task(cell.task), _config(cell, settings), _backend(cell, report)
    steps = cell.candidates * config.batch
    compilations = Compilations()

    def population(reward: Callable[[Task], Reward]) -> Population:
        # a function of its own for each, as in a search: compiled for each
        members = [Member(reward(task), seed) for seed in range(cell.candidates)]
        return Population(task, members, config, _ENDLESS, backend=backend)

    first, iteration = _time_iterations(lambda: population(expert_reward), settings.seconds)
    report(
        first_iteration=first,
        iteration=iteration,
        compile=first - iteration,
        compiled=compilations.since(0),
        steps_per_second=steps / iteration,
        physics_steps_per_second=task.frame_skip * steps / iteration,
        memory=peak_memory(),
    )
    again = len(compilations.programs)
    first, iteration = _time_iterations(lambda: population(sparse_reward), 0.0)
    report(second_compile=first - iteration, second_compiled=compilations.since(again))
    collecting = _time_collecting(population(expert_reward), settings.seconds)
    report(collecting=collecting, collecting_steps_per_second=steps / collecting)


def measure_together(cell: Cell, settings: Settings, report: Report) -> None:
    """Time whole trainings: all candidates together, then the same one after the other."""
    task, config, backend = load_task(cell.task), _config(cell, settings), _backend(cell, report)
    report(steps=config.iterations(settings.steps) * config.batch)
    members = [Member(expert_reward(task), seed) for seed in range(cell.candidates)]
    report(together=_time_job(task, members, config, settings.steps, backend), memory=peak_memory())
    jax.clear_caches()  # so that neither finds anything compiled by the other
    alone: list[dict[str, float]] = []
    for seed in range(cell.candidates):
        member = Member(expert_reward(task), seed)
        alone.append(_time_job(task, [member], config, settings.steps, backend))
        report(alone=alone)


def _backend(cell: Cell, report: Report) -> str:
    """Return our backend's name, having told this process which implementation of MJX to use."""
    backend, _, wanted = cell.engine.partition("-")
    if backend == "mjx":
        from reward_synth.sim import mjx

        implementation = wanted or mjx.choose_implementation()
        mjx.choose_implementation = lambda: implementation
        report(implementation=implementation)
    return backend


def _config(cell: Cell, settings: Settings) -> PPOConfig:
    return PPOConfig(
        envs=cell.envs,
        horizon=settings.horizon,
        epochs=settings.epochs,
        minibatches=settings.minibatches,
        hidden=settings.hidden,
        learning_rate=settings.learning_rate,
    )


def _time_iterations(start: Callable[[], Population], seconds: float) -> tuple[float, float]:
    """Start a training and time its iterations.

    Returns:
      Seconds until the first iteration has ended, starting and compiling included, and the
      median of later ones.
    """
    started = time.perf_counter()
    population = start()

    def iterate() -> float:
        begun = time.perf_counter()
        population.iterate()
        jax.block_until_ready(population.learners)
        return time.perf_counter() - begun

    iterate()
    first = time.perf_counter() - started
    iteration = statistics.median(_repeat(iterate, seconds))
    dropped = [rejection.reason for rejection in population.rejections if rejection]
    if dropped:  # it would have been timed doing nothing
        raise SystemExit(f"a candidate was dropped: {dropped[0]}")
    return first, iteration


def _repeat(timed: Callable[[], float], seconds: float) -> list[float]:
    times = [timed() for _ in range(_FEWEST)]
    while sum(times) < seconds:
        times.append(timed())
    return times


def _time_collecting(population: Population, seconds: float) -> float:
    """Return the median seconds of what an iteration takes to collect, with random actions.

    The program is that of training: physics, observations, resets and a policy that has learned
    nothing, so that its actions are noise around zero.
    """

    policies = [Policy.of(learner) for learner in population.learners]
    iterations = itertools.count()

    def collect() -> float:
        begun = time.perf_counter()
        jax.block_until_ready(population._collector.collect(policies, next(iterations)).state)
        return time.perf_counter() - begun

    collect()
    return statistics.median(_repeat(collect, seconds))


def _time_job(
    task: Task, members: list[Member], config: PPOConfig, steps: int, backend: str
) -> dict[str, float]:
    """Return the seconds of a whole training, and of its first iteration with what precedes it."""
    ends: list[float] = []
    with tempfile.TemporaryDirectory() as scratch:
        started = time.perf_counter()
        policies = train(
            task,
            members,
            [Path(scratch) / str(i) for i in range(len(members))],
            config,
            steps,
            checkpoint=Path(scratch) / "checkpoint.npz",
            backend=backend,
            on_iteration=lambda done, progress: ends.append(time.perf_counter()),
        )
        seconds = time.perf_counter() - started
    for policy in policies:
        if isinstance(policy, Rejection):
            raise SystemExit(f"a candidate was dropped: {policy.reason}")
    return {"seconds": seconds, "first_iteration": ends[0] - started}
