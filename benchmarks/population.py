"""One process with K candidates against K processes with one each, and what memory it takes.

    .venv/bin/python benchmarks/population.py [--tasks half_cheetah hopper] [--members 1 2 4 8 16]

Three ways to train the same K members for the same steps: together in one population; each in a
process of its own with all physics threads, all at once; and each in a process of its own with one
physics thread, as many at a time as there are cores. Times are from start to end, with imports and
compilation (from a warm cache), since a process costs those too. Prints a table, and as its last
line the same as JSON. Peak memory is the resident set of the one process.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def work(
    task_name: str, seeds: list[int], envs: int, steps: int, threads: int, cache: Path
) -> None:
    """Train the members in this process; print steps/s without the first iteration, and memory."""
    from reward_synth.reward.rewards import expert_reward
    from reward_synth.task import load_task
    from reward_synth.train.config import PPOConfig
    from reward_synth.train.population import Member, Population
    from reward_synth.train.setup import configure_jax

    configure_jax(cache)
    task, config = load_task(task_name), PPOConfig(envs=envs)
    members = [Member(expert_reward(task), seed) for seed in seeds]
    population = Population(task, members, config, config.iterations(steps), threads)
    population.iterate()
    began = time.perf_counter()
    while population.iteration < population.iterations:
        population.iterate()
    done = (population.iterations - 1) * config.batch * len(seeds)
    rate = done / max(time.perf_counter() - began, 1e-9)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"steps_per_second": round(rate), "peak_bytes": peak}))


def spawn(
    options: argparse.Namespace, task: str, seeds: list[int], threads: int, steps: int | None = None
) -> dict:
    command = [sys.executable, __file__, "--work", task, "--threads", str(threads)]
    command += ["--envs", str(options.envs), "--steps", str(steps or options.steps)]
    command += ["--cache", str(options.cache), "--members", *map(str, seeds)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def compare(options: argparse.Namespace, task: str, count: int) -> dict:
    """Time the three ways, one after the other."""
    seeds, cores = list(range(count)), os.cpu_count() or 1
    for warming in (seeds, seeds[:1]):
        spawn(options, task, warming, 0, steps=1)
    began = time.perf_counter()
    together = spawn(options, task, seeds, 0)
    seconds = {"one process": time.perf_counter() - began}
    for name, threads, at_once in (("all at once", 0, count), ("one per core", 1, cores)):
        if count == 1:
            continue
        began = time.perf_counter()
        with ThreadPoolExecutor(at_once) as pool:
            list(pool.map(lambda seed, t=threads: spawn(options, task, [seed], t), seeds))
        seconds[name] = time.perf_counter() - began
    return {
        "task": task,
        "members": count,
        "seconds": {name: round(value, 2) for name, value in seconds.items()},
        "steps_per_second": together["steps_per_second"],
        "peak_gigabytes": round(together["peak_bytes"] / 1e9, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tasks", nargs="+", default=["half_cheetah", "hopper", "ant"])
    parser.add_argument("--members", nargs="+", type=int, default=[1, 2, 4, 8, 16])
    parser.add_argument("--envs", type=int, default=32, help="environments of each member")
    parser.add_argument("--steps", type=int, default=40_960, help="of each member")
    parser.add_argument("--threads", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--cache", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        seeds, envs, steps = options.members, options.envs, options.steps
        return work(options.work, seeds, envs, steps, options.threads, options.cache)
    rows = []
    print(
        f"{'task':14}{'K':>4}{'together':>10}{'at once':>10}{'per core':>10}{'steps/s':>10}  memory"
    )
    with tempfile.TemporaryDirectory() as scratch:
        options.cache = Path(scratch)
        for task in options.tasks:
            for count in options.members:
                row = compare(options, task, count)
                rows.append(row)
                times = [
                    row["seconds"].get(n) for n in ("one process", "all at once", "one per core")
                ]
                cells = "".join(f"{'-' if t is None else f'{t:.1f} s':>10}" for t in times)
                rate, peak = row["steps_per_second"], row["peak_gigabytes"]
                print(f"{task:14}{count:>4}{cells}{rate:>10,}  {peak:.2f} GB", flush=True)
    facts = {"machine": platform.machine(), "cores": os.cpu_count(), "envs": options.envs}
    print(json.dumps({**facts, "steps": options.steps, "rows": rows}))
    return None


if __name__ == "__main__":
    main()
