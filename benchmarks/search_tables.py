"""Tables and plots of benchmarks/search.py's output.

    .venv/bin/python -m benchmarks.search_tables [--input benchmarks/results/search.jsonl]

Prints Markdown tables, writes them beside the input as .md and the curves as .png.

A score is the mean held-out fitness M of the reward that a search stands by, over trainings
from scratch with fresh seeds, human-normalised: (M - S) / |H - S|, S the sparse reward's, H the
expert's (Ma et al. 2024, "Eureka", section 4.1, where scores are clipped to [0, 3], as here).
Where the expert and the sparse reward end alike, that scale has next to no length and nearly all
scores are clipped; so each search's place among all of its task is shown as well, 0 for the last
and 1 for the first, by the same numbers before they are clipped.
Over tasks and searches: interquartile means with 95% stratified bootstrap intervals, and the
probability of improvement, the mean over tasks of P(X > Y) (Agarwal et al. 2021, "Deep
Reinforcement Learning at the Edge of the Statistical Precipice", section 4).
"""

import argparse
import json
import math
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import scipy.stats
from matplotlib.figure import Figure

from benchmarks.search import ABLATIONS, REFERENCES, STRATEGIES
from reward_synth.feedback.agreement import Finish, rung_agreement
from reward_synth.feedback.audit import false_rejects

RESAMPLES = 5000
GRID = np.linspace(0.0, 1.0, 97)  # of the budget
COLOURS = {
    "evolve": "#0072B2",
    "eureka": "#D55E00",
    "eureka_elitist": "#CC79A7",
    "iid": "#009E73",
}
HIGHEST = 3.0

# task -> (searches, grid) scores over the course of each search, the last at the end of its budget
Curves = dict[str, np.ndarray]


def load(path: Path) -> tuple[dict, dict]:
    """References by task and name; searches' lines by strategy and task, each by seed."""
    references: dict = defaultdict(dict)
    searches: dict = defaultdict(lambda: defaultdict(dict))
    for text in path.read_text().splitlines():
        line = json.loads(text)
        task, strategy, seed, *_ = line["key"]
        if strategy in REFERENCES:
            references[task][strategy] = float(np.mean(line["held_out"]))
        else:
            searches[strategy][task][seed] = line
    return references, searches


def curves(lines: dict, references: dict, axis: str, highest: float = HIGHEST) -> Curves:
    """What each search stood by when so much of the largest total on ``axis`` was spent.

    NaN before its first generation has ended.
    """
    found = {}
    for task, by_seed in lines.items():
        sparse, expert = references[task]["sparse"], references[task]["expert"]
        rows = []
        for _, line in sorted(by_seed.items()):
            at = np.array([point[axis] for point in line["points"]], float)
            held_out = np.array([np.mean(point["held_out"]) for point in line["points"]])
            scores = (held_out - sparse) / abs(expert - sparse)
            scores = np.clip(scores, 0.0, highest) if np.isfinite(highest) else scores
            total = line["key"][3] * line["key"][4] if axis == "env_steps" else extent(lines, axis)
            place = np.searchsorted(at, GRID * total, side="right") - 1
            rows.append(np.where(place >= 0, scores[place], np.nan))  # it stood by nothing yet
        found[task] = np.array(rows)
    return found


def aligned(names: list[str], searches: dict) -> dict:
    """The searches, by strategy, task and seed, that all of the strategies have.

    An interquartile mean over tasks needs as many searches of each: a task that lacks some,
    or has more, would shift all of it.

    Raises:
      SystemExit: there are none.
    """
    tasks = sorted(set.intersection(*(set(searches[name]) for name in names)))
    shared = {task: set.intersection(*(set(searches[n][task]) for n in names)) for task in tasks}
    common = set.intersection(*shared.values()) if shared else set()
    if not common:
        raise SystemExit(
            f"no search has been run on the same tasks and seeds by {', '.join(names)}."
        )
    left_out = sum(len(by_seed) for n in names for by_seed in searches[n].values())
    left_out -= len(names) * len(tasks) * len(common)
    if left_out:
        seeds = ", ".join(map(str, sorted(common)))
        print(
            f"{left_out} searches are left out: all of {', '.join(names)} have seeds {seeds} alone."
        )
    return {n: {t: {s: searches[n][t][s] for s in sorted(common)} for t in tasks} for n in names}


