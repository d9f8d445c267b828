"""Search strategies at equal budgets: tasks x strategies x independent searches.

    .venv/bin/python -m benchmarks.search [--tasks hopper pusher] [--strategies evolve iid]
        [--ablations] [--searches 5] [--trainings 20] [--llm offline] [--processes 2]
        [--work outputs/search] [--output benchmarks/results/search.jsonl]

Every search may take as many environment steps as --trainings whole trainings of one candidate,
all that it spends included: races, screens, re-runs and held-out episodes. What it would stand
by after each generation is then trained from scratch with seeds that no search has seen, and
scored on episodes that none has seen: those numbers, not the search's own, are compared. The
expert's and the sparse reward are trained alike, with more seeds, as the ends of the
human-normalised scale.

A line of the output is a search; one that is there is not run again, and one that was stopped
is continued: after Ctrl-C give the same command again. With any --llm but offline the same
command compares the strategies with a live model. Tables and plots of the output:
python -m benchmarks.search_tables.
"""

import argparse
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from benchmarks.cells import Keyed, work_off
from reward_synth.run_folder import is_run
from reward_synth.search.candidate import audits, finishes
from reward_synth.search.config import (
    BudgetSettings,
    FinalSettings,
    LLMSettings,
    RunConfig,
    SearchSettings,
    VideoSettings,
)
from reward_synth.search.listener import Silence
from reward_synth.search.store import INCUMBENT, Store
from reward_synth.train.config import PPOConfig

# Environment steps of one training: as few as let rewards matter as much as luck, where that can
# be paid for (docs/log.md). On reacher the expert is no better than the sparse reward.
STEPS = {
    "cartpole_swingup": 65_536,
    "pusher": 294_912,
    "half_cheetah": 98_304,
    "hopper": 131_072,
}

# As the peers have it: no screens, no race, one training a candidate. Two held-out episodes are
# the fewest: Eureka does not look at them, and they are part of what a search spends.
_PLAIN = SearchSettings(
    candidates=5,
    episodes=2,
    screens=False,
    duplicates=0.0,
    rungs=(),
    keep=(),
    oversample=1,
    reruns=0,
)
STRATEGIES = {
    # Small generations, so that there are several to learn from. Without a race: of four it would
    # leave two with a score, by an order that is hardly that of the end (docs/log.md).
    "evolve": SearchSettings(candidates=4, episodes=4, remember=False, rungs=(), keep=(), reruns=1),
    "eureka": replace(_PLAIN, strategy="eureka", repairs=0),
    "eureka_elitist": replace(_PLAIN, strategy="eureka_elitist", repairs=0),
    "iid": replace(_PLAIN, strategy="iid", episodes=4),
}
# One idea taken away, or put in, at a time. With a race a generation costs less by a third.
ABLATIONS = {
    "evolve, race": replace(STRATEGIES["evolve"], rungs=(0.4, 0.7), keep=(0.5, 0.25), candidates=6),
    "evolve, no screens": replace(STRATEGIES["evolve"], screens=False),
    "evolve, no preselection": replace(STRATEGIES["evolve"], oversample=1),
    "evolve, no dedupe": replace(STRATEGIES["evolve"], duplicates=0.0),
    "evolve, no weights": replace(STRATEGIES["evolve"], fit_weights=False),
    "evolve, no re-runs": replace(STRATEGIES["evolve"], reruns=0),
}
REFERENCES = ("expert", "sparse")
REFERENCE_SEEDS = 10
HELD_OUT = 4  # trainings of what a search ends with; one of what it stood by before
EPISODES = 20


@dataclass(frozen=True)
class Cell(Keyed):
    """One search, or the trainings of a reference."""

    task: str
    strategy: str
    seed: int
    steps: int
    trainings: int
    llm: str

    def folder(self, work: Path) -> Path:
        name = self.strategy.replace(", ", "-").replace(" ", "_")
        return work / f"{self.task}-{self.steps}-{self.trainings}" / name / f"seed_{self.seed}"


def run_cell(cell: Cell, work: Path) -> dict:
    """Run a cell in this process; return its line."""
    from reward_synth.train.setup import configure_jax

    configure_jax(work / "xla")
    if cell.strategy in REFERENCES:
        return reference(cell, work)
    folder = cell.folder(work)
    search(cell, folder)
    with Store.read(folder) as store:
        noted = [detail for _, kind, detail in store.events() if kind == INCUMBENT]
        candidates = {candidate.id: candidate for candidate in store.candidates()}
        trainings = {id: c.score.trainings for id, c in candidates.items() if c.score}
        finished = [asdict(finish) for finish in finishes(candidates.values())]
        audited = audits(list(candidates.values()))
    found = [detail for detail in noted if detail["best"]]
    # What it ends with comes last, if it stood by it before or not.
    stood_by = list(dict.fromkeys(detail["best"] for detail in reversed(found)))[::-1]
    held_out = train_again(cell, folder, stood_by)
    return {
        "key": cell.key,
        "points": [
            {
                "env_steps": detail["env_steps"],
                "candidates": detail["candidates"],
                "seconds": detail["seconds"],
                "tokens": detail["tokens"],
                "dollars": detail["dollars"],
                "best": detail["best"],
                "search_score": trainings[detail["best"]],
                "held_out": held_out[detail["best"]],
            }
            for detail in found
        ],
        "finishes": finished,
        "audits": audited,
    }


