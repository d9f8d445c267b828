"""``reward-synth compare``: how far two rewards are from each other, without training on them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reward_synth.cli.arguments import run_of
from reward_synth.errors import ConfigError, did_you_mean
from reward_synth.records import Rejection, RewardProgram, TaskDescription
from reward_synth.reward.parse import parse_source
from reward_synth.run_folder import is_run

if TYPE_CHECKING:
    from reward_synth.reward.rewards import Reward
    from reward_synth.reward.sandbox import Sandbox
    from reward_synth.reward.transitions import Transitions
    from reward_synth.task import Task

_NAMES = ("expert", "sparse")
_SETTINGS = ("task", "seed", "transitions")
_FEWEST, _USUAL, _MOST = 64, 4096, 65_536  # transitions
_ENVS = 32


@dataclass(frozen=True, slots=True)
class _Arguments:
    """What was typed.

    Attributes:
      rewards: the two to compare.
      task: its name or folder; "" if a run is to say it.
      seed: of everything random.
      transitions: how many steps to compare on.
    """

    rewards: tuple[str, str]
    task: str
    seed: int
    transitions: int


@dataclass(frozen=True, slots=True)
class _Source:
    """A reward before it is loaded.

    Attributes:
      name: as it was typed.
      program: None for the task's own.
      run: the folder of the run that it is a candidate of.
    """

    name: str
    program: RewardProgram | None = None
    run: Path | None = None


@dataclass(frozen=True, slots=True)
class _Run:
    """A run of which a candidate is compared: its folder, and its task then."""

    folder: Path
    task: str
    description: TaskDescription


def compare_rewards(arguments: Sequence[str]) -> int:
    """Print how two rewards' texts and behaviours differ, in a table.

    Raises:
      ConfigError: an argument is wrong, or names no reward of this task.
      TaskError: there is no such task, or it lacks the reward that was named.
    """
    typed = _parse(arguments)
    sources = tuple(_find(name) for name in typed.rewards)
    runs = [_read_run(folder) for folder in dict.fromkeys(s.run for s in sources if s.run)]
    name = _task_name(typed.task, runs)

    from reward_synth.reward.canonical import Sample, canonical
    from reward_synth.reward.compare import compare
    from reward_synth.task import load_task

    task = load_task(name)
    _check_task(task, runs)
    first, second = _load(sources, task)
    steps, origin = _transitions(task, runs, typed)
    sample = Sample.draw(steps, typed.seed, steps=typed.transitions)
    found = compare(canonical(first, sample), canonical(second, sample), typed.seed)

    from reward_synth.cli.tables import distances_table, open_console

    open_console().print(
        distances_table(
            (sources[0].name, sources[1].name),
            task.name,
            found,
            texts=_texts(*sources),
            origin=origin,
            dynamics=sample.dynamics,
        )
    )
    return 0


def _parse(arguments: Sequence[str]) -> _Arguments:
    rewards, settings = [], {}
    for text in arguments:
        name, equals, value = text.partition("=")
        if text.startswith("-"):
            raise ConfigError(f"no option {text!r}. Settings are {_listed()}.")
        if equals and name in _SETTINGS:
            settings[name] = value
        elif not equals or Path(text).exists():
            rewards.append(text)
        else:
            raise ConfigError(
                f"no setting {name!r}.{did_you_mean(name, _SETTINGS)} There are {_listed()}."
            )
    if len(rewards) != 2:
        raise ConfigError(
            "`reward-synth compare` takes two rewards, each a reward.py, a candidate's folder, "
            f"{' or '.join(_NAMES)}, not {len(rewards)}."
        )
    task = settings.get("task", "")
    if "task" in settings and not task:
        raise ConfigError("task is empty: name one, such as task=hopper.")
    return _Arguments(
        (rewards[0], rewards[1]),
        task,
        _whole(settings, "seed", 0, 0, 2**32 - 1),
        _whole(settings, "transitions", _USUAL, _FEWEST, _MOST),
    )


def _listed() -> str:
    return ", ".join(f"{name}=" for name in _SETTINGS)


def _whole(settings: dict[str, str], name: str, default: int, low: int, high: int) -> int:
    text = settings.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 12 and low <= int(text) <= high):
        raise ConfigError(f"{name} must be a whole number from {low} to {high:,}, not {text}.")
    return int(text)


def _find(name: str) -> _Source:
    if name in _NAMES:
        return _Source(name)
    path = Path(name).expanduser()
    if is_run(path):
        raise ConfigError(f"{name} is a run: name one of its candidates, such as gen_00/cand_00.")
    file = path / "reward.py" if path.is_dir() else path
    if not file.is_file():
        missing = f"{name} has no reward.py" if path.is_dir() else f"there is no {name}"
        raise ConfigError(
            f"{missing}.{did_you_mean(name, _NAMES)} A reward is a reward.py, a candidate's folder "
            f"such as outputs/.../gen_00/cand_03, {' or '.join(_NAMES)}."
        )
    try:
        program = parse_source(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not text.") from error
    if isinstance(program, Rejection):
        raise ConfigError(f"{file} is not a reward program: {program.reason}")
    return _Source(name, program, run_of(file.resolve().parent))


def _read_run(folder: Path) -> _Run:
    from reward_synth.search.store import Store

    with Store.read(folder) as store:
        description, config = store.get("task"), store.get("config")
    if description is None:
        raise ConfigError(f"the run in {folder} has not begun: it knows of no task yet.")
    read = TaskDescription.from_json(description)
    return _Run(folder, config["task"] if config else read.name, read)


def _task_name(typed: str, runs: Sequence[_Run]) -> str:
    names = {run.description.name for run in runs}
    if len(names) > 1:
        raise ConfigError(f"these are rewards of different tasks, {' and '.join(sorted(names))}.")
    if typed or runs:
        return typed or runs[0].task
    raise ConfigError("say which task these rewards are for: task=<name or folder>.")


def _check_task(task: Task, runs: Sequence[_Run]) -> None:
    for run in runs:
        if run.description.name != task.name:
            raise ConfigError(
                f"{run.folder} is a run of {run.description.name}, not of {task.name}: leave task= "
                "out."
            )


def _load(sources: Sequence[_Source], task: Task) -> tuple[Reward, Reward]:
    from reward_synth.reward.sandbox import Sandbox

    with ExitStack() as stack:
        programs = [source for source in sources if source.program]
        sandbox = stack.enter_context(Sandbox.start()) if programs else None
        first, second = (_reward(source, task, sandbox) for source in sources)
    return first, second


def _reward(source: _Source, task: Task, sandbox: Sandbox | None) -> Reward:
    from reward_synth.reward.rewards import expert_reward, sparse_reward, traced_reward

    if source.program is None or sandbox is None:
        return expert_reward(task) if source.name == "expert" else sparse_reward(task)
    traced = sandbox.trace(source.program, task.description)
    reward = traced if isinstance(traced, Rejection) else traced_reward(traced, task)
    if isinstance(reward, Rejection):
        raise ConfigError(
            f"{source.name} is turned down for {task.name} ({reward.stage}): {reward.reason}"
        )
    return reward


def _transitions(task: Task, runs: Sequence[_Run], typed: _Arguments) -> tuple[Transitions, str]:
    """Return the steps to compare on, half of them of trained policies if a run has any."""
    import numpy as np

    from reward_synth.reward.transitions import Transitions
    from reward_synth.rollout.episodes import Rollouts
    from reward_synth.rollout.explore import explore

    rng = np.random.default_rng(typed.seed)
    paths = [
        path
        for run in runs
        if run.description == task.description  # else its states are of another make
        for path in sorted(run.folder.glob("gen_*/cand_*/rollout.npz"))
    ]
    share = -(-typed.transitions // (2 * len(paths))) if paths else 0
    parts = [Rollouts.load(path).transitions.sample(share, rng) for path in paths]
    trained = Transitions.join(parts).sample(typed.transitions // 2, rng) if parts else None
    wanted = typed.transitions - (len(trained) if trained else 0)
    random = explore(task, typed.seed, _ENVS, -(-wanted // _ENVS)).sample(wanted, rng)
    if trained is None:
        return random, f"{len(random):,} steps of random actions"
    origin = (
        f"{len(random) + len(trained):,} steps, {len(random):,} of random actions and "
        f"{len(trained):,} of {len(paths)} trained policies"
    )
    return Transitions.join([random, trained]), origin


def _texts(a: _Source, b: _Source) -> str:
    """Say how the texts compare."""
    from reward_synth.reward.normal_form import normal_form, structure

    if a.program is None or b.program is None:
        return "one and the same" if a.name == b.name else "not both are programs"
    sources = a.program.source, b.program.source
    if sources[0] == sources[1]:
        return "the same"
    if normal_form(sources[0]) == normal_form(sources[1]):
        return "the same but for how they are written"
    if structure(sources[0]) == structure(sources[1]):
        return "the same but for the values of WEIGHTS"
    return "different"
