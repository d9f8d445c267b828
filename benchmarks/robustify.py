"""Does training in worlds that differ make a policy more robust, and from scratch or continued?

    .venv/bin/python -m benchmarks.robustify [--task hopper] [--steps 300000] [--trainings 6]

What ``reward-synth robustify`` does with a run's winner, for the expert's reward: ``--trainings``
policies in the model as it is, bounds by rule from how far the median one goes, and then four ways
to go on, each of ``--more`` steps: in the model as it is ("nominal"), within the bounds
("robustified"), within half of them ("half"), and from scratch within them for as many steps as
the others took together ("scratch"). Prints the fitness of each in the model as it is, in the
worlds of each perturbation, in those of all inside of the bounds and outside, and in all; and the
difference from "nominal" with its 95% interval over pairs of trainings.
``--ways`` picks some, ``--work`` keeps policies and sweeps and uses those that are there.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from reward_synth.deploy.stress import Stress
from reward_synth.deploy.sweep import act_of, spread_of, sweep
from reward_synth.feedback.scores import interval
from reward_synth.propose.ranges import offline_ranges
from reward_synth.randomisation import NOMINAL, Randomisation
from reward_synth.reward.rewards import expert_reward
from reward_synth.search.robustify import SLOWER, Settings, compare
from reward_synth.task import Task, load_task
from reward_synth.train.config import PPOConfig
from reward_synth.train.job import train
from reward_synth.train.policy import Policy
from reward_synth.train.population import Member

WAYS = ("robustified", "half", "scratch")
EPISODES, SEED, CONTINUED = 10, 123, 1000


def half(ranges: Randomisation) -> Randomisation:
    """Return the ranges halved, towards the model as it is."""
    found = {}
    for name, (low, high) in ranges.ranges():
        low, high = ((NOMINAL[name] + x) / 2 for x in (low, high))
        found[name] = (float(int(low)), float(int(high))) if name == "delay" else (low, high)
    return Randomisation(**found)


def trained(task: Task, folder: Path, starts: Sequence[Policy | None], steps: int) -> list[Policy]:
    """Return policies of the expert's reward, one for each start."""
    folders = [folder / str(i) for i in range(len(starts))]
    if not all((place / "policy.npz").is_file() for place in folders):
        for place in folders:
            place.mkdir(parents=True, exist_ok=True)
        reward, config, first = expert_reward(task), PPOConfig(), 0
        if starts[0] is not None:
            first = CONTINUED
            config = replace(config, learning_rate=SLOWER * config.learning_rate)
        members = [Member(reward, first + i, start=start) for i, start in enumerate(starts)]
        checkpoint = folder.with_suffix(".npz")
        results = train(task, members, folders, config, steps, checkpoint=checkpoint)
        assert all(isinstance(result, Policy) for result in results), results
    return [Policy.load(place / "policy.npz") for place in folders]


def swept(task: Task, path: Path, policies: Sequence[Policy], units: Policy) -> list[Stress]:
    """Return the stress test of each policy, with noise in units of one of them."""
    if not path.is_file():
        found = [
            sweep(
                task, act_of(policy), spread_of(units), policy=path.stem, seed=SEED,
                episodes=EPISODES,
            )
            for policy in policies
        ]  # fmt: skip
        path.write_text(json.dumps([one.to_json() for one in found]), encoding="utf-8")
    return [Stress.from_json(one) for one in json.loads(path.read_text(encoding="utf-8"))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", default="hopper")
    parser.add_argument("--trainings", type=int, default=6)
    parser.add_argument("--steps", type=int, default=300_000)
    parser.add_argument("--more", type=int, default=300_000)
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=WAYS)
    parser.add_argument("--work", type=Path)
    options = parser.parse_args()
    task, fresh = load_task(options.task), [None] * options.trainings
    with tempfile.TemporaryDirectory() as scratch:
        work = options.work or Path(scratch)
        begun = trained(task, work / "begun", fresh, options.steps)
        before = swept(task, work / "begun.json", begun, begun[0])
        median = sorted(before, key=lambda one: one.nominal.fitness)[len(before) // 2]
        bounds = offline_ranges(median)
        print(f"{options.task}, bounds: {bounds.words}\n")
        print("| trained on | in | nominal | so | difference |\n|---|---|---|---|---|")
        nominal = trained(task, work / "nominal", begun, options.more)
        base = swept(task, work / "nominal.json", nominal, begun[0])
        worlds = {"robustified": bounds, "half": half(bounds), "scratch": bounds}
        for way in options.ways:
            starts = fresh if way == "scratch" else begun
            steps = options.more + (options.steps if way == "scratch" else 0)
            differing = replace(task, randomisation=worlds[way])
            policies = trained(differing, work / way, starts, steps)
            tests = {"nominal": base, "robustified": swept(task, work / f"{way}.json", policies,
                                                            begun[0])}  # fmt: skip
            settings = Settings(options.trainings, options.steps, options.more, EPISODES)
            for row in compare("expert", settings, bounds, "offline", tests).rows:
                gap, low, high = row.difference
                means = [_estimate(row.fitness[kind]) for kind in ("nominal", "robustified")]
                print(
                    f"| {way} | {row.name} | {' | '.join(means)} | "
                    f"{gap:+.3g} [{low:+.3g}, {high:+.3g}] |",
                    flush=True,
                )


def _estimate(values: Sequence[float]) -> str:
    low, high = interval(np.array(values))
    return f"{np.mean(values):.3g} [{low:.3g}, {high:.3g}]"


if __name__ == "__main__":
    main()
