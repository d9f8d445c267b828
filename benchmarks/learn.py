"""How fast PPO trains on each bundled task, and what it reaches: expert reward, several seeds.

    .venv/bin/python benchmarks/learn.py [--tasks hopper ant] [--trainings 4] [--steps N]

Prints a table, and as its last line the same as JSON. The trainings of a task run
as one population, as in a search; the first iteration, which compiles, is not timed.
"""

import argparse
import json
import os
import platform
import tempfile
import time
from pathlib import Path

from reward_synth.feedback.scores import score
from reward_synth.records import Rejection
from reward_synth.reward.rewards import expert_reward
from reward_synth.rollout.episodes import evaluate
from reward_synth.task import bundled_tasks, load_task
from reward_synth.train.config import PPOConfig
from reward_synth.train.job import train
from reward_synth.train.policy import Policy
from reward_synth.train.population import Member
from reward_synth.train.setup import configure_jax

EPISODES = 20


def measure(name: str, trainings: int, steps: int | None) -> dict:
    task = load_task(name)
    steps = steps or task.train_steps
    reward, config = expert_reward(task), PPOConfig()
    started: list[tuple[float, int]] = []
    with tempfile.TemporaryDirectory() as scratch:
        folders = [Path(scratch) / str(seed) for seed in range(trainings)]
        policies = train(
            task,
            [Member(reward, seed) for seed in range(trainings)],
            folders,
            config,
            steps,
            checkpoint=Path(scratch) / "checkpoint.npz",
            on_iteration=lambda done, _: started.append((time.perf_counter(), done)),
        )
    dropped = [policy.reason for policy in policies if isinstance(policy, Rejection)]
    if dropped:
        raise SystemExit(f"{name}: {dropped[0]}")
    policies = [policy for policy in policies if isinstance(policy, Policy)]
    (first, begun), (last, done) = started[0], started[-1]
    count = len(policies)
    seeds = [1000 + seed for seed in range(count)]
    rollouts = evaluate(task, policies, [reward] * count, seeds, EPISODES)
    result = score(
        [r.episode_fitness for r in rollouts],
        [r.success for r in rollouts],
        [r.length for r in rollouts],
    )
    return {
        "task": name,
        "steps": done,
        "trainings": count,
        "env_steps_per_second": round((done - begun) * count / (last - first)),
        "fitness": [round(x, 3) for x in (result.fitness, result.low, result.high)],
        "success": round(result.success, 3),
        "return": round(float(sum(r.episode_return.mean() for r in rollouts) / count), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tasks", nargs="+", default=list(bundled_tasks()))
    parser.add_argument("--trainings", type=int, default=4)
    parser.add_argument("--steps", type=int, help="for each training; default: the task's own")
    options = parser.parse_args()
    configure_jax(cache=None)
    print(f"{'task':18} {'steps':>8} {'steps/s':>8}  fitness [95%]              success  return")
    rows = []
    for name in options.tasks:
        row = measure(name, options.trainings, options.steps)
        rows.append(row)
        mean, low, high = row["fitness"]
        print(
            f"{name:18} {row['steps']:>8,} {row['env_steps_per_second']:>8,}  "
            f"{mean:8.3f} [{low:.3f}, {high:.3f}]  {row['success']:8.0%} {row['return']:8.1f}",
            flush=True,
        )
    print(json.dumps({"machine": platform.machine(), "cores": os.cpu_count(), "rows": rows}))


if __name__ == "__main__":
    main()
