"""Our PPO against Stable-Baselines3's: same tasks, rewards, hyperparameters, steps and episodes.

    .venv/bin/python benchmarks/parity.py [--tasks hopper ant] [--seeds 5] [--steps N]
        [--work outputs/parity] [--output benchmarks/results/parity.json]

Needs the sb3 extra. Prints a table, and as its last line the same as JSON; draws the learning
curves into <output>.png. Each training that is finished is kept in --work, under its number of
steps, and not repeated: after Ctrl-C give the same command again.

The return is that of the last checkpoint, without noise, over fresh episodes that are the same
for both, averaged for each seed. Over seeds it is the interquartile mean with a 95% percentile
bootstrap interval: Agarwal et al. (2021), "Deep Reinforcement Learning at the Edge of the
Statistical Precipice", section 4.

What is the same: network, initialisation, Adam with epsilon 1e-5, GAE, bootstrapping where
the time limit truncates, advantages normalised in each minibatch, neither value clipping nor
a limit on the KL, clipping of normalised observations and rewards at 10; initial states.
What differs (files of stable_baselines3 2.9.2):

- Statistics of observations are brought up to date at each step, before it is normalised
  (common/vec_env/vec_normalize.py:191); ours once an iteration, after the update, so that a
  batch is normalised alike and all of the first one not at all.
- So are those of returns (:196), whose first few make the first rewards much too large, up to
  the clip at 10; ours take in a batch before its rewards are scaled.
- The value loss is the mean square (ppo/ppo.py:244), ours half of it; vf_coef is half of ours.
- One learning rate for an iteration (ppo/ppo.py:191), that of its end
  (common/on_policy_algorithm.py:330); train/sb3/model.py gives it that of the middle, the
  mean of ours, which falls with each gradient step.
- The standard deviation of advantages has Bessel's correction (ppo/ppo.py:219): 0.4%.
- Truncated steps add gamma times the value to the reward (common/on_policy_algorithm.py:245),
  where we put it into delta: the same sum.
- Different random streams, in float32 by another compiler.
"""

import argparse
import importlib.util
import json
import multiprocessing
import os
import platform
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
import scipy.stats
from matplotlib.figure import Figure

from reward_synth.files import write_text
from reward_synth.train.history import read_history

# environment steps of each training
STEPS = {
    "hopper": 300_000,
    "half_cheetah": 300_000,
    "ant": 500_000,
    "reacher": 150_000,
    "cartpole_swingup": 200_000,
}
TRAINERS = {"jax": ("ours", "#0072B2"), "sb3": ("Stable-Baselines3", "#D55E00")}
EPISODES = 20
PROCESSES = 2
LEAST_SEEDS = 2  # for an interval


def place(work: Path, name: str, steps: int, trainer: str, seed: int) -> Path:
    return work / f"{name}-{steps}" / trainer / f"seed_{seed}"


def run(name: str, trainer: str, seeds: tuple[int, ...], steps: int, work: Path) -> None:
    """Train and evaluate seeds of a task in this process; leave result.json in each one's place."""
    from reward_synth.train.setup import configure_jax

    configure_jax(work / "xla")
    from reward_synth.records import Rejection
    from reward_synth.rollout.episodes import evaluate
    from reward_synth.search.trainings import train_with
    from reward_synth.train.config import PPOConfig
    from reward_synth.train.policy import Policy
    from reward_synth.train.population import Member

    task, reward = load(name)
    folders = [place(work, name, steps, trainer, seed) for seed in seeds]
    results = train_with(trainer)(
        task,
        [Member(reward, seed) for seed in seeds],
        folders,
        PPOConfig(),
        steps,
        checkpoint=folders[0].parent / f"checkpoint_{'_'.join(map(str, seeds))}.npz",
        threads=1,
    )
    dropped = [result.reason for result in results if isinstance(result, Rejection)]
    if dropped:
        raise SystemExit(f"{name}, {trainer}: {dropped[0]}")
    policies = [result for result in results if isinstance(result, Policy)]
    tests = [1000 + seed for seed in seeds]
    rewards = [reward] * len(seeds)
    for folder, rollouts in zip(
        folders, evaluate(task, policies, rewards, tests, EPISODES, threads=1), strict=True
    ):
        found = {
            "return": float(rollouts.episode_return.mean()),
            "fitness": float(rollouts.episode_fitness.mean()),
        }
        write_text(folder / "result.json", json.dumps(found))


@lru_cache
def load(name: str):
    """Once for each process, which then compiles once."""
    from reward_synth.reward.rewards import expert_reward
    from reward_synth.task import load_task

    task = load_task(name)
    return task, expert_reward(task)


