"""Whole trainings, timed beside Stable-Baselines3's: end to end, paired, with the returns reached.

    .venv/bin/python benchmarks/train_speed.py [--tasks half_cheetah hopper ant] [--seeds 3]
                                               [--steps 200000] [--output FILE]

Needs the sb3 extra. Contenders, each in a process of its own, take turns for every seed, so that
what the machine does meanwhile meets all of them:

    sb3 defaults   8 environments, 256 steps, minibatches of 64
    sb3 fastest    64 environments, 256 steps, minibatches of 512
    sb3 two        two of the fastest side by side, one torch thread each: what two cores give
    one            ours: one training, with the settings that a search uses
    four           ours: a population of four
    physics        nothing but mujoco.Batch.step, 128 simulations, random actions

Stable-Baselines3 trains on gymnasium's own environments, whose rewards are the tasks' expert
rewards, with its observations and rewards normalised. Seconds are those of learning, compilation
included (from a warm cache, as after the first run on a machine), imports not. Returns are of 20
held-out episodes without noise, the standard deviation that between trainings.
Prints a table; its last line is the same as JSON.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TASKS = ("half_cheetah", "hopper", "ant")
SB3 = {"sb3 defaults": (8, 256, 64), "sb3 fastest": (64, 256, 512), "sb3 two": (64, 256, 512)}
CONTENDERS = (*SB3, "one", "four", "physics")
EPISODES = 20


def train_sb3(task: str, seed: int, steps: int, shape: tuple[int, int, int], threads: int) -> dict:
    """Train with Stable-Baselines3 on gymnasium's environment."""
    import torch
    from sb3_runner import GYMNASIUM
    from stable_baselines3 import PPO
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.evaluation import evaluate_policy
    from stable_baselines3.common.vec_env import VecNormalize

    torch.set_num_threads(threads)
    envs, horizon, minibatch = shape
    name, options = GYMNASIUM[task]
    env = VecNormalize(make_vec_env(name, envs, seed=seed, env_kwargs=options))
    model = PPO("MlpPolicy", env, n_steps=horizon, batch_size=minibatch, seed=seed, device="cpu")
    began = time.perf_counter()
    model.learn(steps)
    seconds = time.perf_counter() - began
    env.training, env.norm_reward = False, False
    mean, _ = evaluate_policy(model, env, EPISODES, warn=False)
    return {"seconds": seconds, "steps": model.num_timesteps, "returns": [mean]}


def train_ours(task_name: str, seeds: list[int], steps: int, cache: Path) -> dict:
    """Train a population with ours."""
    from reward_synth.reward.rewards import expert_reward
    from reward_synth.rollout.episodes import evaluate
    from reward_synth.task import load_task
    from reward_synth.train.config import PPOConfig
    from reward_synth.train.policy import Policy
    from reward_synth.train.population import Member, Population
    from reward_synth.train.setup import configure_jax

    configure_jax(cache)
    task, config = load_task(task_name), PPOConfig()
    reward = expert_reward(task)
    began = time.perf_counter()
    members = [Member(reward, seed) for seed in seeds]
    population = Population(task, members, config, config.iterations(steps))
    while population.iteration < population.iterations:
        population.iterate()
    seconds = time.perf_counter() - began
    policies = [Policy.of(learner) for learner in population.learners]
    count = len(seeds)
    tests = [1000 + seed for seed in seeds]
    rollouts = evaluate(task, policies, [reward] * count, tests, EPISODES)
    returns = [float(rollout.episode_return.mean()) for rollout in rollouts]
    done = count * population.iterations * config.batch
    return {"seconds": seconds, "steps": done, "returns": returns}


