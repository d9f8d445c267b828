"""Answers that it takes to find the best of 16, by which pair is asked next.

    .venv/bin/python -m benchmarks.queries [--seeds 60] [--budget 60]

Synthetic teachers compare candidates whose fitness is normal with a standard deviation of 1; no
pair is asked twice. Four ways to choose a pair: `next_pair`; the most informative pair wherever
it stands, which is `next_pair` with everybody an elite; double Thompson sampling (after Wu & Liu
2016), which draws the two from the posterior of who is best; and random ones. All are ranked alike.

Prints a Markdown table and writes it to benchmarks/results/queries.md, and the curves, with 95%
bootstrap intervals over seeds, to queries.png. Takes some minutes on one core.
"""

import argparse
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import scipy.stats
from matplotlib.figure import Figure

from reward_synth.feedback.annotations import Comparison, Kind, Question
from reward_synth.feedback.queries import Pair, next_pair
from reward_synth.feedback.ranking import Ranking, rank
from reward_synth.feedback.teachers import (
    Indifferent,
    Mistaken,
    Noisy,
    Oracle,
    Teacher,
    respond,
)

SIZE, ELITES = 16, 4
RESULTS = Path(__file__).parent / "results"
Strategy = Callable[[Ranking, Sequence[Comparison], str, np.random.Generator], Pair | None]


def at_random(ranking, said, who, rng):
    """Return any pair that is new."""
    return new_pairs(ranking, said)[rng.integers(len(new_pairs(ranking, said)))]


def informative(ranking, said, who, rng):
    return next_pair(ranking, said, who, rng, elites=len(ranking.ids))


def thompson(ranking, said, who, rng):
    """Return the best of one draw, and the first of later draws that it was not compared with."""
    new = set(map(frozenset, new_pairs(ranking, said)))
    best = [ranking.ids[place] for place in ranking.draws(rng, 256).argmax(1)]
    for other in best[1:]:
        if frozenset((best[0], other)) in new:
            return best[0], other
    return at_random(ranking, said, who, rng)


def new_pairs(ranking, said):
    asked = {frozenset((one.first, one.second)) for one in said}
    return [pair for pair in combinations(ranking.ids, 2) if frozenset(pair) not in asked]


STRATEGIES: dict[str, Strategy] = {
    "next_pair": next_pair,
    "information alone": informative,
    "double Thompson": thompson,
    "random": at_random,
}
COLOURS = dict(zip(STRATEGIES, ("#0072B2", "#009E73", "#CC79A7", "#D55E00"), strict=True))
TEACHERS: dict[str, Callable[[int], Teacher]] = {
    "oracle": lambda seed: Oracle(),
    "noisy, 88% right at 1 SD": lambda seed: Noisy(2.0, seed),
    "and mistaken 10%, equal within 0.3 SD": lambda seed: Indifferent(
        Mistaken(Noisy(2.0, seed), 0.1, seed), 0.3
    ),
}


def play(strategy: Strategy, make: Callable[[int], Teacher], seed: int, budget: int) -> np.ndarray:
    """Return (budget, 3): after each answer, how much fitter the best is than the leader, Kendall's
    tau of the true first four, and how many of them are among the ranking's.
    """
    rng = np.random.default_rng([seed, 0])
    fitness = np.random.default_rng([seed, 1]).normal(size=SIZE)
    ids = [f"c{place:02d}" for place in range(SIZE)]
    by_id = dict(zip(ids, fitness.tolist(), strict=True))
    top = np.argsort(-fitness)[:ELITES]
    teacher, said, found = make(seed), [], []
    ranking = rank(said, ids)
    for _ in range(budget):
        pair = strategy(ranking, said, teacher.name, rng)
        assert pair is not None
        said.extend(respond(teacher, Question(Kind.PAIR, pair), by_id).comparisons)
        ranking = rank(said, ids)
        means = ranking.means
        tau = np.asarray(scipy.stats.kendalltau(fitness[top], means[top]))[0]
        kept = len(set(top) & set(np.argsort(-means)[:ELITES])) / ELITES
        found.append((fitness.max() - fitness[means.argmax()], np.nan_to_num(tau), kept))
    return np.array(found)


