"""What domain randomisation costs: environment steps a second with it, beside those without.

    .venv/bin/python benchmarks/randomisation.py [--tasks hopper cartpole_swingup ant]
                                                 [--envs 128] [--steps 20] [--rounds 41]

The simulations of a generation take random actions, one episode after the other, resets included.
Contenders take short turns, so that what the machine does meanwhile meets all of them; each ratio
is of two in the same round, and the median over rounds is shown with its 95% interval, from order
statistics.
"all" are the ranges of randomise=mild; the others are these one by one.
Prints a table; its last line is the same as JSON.
"""

import argparse
import json
import os
import platform
import time
from pathlib import Path

import jax
import numpy as np
import yaml
from scipy import stats

import reward_synth
from reward_synth.randomisation import Randomisation
from reward_synth.sim.cpu import CpuBackend
from reward_synth.sim.vector import VectorEnv
from reward_synth.task import load_task

_PRESET = Path(reward_synth.__file__).parent / "conf" / "randomise" / "mild.yaml"


def contenders() -> dict[str, Randomisation | None]:
    """Return what is compared, by name; noise is the observer's and costs physics nothing."""
    mild = yaml.safe_load(_PRESET.read_text(encoding="utf-8"))
    ranges = {name: tuple(found) for name, found in mild.items()}
    alone = {name: Randomisation(**{name: found}) for name, found in ranges.items()}
    alone.pop("noise")
    return {"off": None, **alone, "all": Randomisation(**ranges)}


def rate(env: VectorEnv, actions: np.ndarray) -> float:
    """Return the environment steps a second over some steps of random actions."""
    began = time.perf_counter()
    for action in actions:
        env.step(action)
    return actions.shape[0] * actions.shape[1] / (time.perf_counter() - began)


def median(values: np.ndarray) -> tuple[float, float, float]:
    """Return the low end of the median's 95% interval, the median, and the high end."""
    ordered, count = np.sort(values), len(values)
    low = int(stats.binom.ppf(0.025, count, 0.5))
    return float(ordered[low]), float(np.median(values)), float(ordered[count - 1 - low])


def compare(task_name: str, envs: int, steps: int, rounds: int) -> dict:
    """Time all contenders in turns."""
    task = load_task(task_name)
    keys = jax.random.split(jax.random.key(0), envs)
    worlds = {
        name: VectorEnv(task, CpuBackend(task, keys, randomisation=found))
        for name, found in contenders().items()
    }
    rng = np.random.default_rng(0)
    actions = rng.uniform(-1, 1, (steps, envs, task.model.nu)).astype(np.float32)
    rates = {name: [] for name in worlds}
    for number in range(rounds + 1):
        for name, env in worlds.items():
            found = rate(env, actions)
            if number:  # the first compiles
                rates[name].append(found)
    off = np.array(rates["off"])
    ratios = {name: np.array(found) / off for name, found in rates.items()}
    return {
        "task": task_name,
        "off_steps_per_second": round(float(np.median(off))),
        "ratio": {
            name: [round(x, 3) for x in median(found)]
            for name, found in ratios.items()
            if name != "off"
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tasks", nargs="+", default=["hopper", "cartpole_swingup", "ant"])
    parser.add_argument("--envs", type=int, default=128)
    parser.add_argument("--steps", type=int, default=20, help="of each environment, a turn")
    parser.add_argument("--rounds", type=int, default=41)
    options = parser.parse_args()
    rows = []
    names = [name for name in contenders() if name != "off"]
    print(f"{'task':18}{'off, steps/s':>14}" + "".join(f"{name:>20}" for name in names))
    for task in options.tasks:
        row = compare(task, options.envs, options.steps, options.rounds)
        rows.append(row)
        cells = [f"{m:.2f} [{low:.2f}, {high:.2f}]" for low, m, high in row["ratio"].values()]
        print(
            f"{task:18}{row['off_steps_per_second']:>14,}" + "".join(f"{c:>20}" for c in cells),
            flush=True,
        )
    facts = {"machine": platform.machine(), "cores": os.cpu_count(), "envs": options.envs}
    print(json.dumps({**facts, "rows": rows}))


if __name__ == "__main__":
    main()