def step_physics(task_name: str, steps: int) -> dict:
    """Step nothing but physics."""
    import numpy as np
    from mujoco.batch import Batch

    from reward_synth.task import load_task

    task, simulations = load_task(task_name), 128
    batch = Batch(task.model, simulations, 0)
    control, random = batch.bind("ctrl"), np.random.default_rng(0)
    actions = random.uniform(-1, 1, (50, *control.shape)) * task.action_scale + task.action_offset
    began = time.perf_counter()
    for t in range(steps // simulations):
        if t % 1000 == 0:
            batch.reset()
        control[:] = actions[t % len(actions)]
        batch.step(nstep=task.frame_skip)
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "steps": steps // simulations * simulations}


def contend(contender: str, task: str, seed: int, steps: int, cache: Path) -> dict:
    """Be one contender, in this process."""
    if contender in SB3:
        threads = 1 if contender == "sb3 two" else os.cpu_count() or 1
        return train_sb3(task, seed, steps, SB3[contender], threads)
    if contender == "physics":
        return step_physics(task, steps)
    count = 4 if contender == "four" else 1
    return train_ours(task, [seed * count + k for k in range(count)], steps, cache)


def spawn(contender: str, task: str, seed: int, steps: int, cache: Path) -> dict:
    """Have a contender work in a process of its own; two of them side by side if it says so."""

    def one(seed: int) -> dict:
        command = [sys.executable, __file__, "--contender", contender, "--tasks", task]
        command += ["--seeds", str(seed), "--steps", str(steps), "--cache", str(cache)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        if done.returncode:
            raise SystemExit(f"{contender} on {task} failed; run: {' '.join(command)}")
        return json.loads(done.stdout.splitlines()[-1])

    if contender != "sb3 two":
        return one(seed)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(one, (2 * seed, 2 * seed + 1))
    return {
        "seconds": max(first["seconds"], second["seconds"]),
        "steps": first["steps"] + second["steps"],
        "returns": first["returns"] + second["returns"],
    }


def compare(task: str, seeds: int, steps: int, cache: Path) -> list[dict]:
    """Let all contenders train for all seeds, in turns."""
    results: dict[str, list[dict]] = {contender: [] for contender in CONTENDERS}
    for contender in ("one", "four"):
        spawn(contender, task, 0, 1, cache)  # compiles
    for seed in range(seeds):
        for contender in CONTENDERS:
            results[contender].append(spawn(contender, task, seed, steps, cache))
    rows = []
    for contender, runs in results.items():
        rate = sum(run["steps"] for run in runs) / sum(run["seconds"] for run in runs)
        row = {"task": task, "contender": contender, "steps_per_second": round(rate)}
        if contender != "physics":
            returns = [value for run in runs for value in run["returns"]]
            row["returns"] = [round(value, 1) for value in returns]
        rows.append(row)
    return rows


def show(rows: list[dict]) -> None:
    """Print one task's table."""
    rates = {row["contender"]: row["steps_per_second"] for row in rows}
    for row in rows:
        rate, line = row["steps_per_second"], f"{row['task']:14}{row['contender']:14}"
        line += (
            f"{rate:>9,}{rate / rates['sb3 defaults']:>9.1f}x{rate / rates['sb3 fastest']:>8.1f}x"
        )
        line += f"{rate / rates['physics']:>8.0%}"
        if "returns" in row:
            values = row["returns"]
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            line += f"{statistics.fmean(values):>9.0f} ({spread:.0f})"
        print(line, flush=True)


def main() -> None:
    warnings.filterwarnings("ignore")
    parser = argparse.ArgumentParser()
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=TASKS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=200_000, help="of each training")
    parser.add_argument("--output", type=Path, help="file for the JSON")
    parser.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--cache", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contender:
        (task,), seed = options.tasks, options.seeds
        print(json.dumps(contend(options.contender, task, seed, options.steps, options.cache)))
        return
    print("task          contender      steps/s  defaults  fastest physics  return (sd)")
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for task in options.tasks:
            rows += compare(task, options.seeds, options.steps, Path(scratch))
            show([row for row in rows if row["task"] == task])
    result = json.dumps(
        {
            "machine": platform.machine(),
            "cores": os.cpu_count(),
            "steps": options.steps,
            "seeds": options.seeds,
            "rows": rows,
        }
    )
    if options.output:
        options.output.write_text(f"{result}\n")
    print(result)


if __name__ == "__main__":
    main()
