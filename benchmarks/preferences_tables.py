"""Tables and plot of benchmarks/preferences.py's output.

    .venv/bin/python -m benchmarks.preferences_tables
        [--input benchmarks/results/preferences.jsonl]

Prints Markdown tables, writes them beside the input as .md and the plot as .png.

A score is the held-out fitness of an arm's final policy divided by the mean of the expert's, which
has trained for as many steps; doing nothing has a fitness of 0. Over tasks and seeds:
interquartile means with 95% stratified bootstrap intervals, and the probability that `evolve` does
better, as in benchmarks/search_tables.py. Seeds that some arm lacks are left out, of all arms.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.cells import read_lines
from benchmarks.preferences import AGAIN, REFERENCES, SEARCHES
from benchmarks.search_tables import Curves, bootstrap, improvement, iqm

COLOURS = {"icpl": "#D55E00", "evolve": "#0072B2", "learned": "#009E73"}
SHIFTS = {"icpl": 0.94, "evolve": 1.06}  # of points that would lie on each other

Arm = tuple[str, int]  # its name, and what it may ask


def load(lines: list[dict]) -> dict[Arm, dict[str, dict[int, dict]]]:
    """The lines by arm, task and seed; those of seeds alone that all the arms of a task have."""
    arms: dict = defaultdict(lambda: defaultdict(dict))
    for line in lines:
        task, arm, queries, seed, *_ = line["key"]
        arms[arm, queries][task][seed] = line
    found: dict = {}
    for arm, tasks in sorted(arms.items(), key=lambda item: _place(item[0])):
        extra = arm[0].endswith(AGAIN)
        others = [a for a in arms if extra or not a[0].endswith(AGAIN)]
        for task, by_seed in tasks.items():
            shared = set.intersection(*(set(arms[other].get(task, ())) for other in others))
            if shared:
                some = {seed: by_seed[seed] for seed in sorted(shared)}
                found.setdefault(arm, {})[task] = some
    return found


def _place(arm: Arm) -> tuple[int, Arm]:
    """References come last, and what is extra before them."""
    name = arm[0]
    return 2 if name in REFERENCES else 1 if name.endswith(AGAIN) else 0, arm


def fitness(by_seed: dict[int, dict]) -> np.ndarray:
    """(seeds,); what could not be trained has done nothing."""
    return np.nan_to_num([line["fitness"] for line in by_seed.values()], neginf=0.0)


def scores(tasks: dict[str, dict[int, dict]], experts: dict[str, float]) -> Curves:
    """(seeds, 1) shares of the expert's fitness, by task."""
    return {task: fitness(by_seed)[:, None] / experts[task] for task, by_seed in tasks.items()}


def middle(found: Curves, rng: np.random.Generator) -> tuple[float, float, float]:
    """The interquartile mean over all, and its interval."""
    low, high = np.percentile(bootstrap(found, rng), [2.5, 97.5])
    return float(iqm(list(found.values()))[0]), float(low), float(high)


def name_of(arm: Arm) -> str:
    return f"{arm[0]}, {arm[1]}" if arm[0] == "learned" else arm[0]


def main_table(arms: dict, experts: dict[str, float], rng: np.random.Generator) -> str:
    """A row for each arm, over all tasks."""
    rows = [
        "| arm | queries | steps, in thousands | seeds x tasks | score (IQM) | 95% | evolve is "
        "better | 95% |",
        "|" + "---|" * 8,
    ]
    ours = scores(arms["evolve", 49], experts) if ("evolve", 49) in arms else {}
    for arm, tasks in arms.items():
        lines = [line for by_seed in tasks.values() for line in by_seed.values()]
        found = scores(tasks, experts)
        value, low, high = middle(found, rng)
        against = " | "
        if arm[0] != "evolve" and set(found) == set(ours):
            chance, least, most = improvement(ours, found, rng)
            against = f"{chance:.2f} | [{least:.2f}, {most:.2f}]"
        rows.append(
            f"| {name_of(arm)} | {_range([line['queries'] for line in lines])} | "
            f"{_range([round(line['env_steps'] / 1000) for line in lines])} | {len(lines)} | "
            f"{value:.2f} | [{low:.2f}, {high:.2f}] | {against} |"
        )
    return "\n".join(rows)


def _range(values: list[int]) -> str:
    low, high = min(values), max(values)
    return f"{low}" if low == high else f"{low} to {high}"