def settled(regret: np.ndarray) -> np.ndarray:
    """Return (seeds,) answers from which on the leader is the best; the budget + 1 for never."""
    wrong = regret > 0.0
    last = wrong.shape[1] - np.argmax(wrong[:, ::-1], axis=1)
    return np.where(wrong.any(1), last, 0) + 1


def interval(values: np.ndarray, statistic: Callable = np.mean) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of a 95% percentile bootstrap over the first axis."""
    rng = np.random.default_rng(0)
    draws = [
        statistic(values[rng.integers(len(values), size=len(values))], axis=0) for _ in range(1000)
    ]
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    return low, high


def table(results: dict[str, dict[str, np.ndarray]], budget: int) -> str:
    ends = [end for end in (10, 20, 40, 60) if end <= budget]
    head = ["teacher", "asked", "answers until the best leads"]
    head += [f"regret after {end}" for end in ends]
    head += [f"tau of the top {ELITES} after {end}" for end in ends[1:]]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for teacher, strategies in results.items():
        for name, found in strategies.items():
            answers = settled(found[..., 0])
            cells = [teacher, name, words(answers, np.median, "{:.0f}", budget)]
            cells += [words(found[:, end - 1, 0], np.mean, "{:.2f}") for end in ends]
            cells += [words(found[:, end - 1, 1], np.mean, "{:.2f}") for end in ends[1:]]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def words(values: np.ndarray, statistic: Callable, form: str, most: float = np.inf) -> str:
    numbers = (statistic(values), *interval(values, statistic))
    middle, low, high = (
        form.format(number) if number <= most else f"> {most}" for number in numbers
    )
    return f"{middle} [{low}, {high}]"


def plot(results: dict[str, dict[str, np.ndarray]], path: Path) -> None:
    figure = Figure(figsize=(4.0 * len(results), 6.0), layout="constrained")
    axes = figure.subplots(2, len(results), squeeze=False, sharex=True, sharey="row")
    labels = ("regret, in SD of fitness", f"Kendall's tau of the top {ELITES}")
    for column, (teacher, strategies) in enumerate(results.items()):
        for row, label in enumerate(labels):
            axis = axes[row, column]
            for name, found in strategies.items():
                values = found[..., row]
                answers = np.arange(1, values.shape[1] + 1)
                axis.plot(answers, values.mean(0), color=COLOURS[name], label=name)
                axis.fill_between(answers, *interval(values), color=COLOURS[name], alpha=0.15)
            axis.grid(alpha=0.3)
            axis.spines[["top", "right"]].set_visible(False)
            if not column:
                axis.set_ylabel(label)
        axes[0, column].set_title(teacher, fontsize=10)
        axes[1, column].set_xlabel("answers")
    axes[0, 0].legend(frameon=False)
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=60)
    parser.add_argument("--budget", type=int, default=60)
    parser.add_argument("--output", type=Path, default=RESULTS / "queries.md")
    args = parser.parse_args()
    results = {
        teacher: {
            name: np.stack([play(s, make, seed, args.budget) for seed in range(args.seeds)])
            for name, s in STRATEGIES.items()
        }
        for teacher, make in TEACHERS.items()
    }
    text = (
        f"# Which pair to ask next\n\n{args.seeds} sets of {SIZE} candidates; means, of answers "
        "medians, with 95% bootstrap intervals. Regret: how much fitter the best is than the "
        "leader, in standard deviations of fitness.\n\n"
        f"{table(results, args.budget)}\n\n![curves](queries.png)\n\n"
        f"Made with: `python -m benchmarks.queries --seeds {args.seeds} --budget {args.budget}`\n"
    )
    args.output.write_text(text)
    plot(results, args.output.with_suffix(".png"))
    print(text)


if __name__ == "__main__":
    main()
