"""Whether the screens are right: rewards are screened, and then all of them trained.

    .venv/bin/python benchmarks/screens.py [--task hopper] [--steps 50000] [--fresh 20]

``--earlier`` (8) programs of the offline proposer and the expert are trained first; their held-out
episodes and exploits are the evidence. Then ``--fresh`` other programs are screened, once on random
exploration alone and once on all of it, and trained whatever was found. Prints a line a reward,
and how many of those that were turned down were as fit as the median of the others.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from reward_synth.feedback.audit import did_well, false_rejects
from reward_synth.propose.offline import OfflineProposer
from reward_synth.propose.operators import Operator
from reward_synth.propose.proposer import Brief, Context
from reward_synth.records import Finding, Rejection
from reward_synth.reward.parse import parse
from reward_synth.reward.rewards import Reward, expert_reward, traced_reward
from reward_synth.reward.screen import Episodes, Evidence, Exploit, diagnose, screen
from reward_synth.reward.trace import trace
from reward_synth.rollout.episodes import Rollouts, evaluate
from reward_synth.rollout.explore import explore
from reward_synth.task import Task, load_task
from reward_synth.train.config import PPOConfig
from reward_synth.train.job import train
from reward_synth.train.policy import Policy
from reward_synth.train.population import Member

EPISODES = 20
STEPS_OF_AN_EPISODE = 64  # that screens look at


def proposed(task: Task, seed: int, count: int) -> list[Reward]:
    """Rewards of the offline proposer, which need no sandbox."""
    context = Context(task.description, 0, seed)
    found = []
    for proposal in OfflineProposer().propose(context, [Brief(Operator.INITIAL)] * count):
        program = parse(proposal.answer)
        assert not isinstance(program, Rejection), program
        traced = trace(program, task.description)
        assert not isinstance(traced, Rejection), traced
        reward = traced_reward(traced, task)
        assert not isinstance(reward, Rejection), reward
        found.append(reward)
    return found


def trained(task: Task, rewards: Sequence[Reward], steps: int) -> list[Rollouts | None]:
    """Held-out episodes of a policy for each reward, None where training was given up."""
    members = [Member(reward, seed) for seed, reward in enumerate(rewards)]
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name) / str(i) for i in range(len(members))]
        checkpoint = Path(name) / "checkpoint.npz"
        results = train(task, members, folders, PPOConfig(), steps, checkpoint=checkpoint)
    policies = {i: result for i, result in enumerate(results) if isinstance(result, Policy)}
    chosen = [rewards[i] for i in policies]
    rollouts = evaluate(task, list(policies.values()), chosen, [7] * len(policies), EPISODES)
    found = dict(zip(policies, rollouts, strict=True))
    return [found.get(i) for i in range(len(rewards))]


def learned_from(
    task: Task, rewards: Sequence[Reward], rollouts: Sequence[Rollouts | None], bare: Evidence
) -> Evidence:
    """Add what trainings showed to the evidence."""
    rng = np.random.default_rng(0)
    runs = [(reward, run) for reward, run in zip(rewards, rollouts, strict=True) if run]
    fitness = [float(run.episode_fitness.mean()) for _, run in runs]
    best = runs[int(np.argmax(fitness))][1].episodes
    exploits: list[Exploit] = []
    for reward, run in runs:
        found = diagnose(reward, run.episodes, best, margin=np.ptp(fitness) / 2, rng=rng)
        exploits += [] if found is None else [found]
    episodes = [run.episodes.thinned(STEPS_OF_AN_EPISODE, rng) for _, run in runs]
    print(f"evidence: fitness {np.round(fitness, 3).tolist()}, {len(exploits)} exploits")
    for exploit in exploits:
        print(f"  {exploit.words}")
    return Evidence.of(
        task,
        bare.explored,
        discount=bare.discount,
        trained=Episodes.join(episodes),
        exploits=exploits,
    )


def turned_down(findings: Sequence[Finding]) -> bool:
    return any(finding.fatal for finding in findings)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", default="hopper")
    parser.add_argument("--steps", type=int, default=50_000)
    parser.add_argument("--earlier", type=int, default=8)
    parser.add_argument("--fresh", type=int, default=20)
    options = parser.parse_args()

    task = load_task(options.task)
    bare = Evidence.of(task, explore(task, 0, 32, 128), discount=PPOConfig().discount)
    earlier = [*proposed(task, 1, options.earlier), expert_reward(task)]
    evidence = learned_from(task, earlier, trained(task, earlier, options.steps), bare)
    rewards = proposed(task, 0, options.fresh)
    first = [screen(reward, bare) for reward in rewards]
    began = time.perf_counter()
    findings = [screen(reward, evidence) for reward in rewards]
    each = (time.perf_counter() - began) / len(rewards)
    rollouts = trained(task, rewards, options.steps)
    fitness = [None if run is None else float(run.episode_fitness.mean()) for run in rollouts]
    for value, found in zip(fitness, findings, strict=True):
        names = ", ".join(f.screen + ("!" if f.fatal else "") for f in found)
        print(f"{'given up' if value is None else f'{value:8.3f}'}  {names}")

    down = [turned_down(found) for found in findings]
    passed = [v for v, d in zip(fitness, down, strict=True) if not d and v is not None]
    outcomes = [did_well(v, passed) for v, d in zip(fitness, down, strict=True) if d]
    print(f"turned down on random exploration alone: {sum(map(turned_down, first))}")
    print(f"turned down on all evidence, of {len(rewards)}: {sum(down)}; {1e3 * each:.1f} ms each")
    print(f"as fit as the median of those that passed: {false_rejects(outcomes)}")


if __name__ == "__main__":
    main()