def train_all(tasks: dict[str, int], seeds: int, work: Path) -> None:
    """Train what is not in ``work`` yet, two processes side by side, the longest first."""
    jobs = []
    for name, steps in tasks.items():
        missing = {
            trainer: [
                seed
                for seed in range(seeds)
                if not (place(work, name, steps, trainer, seed) / "result.json").is_file()
            ]
            for trainer in TRAINERS
        }
        # Ours learn side by side in one batch; theirs one by one.
        if missing["jax"]:
            jobs.append((name, "jax", tuple(missing["jax"]), steps, work))
        jobs += [(name, "sb3", (seed,), steps, work) for seed in missing["sb3"]]
    jobs.sort(key=lambda job: -len(job[2]) * job[3])
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:
        futures = {pool.submit(run, *job): job for job in jobs}
        for i, future in enumerate(as_completed(futures)):
            future.result()
            name, trainer, done, *_ = futures[future]
            print(f"{i + 1}/{len(jobs)}: {name}, {trainer}, seeds {list(done)}", flush=True)


def interquartile_mean(values: np.ndarray, axis: int = -1):
    return scipy.stats.trim_mean(values, 0.25, axis=axis)


def difference(ours: np.ndarray, theirs: np.ndarray, axis: int = -1):
    return interquartile_mean(ours, axis) - interquartile_mean(theirs, axis)


def with_interval(statistic, *samples: np.ndarray) -> list[float]:
    """A statistic of samples, (S,) each, and its 95% percentile bootstrap interval."""
    found = scipy.stats.bootstrap(
        samples,
        statistic,
        method="percentile",
        rng=np.random.default_rng(0),
        vectorized=True,
    )
    low, high = found.confidence_interval
    return [round(float(x), 3) for x in (statistic(*samples), low, high)]


def compare(name: str, steps: int, seeds: int, work: Path) -> dict:
    returns = {
        trainer: np.array(
            [
                json.loads((place(work, name, steps, trainer, s) / "result.json").read_text())[
                    "return"
                ]
                for s in range(seeds)
            ]
        )
        for trainer in TRAINERS
    }
    return {
        "task": name,
        "steps": steps,
        "returns": {trainer: values.round(3).tolist() for trainer, values in returns.items()},
        "jax": with_interval(interquartile_mean, returns["jax"]),
        "sb3": with_interval(interquartile_mean, returns["sb3"]),
        "difference": with_interval(difference, returns["jax"], returns["sb3"]),
    }


def curve(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Steps, (I,), and the mean return of the episodes that ended in each iteration, (I,).

    Where none ended, it is between those before and after; NaN before the first that did.
    """
    lines = read_history(folder)
    steps = np.array([line["steps"] for line in lines])
    values = np.array([line["episode_return"] for line in lines], float)
    known = np.isfinite(values)
    return steps, np.interp(steps, steps[known], values[known], left=np.nan)


def draw(tasks: dict[str, int], seeds: int, work: Path, path: Path) -> None:
    figure = Figure(figsize=(3.4 * len(tasks), 3.2), layout="constrained")
    for axes, (name, steps) in zip(
        figure.subplots(1, len(tasks), squeeze=False)[0], tasks.items(), strict=True
    ):
        for trainer, (label, colour) in TRAINERS.items():
            curves = [curve(place(work, name, steps, trainer, seed)) for seed in range(seeds)]
            for x, y in curves:
                axes.plot(x, y, color=colour, alpha=0.25, linewidth=0.8)
            mean = np.mean([y for _, y in curves], axis=0)
            axes.plot(curves[0][0], mean, color=colour, linewidth=2.0, label=label)
        axes.set_title(name, fontsize=10)
        axes.set_xlabel("environment steps", fontsize=9)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value / 1000:.0f}k")
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("return while training", fontsize=9)
    figure.axes[0].legend(frameon=False, fontsize=8, loc="upper left")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tasks", nargs="+", choices=list(STEPS), default=list(STEPS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, help="of each training; default: the task's in STEPS")
    parser.add_argument("--work", type=Path, default=Path("outputs/parity"))
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/parity.json"))
    options = parser.parse_args()
    if options.seeds < LEAST_SEEDS:
        parser.error(f"--seeds must be at least {LEAST_SEEDS}.")
    if importlib.util.find_spec("stable_baselines3") is None:
        parser.error("this needs the sb3 extra: make test-extras, or pip install -e '.[sb3]'.")
    tasks = {name: options.steps or STEPS[name] for name in options.tasks}
    train_all(tasks, options.seeds, options.work.resolve())
    rows = [compare(name, tasks[name], options.seeds, options.work) for name in tasks]
    draw(tasks, options.seeds, options.work, options.output.with_suffix(".png"))
    print(f"\n{'task':18} {'steps':>8}  {'ours':>26} {'Stable-Baselines3':>26} {'difference':>26}")
    for row in rows:
        cells = [
            f"{value:.1f} [{low:.1f}, {high:.1f}]"
            for value, low, high in (row["jax"], row["sb3"], row["difference"])
        ]
        print(f"{row['task']:18} {row['steps']:>8,}  " + " ".join(f"{cell:>26}" for cell in cells))
    packages = ("reward-synth", "jax", "mujoco", "stable-baselines3", "torch")
    result = {
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "versions": {package: version(package) for package in packages},
        "seeds": options.seeds,
        "episodes": EPISODES,
        "rows": rows,
    }
    text = json.dumps(result)
    write_text(options.output, text + "\n")
    print(text)


if __name__ == "__main__":
    main()
