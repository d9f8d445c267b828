"""What answers are worth: rewards searched by preferences against a reward learned from them.

    .venv/bin/python -m benchmarks.preferences [--tasks hopper half_cheetah] [--seeds 5]
        [--work outputs/preferences] [--output benchmarks/results/preferences.jsonl]

Arms, each with as many environment steps in all, what evaluation takes included:

- `icpl`: ICPL with its paper's 5 generations of 6, that is 49 comparisons.
- `evolve`: this package's search with `feedback.fitness=false`, 7 generations of 4 (the first of
  10), 7 comparisons after each, that is 34 candidates and 49 comparisons as well. The results that
  are kept beside this are of a first generation of 6, as it was then.
- `learned`: a reward learned from 49, 150 or 1500 comparisons while PPO trains on it, as B-Pref's
  PrefPPO does; see benchmarks/reward_model.py.
- `expert`, `fitness`: nobody is asked. PPO on the expert's reward, and on what the teacher goes by.

A search trains its candidates for STEPS steps each, and what it ends with from scratch, with a
fresh seed, for all that is left: an arm ends with one policy, whose mean fitness in 20 held-out
episodes is its score. A learned reward is of use to its own policy alone, and a program to any
training: `icpl, again` and `evolve, again` train what was found for as many steps as the others had
in all, which is nearly twice the steps, and show what the program is worth as such.

The teacher is B-Pref's that makes mistakes: 10% of its answers are wrong. Its noisy one errs by
the unit of fitness: sure of episodes of 1000 steps, it would guess between segments of 50.
Searches have candidates compared by whole episodes, the learned reward segments, as their papers
do. Where there is no language model, rewards are written by the offline proposer. It reads the
task's sentence, as a model would, and the learned reward starts from nothing: that is a difference
between the methods, and worth more than many answers.

A line of the output is an arm with one seed; one that is there is not computed again, and a search
that was stopped goes on: after Ctrl-C give the same command again. Tables and plot:
python -m benchmarks.preferences_tables.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from benchmarks.cells import Keyed, work_off
from benchmarks.search import (
    EPISODES,
    found_rewards,
    held_out_fitness,
    held_out_seed,
    run_to_the_end,
)
from reward_synth.search.config import (
    FeedbackSettings,
    FinalSettings,
    LLMSettings,
    RunConfig,
    SearchSettings,
    TeacherSettings,
    VideoSettings,
)
from reward_synth.search.store import Store
from reward_synth.train.config import PPOConfig

# environment steps of one candidate: few, so that all arms fit in an hour of two cores
STEPS = {"hopper": 12_288, "half_cheetah": 16_384, "cartpole_swingup": 16_384}
TRAININGS = 40  # an arm's steps, in candidates'; a search trains 30 to 34
MISTAKES = 0.1
# Trainings this short need small batches: with the usual 32 environments they are 8 updates.
TRAIN = PPOConfig(envs=8, minibatches=8)

_COMMON = SearchSettings(episodes=2, remember=False, reruns=0, rungs=(), keep=())
SEARCHES = {
    "icpl": replace(
        _COMMON,
        strategy="icpl",
        generations=5,
        candidates=6,
        repairs=3,
        screens=False,
        duplicates=0.0,
    ),
    "evolve": replace(_COMMON, generations=7, candidates=4),
}
ANSWERS = 7  # after each generation of evolve; ICPL asks what its paper asks
QUERIES = 49
LEARNED = (49, 150, 1500)
REFERENCES = ("expert", "fitness")
AGAIN = ", again"


@dataclass(frozen=True)
class Cell(Keyed):
    """An arm with one seed."""

    task: str
    arm: str
    queries: int
    seed: int
    budget: int
    llm: str

    def folder(self, work: Path) -> Path:
        arm = self.arm.replace(", ", "-")
        return work / f"{self.task}-{self.budget}" / arm / f"seed_{self.seed}"


def run_cell(cell: Cell, work: Path) -> dict:
    """Run a cell in this process; return its line."""
    from reward_synth.train.setup import configure_jax

    configure_jax(work / "xla")
    began = time.monotonic()
    if cell.arm == "learned":
        found = learn(cell)
    elif cell.arm in REFERENCES:
        found = reference(cell, work)
    elif cell.arm.endswith(AGAIN):
        found = again(cell, work)
    else:
        found = search(cell, cell.folder(work))
    return {"key": cell.key, **found, "seconds": round(time.monotonic() - began, 1)}


def search(cell: Cell, folder: Path) -> dict:
    """Run or continue a search; train what it ends with for the steps that it has left."""
    run_to_the_end(config_of(cell), folder)
    with Store.read(folder) as store:
        queries = sum(len(said.comparisons) for said in store.journal.read())
        trained = sum(candidate.score is not None for candidate in store.candidates())
        spent = store.spent().env_steps
        best = store.get("best")
    left = (cell.budget - spent) // TRAIN.batch * TRAIN.batch
    return {
        "fitness": train_found(cell, folder, best, left),
        "queries": queries,
        "env_steps": spent + left,
        "candidates": trained,
        "best": best,
    }


def config_of(cell: Cell) -> RunConfig:
    """Return the settings of a search that is told preferences and nothing else."""
    return RunConfig(
        task=cell.task,
        seed=cell.seed,
        threads=1,
        llm=LLMSettings(kind=cell.llm),
        search=replace(SEARCHES[cell.arm], steps=STEPS[cell.task]),
        feedback=FeedbackSettings(
            source="teacher",
            fitness=False,
            answers=ANSWERS,
            teacher=TeacherSettings(mistakes=MISTAKES),
        ),
        train=TRAIN,
        final=FinalSettings(trainings=0),
        video=VideoSettings(enabled=False),
        isolate=False,  # one process compiles for all its searches
    )


def again(cell: Cell, work: Path) -> dict:
    """Train what a search has found for as many steps as the other arms have in all."""
    arm = cell.arm.removesuffix(AGAIN)
    folder = replace(cell, arm=arm).folder(work)
    with Store.read(folder) as store:
        best, spent = store.get("best"), store.spent().env_steps
    fitness = train_found(cell, folder, best, cell.budget)
    return {"fitness": fitness, "queries": cell.queries, "env_steps": spent + cell.budget}


def train_found(cell: Cell, folder: Path, best: str, steps: int) -> float:
    members = [(reward, cell.seed) for reward in found_rewards(cell.task, folder, [best]).values()]
    return held_out_fitness(cell.task, steps, folder / f"trained_{steps}", members, TRAIN)[0]


def learn(cell: Cell) -> dict:
    """Train a policy on a reward that is learned from answers about what the policy does."""
    from benchmarks.reward_model import RewardModel, Watched, schedule
    from reward_synth.feedback.teachers import Mistaken, Oracle
    from reward_synth.rollout.episodes import evaluate
    from reward_synth.task import load_task
    from reward_synth.train.policy import Policy
    from reward_synth.train.population import Member, Population

    task, iterations = load_task(cell.task), TRAIN.iterations(cell.budget)
    seed = held_out_seed(cell.seed)
    teacher = Mistaken(Oracle(), MISTAKES, cell.seed)
    model = RewardModel(task, cell.queries, cell.seed)
    watched = Watched(model.function, (TRAIN.horizon, TRAIN.envs))
    population = Population(task, [Member(model.reward(watched), seed)], TRAIN, iterations, 1)
    foreseen = []
    for count in schedule(cell.queries, iterations):
        if count:
            model.ask(teacher, watched, count)
            foreseen.append(model.fit())
            population.members = [Member(model.reward(watched), seed)]
        population.iterate()
    (rollouts,) = evaluate(
        task,
        [Policy.of(population.learners[0])],
        [model.reward()],
        [seed],
        EPISODES,
        threads=1,
    )
    return {
        "fitness": float(rollouts.episode_fitness.mean()),
        "queries": model.answers,
        "env_steps": population.iteration * TRAIN.batch,
        "foreseen": foreseen,
    }


def reference(cell: Cell, work: Path) -> dict:
    """Train on the expert's reward, or on the fitness of each step."""
    from reward_synth.reward.rewards import expert_reward
    from reward_synth.task import load_task

    task = load_task(cell.task)
    measured = task.fitness
    if cell.arm == "fitness":

        def pays(state, action, next_state):
            fitness = measured(state, action, next_state)
            return fitness, {"fitness": fitness}

        task = replace(task, expert_reward=pays)
    members = [(expert_reward(task), cell.seed)]
    folder = cell.folder(work)
    return {
        "fitness": held_out_fitness(cell.task, cell.budget, folder, members, TRAIN)[0],
        "queries": 0,
        "env_steps": cell.budget,
    }


def cells(options: argparse.Namespace) -> Iterator[Cell]:
    """All cells, one seed of everything before the second of anything; what is extra comes last."""
    found = [(arm, QUERIES) for arm in SEARCHES]
    arms = [*found, *(("learned", queries) for queries in LEARNED)]
    arms += [(name, 0) for name in REFERENCES]
    for some in (arms, [(arm + AGAIN, queries) for arm, queries in found]):
        for seed in range(options.seeds):
            for task in options.tasks:
                for arm, queries in some:
                    llm = "" if arm == "learned" or arm in REFERENCES else options.llm
                    yield Cell(task, arm, queries, seed, TRAININGS * STEPS[task], llm)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", nargs="+", choices=STEPS, default=list(STEPS)[:2])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--llm", default="offline", help="as llm.kind of a run")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--work", type=Path, default=Path("outputs/preferences"))
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/preferences.jsonl"))
    options = parser.parse_args()
    run = partial(run_cell, work=options.work)
    for line in work_off(list(cells(options)), run, options.output, options.processes):
        print(*line["key"][:4], f"{line['fitness']:.3g} in {line['seconds']:.0f} s", flush=True)


if __name__ == "__main__":
    main()
