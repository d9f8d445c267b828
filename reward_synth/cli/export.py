"""``reward-synth export-reward``: a reward as a file for another simulator."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reward_synth.cli.arguments import Parser, run_of
from reward_synth.cli.outcome import shorten
from reward_synth.errors import ConfigError, ExportError, did_you_mean
from reward_synth.files import write_text
from reward_synth.records import Rejection, TaskDescription, TracedReward
from reward_synth.run_folder import is_run

if TYPE_CHECKING:
    from reward_synth.search.candidate import Candidate

EXPERT = "expert:"
_FORMATS = ("torch",)


@dataclass(frozen=True, slots=True)
class _Exported:
    """A reward to be written.

    Attributes:
      traced: the reward.
      description: of its task.
      origin: where it came from, in a few words.
      name: for the file, if the user gives none.
    """

    traced: TracedReward
    description: TaskDescription
    origin: str
    name: str


def export_reward(arguments: Sequence[str]) -> int:
    """Write a reward as a PyTorch file, whose path is the last line printed.

    Raises:
      ConfigError: an argument is wrong.
      ExportError: there is no such reward, or it cannot be written.
    """
    which, task, output = _parse(arguments)
    if output is not None and output.exists():
        raise ConfigError(f"{output} exists: name another with --output, or remove it.")
    found = _find(which, task)
    path = output or Path(f"{re.sub(r'[^a-zA-Z0-9_]', '_', found.name)}.py")
    if path.exists():
        raise ConfigError(f"{path} exists: name another with --output, or remove it.")
    from reward_synth.deploy.torch_reward import torch_file

    write_text(path, torch_file(found.traced, found.description, found.origin))
    print(f"{found.origin}, as compute_reward() in PyTorch; docs/isaac.md says how to use it.")
    print(shorten(path.resolve()))
    return 0


def _parse(arguments: Sequence[str]) -> tuple[str, str | None, Path | None]:
    parser = Parser()
    parser.add_argument("--to")
    parser.add_argument("--task")
    parser.add_argument("--output", type=Path)
    options, rest = parser.read(arguments)
    if len(rest) != 1:
        raise ConfigError(
            "`reward-synth export-reward` takes one candidate's folder, one reward.py with --task, "
            f"or {EXPERT}<task>, not {len(rest)}."
        )
    if options.to is None:
        raise ConfigError(f"say what for: --to {' or '.join(_FORMATS)}.")
    if options.to not in _FORMATS:
        raise ConfigError(
            f"--to {options.to} is unknown.{did_you_mean(options.to, _FORMATS)} There is "
            f"{', '.join(_FORMATS)}."
        )
    (which,) = rest
    is_file = not which.startswith(EXPERT) and Path(which).expanduser().is_file()
    if options.task is not None and not is_file:
        raise ConfigError(f"--task is for a reward.py by itself, which {which} is not.")
    return which, options.task, options.output


def _find(which: str, task: str | None) -> _Exported:
    if which.startswith(EXPERT):
        return _expert(which.removeprefix(EXPERT))
    path = Path(which).expanduser()
    if task is not None:
        return _program(path, task)
    if path.name == "reward.py" and path.is_file():
        path = path.parent
    if path.is_file():
        raise ConfigError(f"say which task {path} is for: --task <name or folder>.")
    if not path.is_dir():
        raise ExportError(
            f"there is no {path}: give a candidate's folder, such as outputs/.../gen_00/cand_03, "
            f"a reward.py with --task, or {EXPERT}<task>, such as {EXPERT}ant."
        )
    return _candidate(path)


def _expert(task: str) -> _Exported:
    """The reward that people published for a task."""
    from reward_synth.deploy.torch_reward import traced_expert
    from reward_synth.task import load_task

    loaded = load_task(task)
    name = f"{loaded.name}_expert_reward"
    origin = f"the expert reward of {loaded.name}"
    return _Exported(traced_expert(loaded), loaded.description, origin, name)


def _candidate(path: Path) -> _Exported:
    """What a run has found, as it was traced then."""
    from reward_synth.search.proposals import load_traced
    from reward_synth.search.store import Store

    folder = path.resolve()
    run, place = run_of(folder), "/".join(folder.parts[-2:])
    if run is None:
        hint = ""
        if is_run(folder):
            hint = " It is a run: name one of its candidates, such as gen_00/cand_00 in it."
        elif (folder / "reward.py").is_file():
            hint = " Name its reward.py and --task to export that."
        raise ExportError(f"{path} is not a candidate's folder in a run.{hint}")
    with Store.read(run) as store:
        task = store.get("task")
        candidates = {c.folder: c for c in store.candidates()}
    candidate = candidates.get(place)
    if task is None or candidate is None:
        raise ExportError(f"the run in {run} knows of no candidate {place}.")
    check_candidate(candidate, folder)
    description = TaskDescription.from_json(task)
    try:
        traced = load_traced(candidate, run)
    except FileNotFoundError as error:
        raise ExportError(f"{error.filename} is gone: export reward.py with --task.") from error
    origin = f"candidate {candidate.id} of {run.name}, by {candidate.author}"
    return _Exported(traced, description, origin, f"{description.name}_{candidate.id}_reward")


def check_candidate(candidate: Candidate, folder: Path) -> None:
    """Refuse a candidate that is not a reward, or is not what its file says."""
    rejection = candidate.rejection
    if rejection is not None:
        raise ExportError(
            f"{candidate.id} was turned down ({rejection.stage}): {rejection.reason} Name another."
        )
    if candidate.program is None or not candidate.terms:
        raise ExportError(f"{candidate.id} has not been traced yet: let its run go on.")
    source = folder / "reward.py"
    if source.is_file() and source.read_text(encoding="utf-8") != candidate.program.source:
        raise ExportError(
            f"{source} has been changed since the run traced it: copy it elsewhere and export the "
            "copy with --task."
        )


def _program(path: Path, task: str) -> _Exported:
    """A file that somebody wrote, which is not trusted more than what a language model writes."""
    from reward_synth.reward.parse import parse_source
    from reward_synth.reward.sandbox import Sandbox
    from reward_synth.task import load_task

    try:
        source = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ExportError(f"{path} is not text.") from error
    program = parse_source(source)
    if isinstance(program, Rejection):
        raise ExportError(f"{path} is not a reward program: {program.reason}")
    description = load_task(task).description
    with Sandbox.start() as sandbox:
        traced = sandbox.trace(program, description)
    if isinstance(traced, Rejection):
        raise ExportError(f"{path} is turned down ({traced.stage}): {traced.reason}")
    return _Exported(traced, description, path.name, f"{path.stem}_torch")
