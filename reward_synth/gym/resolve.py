"""From what a user writes for ``task`` and ``reward`` to a Task and a Reward.

What is loaded is kept, so that environments of the same task and reward share what JAX
compiles; a file that has changed is read again.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from reward_synth.errors import ConfigError, did_you_mean
from reward_synth.records import Rejection, RewardProgram, TaskDescription, TracedReward
from reward_synth.reward.parse import parse_source
from reward_synth.reward.rewards import Reward, described_reward, expert_reward, sparse_reward
from reward_synth.reward.sandbox import Sandbox
from reward_synth.task import Task, find_task, load_task
from reward_synth.train.history import METRICS, read_history

_NAMES = ("expert", "sparse")
_CANDIDATE = ("reward.py", "reward.arrays.json", METRICS)


def resolve_task(task: str | Path | Task) -> Task:
    """Return a task, given itself, a bundled task's name or a folder.

    Raises:
      TaskError: there is no such task, or it cannot be used.
    """
    if isinstance(task, Task):
        return task
    folder = find_task(task)
    files = [path for path in folder.iterdir() if path.is_file()]  # not Python's own cache
    return _load_task(folder, _changed(*files))


def resolve_reward(reward: str | Path | Reward, task: Task) -> Reward:
    """Return a reward for a task, given itself, ``"expert"``, ``"sparse"`` or a program's place.

    Raises:
      TaskError: the task has no expert reward.
      ConfigError: there is no such reward, or its program cannot be used.
    """
    if isinstance(reward, Reward):
        return reward
    return _named_reward(task, reward) if reward in _NAMES else program(reward, task.description)


def program(source: str | Path, description: TaskDescription) -> Reward:
    """Return the reward of a program.

    Args:
      source: a candidate's folder in a run, whose array program is read, or a ``reward.py``,
        which is traced in the sandbox. Neither runs its Python in this process.
      description: of the task that it is a reward for.

    Raises:
      ConfigError: there is none, or it is no reward for this task; in words.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        missing = [name for name in _CANDIDATE if not (path / name).is_file()]
        if missing:
            raise ConfigError(
                f"{path} is not a trained candidate's folder, such as gen_00/cand_03 of a run: it "
                f"has no {missing[0]}. A reward.py alone can be named itself."
            )
        files = tuple(path / name for name in _CANDIDATE)
        return _candidate(files, _changed(*files), description)
    if path.is_file():
        return _traced(path, _changed(path), description)
    raise ConfigError(
        f"no reward {str(source)!r}.{did_you_mean(str(source), _NAMES)} It must be 'expert', "
        "'sparse', a candidate's folder of a run, a reward.py, or a reward_synth Reward."
    )


def _changed(*files: Path) -> int:
    return max(file.stat().st_mtime_ns for file in files)


@lru_cache(maxsize=32)
def _load_task(folder: Path, changed: int) -> Task:
    return load_task(folder)


@lru_cache(maxsize=64)
def _named_reward(task: Task, name: str) -> Reward:
    return expert_reward(task) if name == "expert" else sparse_reward(task)


@lru_cache(maxsize=64)
def _candidate(files: tuple[Path, ...], changed: int, description: TaskDescription) -> Reward:
    text, arrays, metrics = files
    history = read_history(metrics.parent)
    if not history:
        raise ConfigError(f"{metrics} is empty: the candidate was dropped before its first update.")
    terms = tuple(history[0]["terms"])
    traced = TracedReward(_parse(text), terms, arrays.read_bytes())
    return _usable(described_reward(traced, description), arrays, description)


@lru_cache(maxsize=64)
def _traced(path: Path, changed: int, description: TaskDescription) -> Reward:
    with Sandbox.start() as sandbox:
        traced = sandbox.trace(_parse(path), description)
    if isinstance(traced, Rejection):
        raise ConfigError(f"{path}: {traced.reason}")
    return _usable(described_reward(traced, description), path, description)


def _parse(path: Path) -> RewardProgram:
    parsed = parse_source(path.read_text(encoding="utf-8"))
    if isinstance(parsed, Rejection):
        raise ConfigError(f"{path}: {parsed.reason}")
    return parsed


def _usable(reward: Reward | Rejection, path: Path, description: TaskDescription) -> Reward:
    if isinstance(reward, Rejection):
        raise ConfigError(f"{path} is no reward for {description.name}: {reward.reason}")
    return reward
