"""Which of the tasks' safety limits do policies exceed that nobody warned of them?

    .venv/bin/python -m benchmarks.limits [--tasks hopper cartpole_swingup] [--steps 300000]

Trains the expert's reward with three seeds and ``--fresh`` (5) programs of the offline proposer,
and runs 20 held-out episodes of each. Prints a Markdown table with a line for each policy.
``--work`` keeps the policies, and uses those that are there.
"""

import argparse
import tempfile
from pathlib import Path

from benchmarks.screens import proposed
from reward_synth.feedback.scores import exceeded, score
from reward_synth.reward.rewards import expert_reward
from reward_synth.rollout.episodes import evaluate, violations
from reward_synth.task import load_task
from reward_synth.train.config import PPOConfig
from reward_synth.train.job import train
from reward_synth.train.policy import Policy
from reward_synth.train.population import Member

EXPERTS, EPISODES, SEED = 3, 20, 7


def rows(name: str, steps: int, fresh: int, work: Path) -> list[str]:
    """Return a line for each policy of a task."""
    task = load_task(name)
    rewards = [expert_reward(task)] * EXPERTS + proposed(task, 1, fresh)
    folders = [work / name / str(i) for i in range(len(rewards))]
    if not all((folder / "metrics.jsonl").is_file() for folder in folders):
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
        members = [Member(reward, seed) for seed, reward in enumerate(rewards)]
        train(task, members, folders, PPOConfig(), steps, checkpoint=work / f"{name}.npz")
    found = []
    for i, (folder, reward) in enumerate(zip(folders, rewards, strict=True)):
        if not (folder / "policy.npz").is_file():
            continue  # training was given up
        policy = Policy.load(folder / "policy.npz")
        (ran,) = evaluate(task, [policy], [reward], [SEED], EPISODES)
        kept = score(
            [ran.episode_fitness], [ran.success], [ran.length], violations=violations(task, [ran])
        )
        whose = f"the expert's, seed {i}" if i < EXPERTS else f"offline program {i - EXPERTS + 1}"
        cells = whose, f"{kept.fitness:.3g}", f"{ran.length.mean():.0f}", exceeded(kept) or "none"
        found.append(f"| {name} | {' | '.join(cells)} |")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", nargs="+", default=["hopper", "cartpole_swingup"])
    parser.add_argument("--steps", type=int, default=300_000)
    parser.add_argument("--fresh", type=int, default=5)
    parser.add_argument("--work", type=Path)
    options = parser.parse_args()
    print("| task | policy of | fitness | steps | limits exceeded |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        for name in options.tasks:
            work = options.work or Path(scratch)
            print("\n".join(rows(name, options.steps, options.fresh, work)), flush=True)


if __name__ == "__main__":
    main()