def search(cell: Cell, folder: Path) -> None:
    """Run or continue the search itself."""
    config = RunConfig(
        task=cell.task,
        seed=cell.seed,
        threads=1,
        llm=LLMSettings(kind=cell.llm),
        search=replace(
            (STRATEGIES | ABLATIONS)[cell.strategy], generations=10_000, steps=cell.steps
        ),
        final=FinalSettings(trainings=0),
        budget=BudgetSettings(env_steps=cell.trainings * cell.steps),
        video=VideoSettings(enabled=False),
        isolate=False,  # one process compiles for all its searches
    )
    run_to_the_end(config, folder)


def run_to_the_end(config: RunConfig, folder: Path) -> None:
    """Start a run, or continue it where it was stopped."""
    from reward_synth.search.loop import resume, start

    if is_run(folder):
        resume(folder, Silence())
    else:
        start(config, folder, Silence())


def train_again(cell: Cell, folder: Path, ids: list[str]) -> dict[str, list[float]]:
    """Train each of the candidates with fresh seeds; return their held-out fitness."""
    members = []
    for id, reward in found_rewards(cell.task, folder, ids).items():
        count = HELD_OUT if id == ids[-1] else 1
        members += [(id, reward, seed) for seed in range(count)]
    fitness = held_out_fitness(cell.task, cell.steps, folder / "held_out", [m[1:] for m in members])
    result: dict[str, list[float]] = {id: [] for id in ids}
    for (id, _, _), value in zip(members, fitness, strict=True):
        result[id].append(value)
    return result


def found_rewards(task: str, folder: Path, ids: list[str]) -> dict:
    """Return the rewards of a search's candidates, by their ids."""
    from reward_synth.reward.rewards import Reward, traced_reward
    from reward_synth.search.proposals import load_traced
    from reward_synth.task import load_task

    whole = load_task(task)
    with Store.read(folder) as store:
        candidates = {c.id: c for c in store.candidates()}
    rewards = {}
    for id in ids:
        reward = traced_reward(load_traced(candidates[id], folder), whole)
        assert isinstance(reward, Reward)
        rewards[id] = reward
    return rewards


def reference(cell: Cell, work: Path) -> dict:
    """Train the expert's or the sparse reward."""
    from reward_synth.reward.rewards import expert_reward, sparse_reward
    from reward_synth.task import load_task

    task = load_task(cell.task)
    reward = expert_reward(task) if cell.strategy == "expert" else sparse_reward(task)
    members = [(reward, seed) for seed in range(REFERENCE_SEEDS)]
    fitness = held_out_fitness(cell.task, cell.steps, cell.folder(work), members)
    return {"key": cell.key, "held_out": fitness}


def held_out_fitness(
    name: str, steps: int, folder: Path, members: list, config: PPOConfig | None = None
) -> list[float]:
    """Train (reward, seed) pairs from scratch; return the mean fitness of each one's episodes."""
    from reward_synth.records import Rejection
    from reward_synth.rollout.episodes import evaluate
    from reward_synth.task import load_task
    from reward_synth.train.job import train
    from reward_synth.train.policy import Policy
    from reward_synth.train.population import Member

    task = load_task(name)
    seeds = [held_out_seed(seed) for _, seed in members]
    policies = train(
        task,
        [Member(reward, seed) for (reward, _), seed in zip(members, seeds, strict=True)],
        [folder / str(place) for place in range(len(members))],
        config or PPOConfig(),
        steps,
        checkpoint=folder / "checkpoint.npz",
        threads=1,
    )
    trained = [k for k, policy in enumerate(policies) if isinstance(policy, Policy)]
    rollouts = evaluate(
        task,
        [policy for policy in policies if not isinstance(policy, Rejection)],
        [members[k][0] for k in trained],
        [seeds[k] for k in trained],
        EPISODES,
        threads=1,
    )
    fitness = [float("-inf")] * len(members)  # a reward whose training breaks is worth nothing
    for k, rollout in zip(trained, rollouts, strict=True):
        fitness[k] = float(rollout.episode_fitness.mean())
    return fitness


def held_out_seed(seed: int) -> int:
    """Return a seed that no search has: none derives such small ones."""
    return 1_000_000 + seed


def cells(options: argparse.Namespace) -> Iterator[Cell]:
    """All cells, one search of everything before the second of anything."""
    strategies = [*options.strategies, *(ABLATIONS if options.ablations else ())]
    for task in options.tasks:
        for name in REFERENCES:
            yield Cell(task, name, 0, STEPS[task], 0, "")
    for seed in range(options.first_seed, options.first_seed + options.searches):
        for task in options.tasks:
            for name in strategies:
                yield Cell(task, name, seed, STEPS[task], options.trainings, options.llm)


def main() -> None:
    parser = argparse.ArgumentParser(description="Search strategies at equal budgets")
    parser.add_argument("--tasks", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--strategies", nargs="+", choices=STRATEGIES, default=list(STRATEGIES))
    parser.add_argument("--ablations", action="store_true", help="also each idea taken away")
    parser.add_argument("--searches", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0, help="others for tuning")
    parser.add_argument("--trainings", type=int, default=20, help="the budget of each search")
    parser.add_argument("--llm", default="offline", help="as llm.kind of a run")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--work", type=Path, default=Path("outputs/search"))
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/search.jsonl"))
    options = parser.parse_args()
    run = partial(run_cell, work=options.work)
    for line in work_off(list(cells(options)), run, options.output, options.processes):
        last = line["points"][-1] if line.get("points") else line
        print(*line["key"][:3], last["held_out"], flush=True)


if __name__ == "__main__":
    main()