def extent(lines: dict, axis: str) -> float:
    return max(line["points"][-1][axis] for line in each(lines))


def iqm(scores: list[np.ndarray]) -> np.ndarray:
    """Over all tasks' searches together; (grid,) of (searches, grid) arrays.

    NaN until every search stands by something.
    """
    return scipy.stats.trim_mean(np.concatenate(scores), 0.25, axis=0)


def bootstrap(found: Curves, rng: np.random.Generator) -> np.ndarray:
    """(resamples, grid) interquartile means, searches resampled within each task."""
    return np.array(
        [
            iqm([scores[rng.integers(len(scores), size=len(scores))] for scores in found.values()])
            for _ in range(RESAMPLES)
        ]
    )


def improvement(one: Curves, other: Curves, rng: np.random.Generator) -> tuple[float, ...]:
    """P(one > other), ties halved, and its interval; at the end of the budget."""

    def chance(pairs: list) -> float:
        wins = [np.mean((a[:, None] > b[None]) + 0.5 * (a[:, None] == b[None])) for a, b in pairs]
        return float(np.mean(wins))

    ends = [(one[task][:, -1], other[task][:, -1]) for task in one]
    drawn = [
        chance([(rng.choice(a, len(a)), rng.choice(b, len(b))) for a, b in ends])
        for _ in range(RESAMPLES)
    ]
    return chance(ends), *np.percentile(drawn, [2.5, 97.5])


def reaches(found: Curves, score: float) -> float | None:
    """The share of the budget after which the interquartile mean is at ``score``."""
    curve = iqm(list(found.values()))
    above = np.flatnonzero(curve >= score)
    return float(GRID[above[0]]) if len(above) else None


def places(ends: dict[str, Curves]) -> dict[str, dict[str, np.ndarray]]:
    """Where each search ends among all of its task, from 0, the last, to 1; by strategy, task."""
    placed: dict[str, dict[str, np.ndarray]] = {name: {} for name in ends}
    for task in next(iter(ends.values())):
        finals = [found[task][:, -1] for found in ends.values()]
        ranks = scipy.stats.rankdata(np.concatenate(finals))
        shares = (ranks - 1) / max(1, len(ranks) - 1)
        bounds = np.cumsum([len(final) for final in finals])[:-1]
        for name, mine in zip(ends, np.split(shares, bounds), strict=True):
            placed[name][task] = mine
    return placed


def main_table(
    names: list[str],
    ends: dict[str, Curves],
    unclipped: dict[str, Curves],
    rng: np.random.Generator,
) -> str:
    """A row for each strategy, against the first."""
    rows = [
        "| strategy | score (IQM) | 95% | place | 95% | below the expert | improvement of evolve "
        "over it | evolve is there after |",
        "|---|---|---|---|---|---|---|---|",
    ]
    placed = places(unclipped)
    for name in names:
        found = ends[name]
        score = float(iqm(list(found.values()))[-1])
        low, high = np.percentile(
            bootstrap({t: s[:, -1:] for t, s in found.items()}, rng), [2.5, 97.5]
        )
        below = np.mean(np.concatenate([s[:, -1] for s in found.values()]) < 1.0)
        against = there = ""
        if name != "evolve" and "evolve" in ends:
            p, p_low, p_high = improvement(unclipped["evolve"], unclipped[name], rng)
            against = f"{p:.2f} [{p_low:.2f}, {p_high:.2f}]"
            share = reaches(ends["evolve"], score)
            there = "not within the budget" if share is None else f"{share:.0%} of the steps"
        place = np.concatenate(list(placed[name].values())).mean()
        p_low, p_high = np.percentile(
            [
                np.concatenate([rng.choice(x, len(x)) for x in placed[name].values()]).mean()
                for _ in range(RESAMPLES)
            ],
            [2.5, 97.5],
        )
        rows.append(
            f"| {name} | {score:.2f} | [{low:.2f}, {high:.2f}] | {place:.2f} | [{p_low:.2f}, "
            f"{p_high:.2f}] | {below:.0%} | {against} | {there} |"
        )
    return "\n".join(rows)