def task_table(arms: dict, rng: np.random.Generator) -> str:
    """The fitness of each arm on each task, its seeds in brackets."""
    tasks = list(dict.fromkeys(task for found in arms.values() for task in found))
    rows = ["| arm | " + " | ".join(tasks) + " |", "|---|" + "---|" * len(tasks)]
    for arm, found in arms.items():
        cells = []
        for task in tasks:
            if task not in found:
                cells.append("")
                continue
            values = fitness(found[task])
            value, low, high = middle({task: values[:, None]}, rng)
            shown = ", ".join(f"{x:.3g}" for x in values)
            cells.append(f"{value:.3g} [{low:.3g}, {high:.3g}] ({shown})")
        rows.append(f"| {name_of(arm)} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def draw(arms: dict, experts: dict[str, float], path: Path, rng: np.random.Generator) -> None:
    tasks = list(experts)
    panels = [([task], task) for task in tasks] + [(tasks, "all tasks")] * (len(tasks) > 1)
    figure = Figure(figsize=(4.2 * len(panels), 4.4), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, (some, title) in zip(axes, panels, strict=True):
        mine = {
            arm: {task: found[task] for task in some}
            for arm, found in arms.items()
            if set(some) <= set(found)
        }
        _panel(axis, mine, experts, rng)
        axis.set_title(title.replace("_", " "), fontsize=10)
    axes[0].set_ylabel("share of the expert's fitness")
    handles = axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    figure.savefig(path, dpi=150)


def _panel(axis: Axes, arms: dict, experts: dict[str, float], rng: np.random.Generator) -> None:
    found = {arm: middle(scores(tasks, experts), rng) for arm, tasks in arms.items()}
    asked = sorted(arm for arm in found if arm[0] == "learned")
    numbers = np.array([found[arm] for arm in asked]).reshape(-1, 3)
    queries = [arm[1] for arm in asked]
    axis.fill_between(queries, *numbers[:, 1:].T, color=COLOURS["learned"], alpha=0.15)
    axis.plot(queries, numbers[:, 0], "o-", color=COLOURS["learned"], label="learned reward")
    for (name, count), (value, low, high) in found.items():
        search = name.removesuffix(AGAIN)
        if search in SEARCHES:
            axis.errorbar(
                count * SHIFTS[search] ** (2 if name != search else 1),
                value,
                [[value - low], [high - value]],
                fmt="s" if name == search else "D",
                mfc=COLOURS[search] if name == search else "white",
                color=COLOURS[search],
                capsize=3,
                label=search if name == search else f"{search}, its reward trained again",
            )
        elif name in REFERENCES:
            style = "--" if name == "expert" else ":"
            axis.axhline(value, color="grey", linestyle=style, linewidth=1.0, label=name)
    axis.set_xscale("log")
    axis.set_xticks(queries, [str(count) for count in queries], minor=False)
    axis.minorticks_off()
    axis.set_xlabel("comparisons asked")
    axis.grid(alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)


def main() -> None:
    parser = argparse.ArgumentParser(description="Tables and plot of benchmarks/preferences.py")
    parser.add_argument("--input", type=Path, default=Path("benchmarks/results/preferences.jsonl"))
    options = parser.parse_args()
    arms = load(read_lines(options.input))
    if ("expert", 0) not in arms:
        raise SystemExit(f"{options.input} has no seed of which every arm is done.")
    experts = {task: float(fitness(by_seed).mean()) for task, by_seed in arms["expert", 0].items()}
    rng = np.random.default_rng(0)
    text = (
        "# What answers are worth\n\nFinal policies at equal environment steps, by how many "
        "comparisons were asked; 10% of the answers are wrong. Searches read the task's sentence, "
        "which the learned reward does not; `again` takes more steps than the others.\n\n"
        f"{main_table(arms, experts, rng)}\n\n"
        "Fitness: interquartile mean, 95%, and each seed's.\n\n"
        f"{task_table(arms, rng)}\n\n![fitness against queries]({options.input.stem}.png)\n\n"
        "Made with: `python -m benchmarks.preferences; python -m benchmarks.preferences_tables`\n"
    )
    print(text)
    options.input.with_suffix(".md").write_text(text)
    draw(arms, experts, options.input.with_suffix(".png"), rng)


if __name__ == "__main__":
    main()
