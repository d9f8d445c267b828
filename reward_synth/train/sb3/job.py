"""``train.job.train`` with Stable-Baselines3's PPO: same arguments, same files, same words.

Members train one after the other. What a job that was killed had finished is kept; the
member that was under way begins again, with the same seed, and ends at the same place.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import SupportsFloat, cast

import jax
import numpy as np
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback

from reward_synth.errors import ConfigError
from reward_synth.files import write_text
from reward_synth.gym.outcome import Outcome
from reward_synth.records import Rejection, Stage
from reward_synth.sim.vector import Step
from reward_synth.task import Task
from reward_synth.train.collect import reset_keys
from reward_synth.train.config import PPOConfig
from reward_synth.train.history import write_history
from reward_synth.train.policy import Policy
from reward_synth.train.population import Member
from reward_synth.train.ppo import Health
from reward_synth.train.progress import Progress, Tally, reward_problem, update_problem
from reward_synth.train.sb3 import NO_CAPS, NOMINAL_ONLY
from reward_synth.train.sb3.model import make_ppo, one_thread, to_policy
from reward_synth.train.sb3.vec_env import SimVecEnv


def train(
    task: Task,
    members: Sequence[Member],
    folders: Sequence[Path],
    config: PPOConfig,
    steps: int,
    *,
    checkpoint: Path,
    threads: int = 0,
    checkpoint_s: float = 0.0,
    on_iteration: Callable[[int, Sequence[Progress | None]], None] = lambda done, progress: None,
) -> list[Policy | Rejection]:
    """Train members one by one; see ``train.job.train`` for arguments, files and results.

    ``on_iteration`` is told the progress of the one that trains.

    Raises:
      ConfigError: a member has caps, or the task randomises its worlds.
    """
    if task.randomisation is not None:
        raise ConfigError(NOMINAL_ONLY)
    if any(member.caps is not None for member in members):
        raise ConfigError(NO_CAPS)
    iterations = config.iterations(steps)
    checkpoint = checkpoint.with_suffix(".json")  # no arrays in it
    finished: dict[str, str] = {}  # member to why it was dropped, "" if it was not
    if checkpoint.is_file():
        finished = json.loads(checkpoint.read_text(encoding="utf-8"))
    for k, (member, folder) in enumerate(zip(members, folders, strict=True)):
        if str(k) in finished:
            continue

        def on_progress(progress: Progress, k: int = k) -> None:
            done = k * iterations * config.batch + progress.steps
            on_iteration(done, [progress if i == k else None for i in range(len(members))])

        journal = _Journal(member, config, on_progress)
        result = _train_member(task, journal, iterations, threads)
        write_history(folder, [entry.to_json() for entry in journal.history])
        if isinstance(result, Policy):
            result.save(folder / "policy.npz")
        finished[str(k)] = result.reason if isinstance(result, Rejection) else ""
        write_text(checkpoint, json.dumps(finished))
    checkpoint.unlink(missing_ok=True)
    return [
        Rejection(Stage.TRAIN, finished[str(k)])
        if finished[str(k)]
        else Policy.load(folder / "policy.npz")
        for k, folder in enumerate(folders)
    ]


def _train_member(
    task: Task, journal: _Journal, iterations: int, threads: int
) -> Policy | Rejection:
    member, config = journal.member, journal.config
    keys = reset_keys([member.seed], config.envs)
    env = SimVecEnv(task, member.reward, keys, threads=threads, on_step=journal.add)
    with one_thread():
        model = make_ppo(env, config, iterations, member.seed)
        try:
            model.learn(iterations * config.batch, callback=_Watch(journal), log_interval=None)
        except _DroppedError as dropped:
            return dropped.rejection
        except ValueError as error:
            if "distribution Normal" not in str(error):
                raise
            # torch refuses a distribution whose parameters are NaN
            problem = update_problem(_health_of(*[math.nan] * len(Health._fields)))
            assert problem is not None
            return problem
    return to_policy(model)


class _DroppedError(Exception):
    """Carries out of Stable-Baselines3's loop why a member cannot go on."""

    def __init__(self, rejection: Rejection) -> None:
        super().__init__(rejection.reason)
        self.rejection = rejection


@dataclass(slots=True)
class _Journal:
    """What a member does, gathered step by step and summed up by iterations."""

    member: Member
    config: PPOConfig
    on_progress: Callable[[Progress], None]
    history: list[Progress] = field(default_factory=list)
    _steps: list[tuple[Step, Outcome]] = field(default_factory=list)
    _tally: Tally = field(init=False)

    def __post_init__(self) -> None:
        self._tally = Tally.start(self.config.envs)

    def add(self, step: Step, result: Outcome) -> None:
        """Take in a step of N environments; a bad reward ends the training before it harms."""
        names = self.member.reward.terms
        _drop_for(reward_problem(result.reward[None], result.terms[None], names))
        self._steps.append((step, result))

    def sum_up(self, health: Health) -> None:
        """Close an iteration that was learned from."""
        steps, self._steps = self._steps, []
        reward, terms, fitness = (
            np.stack([getattr(result, name) for _, result in steps])
            for name in ("reward", "terms", "fitness")
        )
        terminated, truncated, diverged, length = (
            np.stack([getattr(step, name) for step, _ in steps])
            for name in ("terminated", "truncated", "diverged", "length")
        )
        _drop_for(update_problem(health))
        progress = self._tally.progress(
            steps=(len(self.history) + 1) * self.config.batch,
            reward=reward,
            terms=terms,
            names=self.member.reward.terms,
            fitness=fitness,
            terminated=terminated,
            truncated=truncated,
            diverged=diverged,
            length=length,
            health=health,
        )
        self.history.append(progress)
        self.on_progress(progress)


def _drop_for(problem: Rejection | None) -> None:
    if problem is not None:
        raise _DroppedError(problem)


def _health_of(*numbers: SupportsFloat) -> Health:
    """Return numbers as the record of an update, which has them as JAX's arrays."""
    return Health(*[cast("jax.Array", float(number)) for number in numbers])


class _Watch(BaseCallback):
    """Sums up each iteration after its update, which is when the next begins, or training ends."""

    def __init__(self, journal: _Journal) -> None:
        super().__init__()
        self._journal = journal
        self._collected = False

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        if self._collected:
            self._journal.sum_up(_health(self.model))
        self._collected = True

    def _on_training_end(self) -> None:
        self._journal.sum_up(_health(self.model))


def _health(model: PPO) -> Health:
    """Return how the last update went, as ours is defined; the KL is that of its last epoch."""
    logged, buffer = model.logger.name_to_value, model.rollout_buffer
    log_std = model.policy.log_std.detach().numpy()
    return _health_of(
        logged["train/policy_gradient_loss"],
        logged["train/value_loss"] / 2,
        logged["train/approx_kl"],
        logged["train/clip_fraction"],
        np.sum(log_std + 0.5 * np.log(2 * np.pi * np.e)),
        1 - np.var(buffer.advantages) / (np.var(buffer.returns) + 1e-8),
    )