def task_table(names: list[str], ends: dict[str, Curves], references: dict) -> str:
    """Mean score of each strategy on each task, its searches in brackets."""
    tasks = list(next(iter(ends.values())))
    rows = [
        "| task | expert | sparse | " + " | ".join(names) + " |",
        "|---|---|---|" + "---|" * len(names),
    ]
    for task in tasks:
        cells = [f"{references[task][name]:.3g}" for name in REFERENCES]
        for name in names:
            values = ends[name][task][:, -1]
            shown = ", ".join(f"{value:.2f}" for value in values)
            cells.append(f"{values.mean():.2f} ({shown})")
        rows.append(f"| {task} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def race_table(lines: dict) -> str:
    """Kendall's tau of each rung against the final order, over pairs within a generation."""
    found = [
        replace(Finish(**finish), generation=1000 * number + finish["generation"])
        for number, line in enumerate(each(lines))
        for finish in line["finishes"]
    ]
    wild = {a.rung: a for a in rung_agreement(found, wildcards=True)}
    rows = ["| rung | tau | 95% | pairs | of the wildcards | 95% | pairs |", "|" + "---|" * 7]
    for every in rung_agreement(found):
        cells = [
            f"{a.tau:.2f} | [{a.low:.2f}, {a.high:.2f}] | {a.pairs}"
            for a in (every, wild[every.rung])
        ]
        rows.append(f"| {every.rung + 1} | {' | '.join(cells)} |")
    return "\n".join(rows)


def audit_line(lines: dict) -> str:
    """How often screens were wrong, over all searches."""
    found = false_rejects([outcome for line in each(lines) for outcome in line["audits"]])
    return (
        f"Of {found.audited} audited rejects {found.wrong} did as well as the median of their "
        f"generation: [{found.low:.2f}, {found.high:.2f}]."
    )


def each(lines: dict) -> list[dict]:
    return [line for by_seed in lines.values() for line in by_seed.values()]


def draw(names: list[str], searches: dict, references: dict, path: Path) -> None:
    axes_of = {
        "env_steps": "environment steps, share of the budget",
        "candidates": "answers of the proposer",
        "seconds": "seconds",
    }
    figure = Figure(figsize=(4.2 * len(axes_of), 3.6), layout="constrained")
    rng = np.random.default_rng(0)
    for axes, (axis, label) in zip(figure.subplots(1, len(axes_of)), axes_of.items(), strict=True):
        for name in names:
            found = curves(searches[name], references, axis)
            scale = 1.0 if axis == "env_steps" else extent(searches[name], axis)
            middle = iqm(list(found.values()))
            low, high = np.percentile(bootstrap(found, rng), [2.5, 97.5], axis=0)
            colour = COLOURS.get(name)
            axes.fill_between(GRID * scale, low, high, color=colour, alpha=0.12, linewidth=0)
            axes.plot(GRID * scale, middle, color=colour, linewidth=2, label=name)
        axes.axhline(1.0, color="grey", linewidth=0.8, linestyle="--")
        axes.set_xlabel(label, fontsize=9)
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("human-normalised score of the incumbent", fontsize=9)
    figure.axes[0].legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description="Tables and plots of benchmarks/search.py")
    parser.add_argument("--input", type=Path, default=Path("benchmarks/results/search.jsonl"))
    options = parser.parse_args()
    references, searches = load(options.input)
    rng = np.random.default_rng(0)
    tables = []
    for title, group in (
        ("Strategies", list(STRATEGIES)),
        ("Ablations", ["evolve", *ABLATIONS]),
    ):
        names = [name for name in group if name in searches]
        if len(names) < 2:
            continue
        alike = aligned(names, searches)
        ends = {name: curves(alike[name], references, "env_steps") for name in names}
        unclipped = {name: curves(alike[name], references, "env_steps", math.inf) for name in names}
        tables += [
            f"## {title}",
            main_table(names, ends, unclipped, rng),
            task_table(names, ends, references),
        ]
    if "evolve" in searches:
        tables += ["## Screens of evolve", audit_line(searches["evolve"])]
    if "evolve, race" in searches:
        tables += ["## The race", race_table(searches["evolve, race"])]
    text = "\n\n".join(tables)
    print(text)
    options.input.with_suffix(".md").write_text(text + "\n")
    names = [name for name in STRATEGIES if name in searches]
    draw(names, aligned(names, searches), references, options.input.with_suffix(".png"))


if __name__ == "__main__":
    main()
