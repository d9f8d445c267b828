"""How far apart rewards are that are nearly the same, and rewards that are not.

    .venv/bin/python benchmarks/duplicates.py [--tasks hopper half_cheetah] [--programs 16]

Programs of the offline proposer, against themselves with every weight changed up or down by so
much, and against each other. Prints percentiles of each distance, and as its last line the same
as JSON. Where the threshold of ``reward.duplicates`` comes from.
"""

import argparse
import itertools
import json
import time

import numpy as np

from reward_synth.propose.offline import OfflineProposer
from reward_synth.propose.operators import Operator
from reward_synth.propose.proposer import Brief, Context
from reward_synth.records import RewardProgram, TracedReward
from reward_synth.reward.canonical import Canonical, Sample, canonical
from reward_synth.reward.compare import angle_distance, pearson_distance
from reward_synth.reward.duplicates import THRESHOLD, identity_distance
from reward_synth.reward.parse import parse
from reward_synth.reward.rewards import Reward, traced_reward
from reward_synth.reward.sandbox import Sandbox
from reward_synth.rollout.explore import explore
from reward_synth.task import Task, load_task

CHANGES = (0.01, 0.1, 0.5)
PERCENTILES = (0, 5, 50, 95, 100)
DISTANCES = {
    "identity": identity_distance,
    "angle": lambda a, b: angle_distance(a.values, b.values),
    "epic": lambda a, b: pearson_distance(a.epic, b.epic),
    "dard": lambda a, b: pearson_distance(a.dard, b.dard),
    "starc": lambda a, b: pearson_distance(a.starc, b.starc),
}


def rewards_of(task: Task, count: int) -> list[Reward]:
    proposals = [
        proposal
        for seed in range(-(-count // 8))
        for proposal in OfflineProposer().propose(
            Context(task.description, 0, seed), [Brief(Operator.INITIAL)] * 8
        )
    ]
    found = []
    with Sandbox.start() as sandbox:
        for proposal in proposals[:count]:
            program = parse(proposal.answer)
            assert isinstance(program, RewardProgram)
            traced = sandbox.trace(program, task.description)
            assert isinstance(traced, TracedReward)
            reward = traced_reward(traced, task)
            assert isinstance(reward, Reward)
            found.append(reward)
    return found


def percentiles(pairs: list[tuple[Canonical, Canonical]]) -> dict:
    found = {
        name: np.percentile([distance(*pair) for pair in pairs], PERCENTILES).round(4).tolist()
        for name, distance in DISTANCES.items()
    }
    taken = np.mean([identity_distance(*pair) <= THRESHOLD for pair in pairs])
    return {**found, "taken for one": round(float(taken), 3)}


def measure(name: str, count: int) -> dict:
    task = load_task(name)
    sample = Sample.draw(explore(task, seed=0, envs=64, steps=64), seed=0)
    rewards = rewards_of(task, count)
    forms = [canonical(reward, sample) for reward in rewards]
    begun = time.perf_counter()
    for reward in rewards:
        canonical(reward, sample)
    seconds = (time.perf_counter() - begun) / count
    others = list(itertools.combinations(forms, 2))
    row = {
        "task": name,
        "dynamics": round(sample.dynamics, 3),
        "seconds_each": round(seconds, 4),
        "shaping": np.percentile([form.shaping for form in forms], PERCENTILES).round(3).tolist(),
        "pairs": len(others),
        "each other": percentiles(others),
    }
    rng = np.random.default_rng(0)
    for change in CHANGES:
        pairs = []
        for reward, form in zip(rewards, forms, strict=True):
            for _ in range(2):
                signs = rng.choice([-1.0, 1.0], len(reward.weights))
                weights = (reward.weights * (1.0 + change * signs)).astype(np.float32)
                pairs.append((form, canonical(reward, sample, weights)))
        row[f"weights +-{change:.0%}"] = percentiles(pairs)
    return row


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tasks", nargs="+", default=["hopper", "half_cheetah"])
    parser.add_argument("--programs", type=int, default=16)
    options = parser.parse_args()
    rows = []
    for name in options.tasks:
        row = measure(name, options.programs)
        rows.append(row)
        print(f"{name}: a form takes {row['seconds_each'] * 1000:.0f} ms once compiled")
        print(f"{'':14} {'distance':9}" + "".join(f"{p:>8}%" for p in PERCENTILES))
        for against in ("each other", *(f"weights +-{change:.0%}" for change in CHANGES)):
            for distance in DISTANCES:
                cells = "".join(f"{number:9.4f}" for number in row[against][distance])
                print(f"{against:14} {distance:9}{cells}")
            print(f"{'':14} {row[against]['taken for one']:.0%} taken for one", flush=True)
    print(json.dumps({"percentiles": PERCENTILES, "rows": rows}))


if __name__ == "__main__":
    main()
