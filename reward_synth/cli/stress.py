"""``reward-synth stress``: how a policy does as the world departs from the model."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from reward_synth.cli.arguments import run_of, whole_numbers
from reward_synth.cli.outcome import shorten
from reward_synth.cli.trained import task_of
from reward_synth.errors import ConfigError, ExportError, RunError
from reward_synth.files import cache_folder, write_text
from reward_synth.rollout.finals import median_training
from reward_synth.run_folder import is_run

if TYPE_CHECKING:
    import numpy as np

    from reward_synth.deploy.stress import Stress
    from reward_synth.task import Task
    from reward_synth.train.policy import Policy

_SETTINGS = {"episodes": (20, 2), "seed": (0, 0), "threads": (0, 0)}  # default, least


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A policy that is tested.

    Attributes:
      task: its task.
      act: the policy, from observations to actions.
      spread: (O,) what noise of one standard deviation is; None if the policy does not tell.
      name: which it is, in a few words.
      folder: where the results go.
    """

    task: Task
    act: Callable[[np.ndarray], np.ndarray]
    spread: np.ndarray | None
    name: str
    folder: Path


def stress_policy(arguments: Sequence[str]) -> int:
    """Test a policy; write stress.json and stress.svg beside it, and say what they show.

    Raises:
      ConfigError: an argument is wrong.
      RunError, ExportError: there is no such policy, or it is of another task.
    """
    folders, settings = whole_numbers(arguments, _SETTINGS)
    if len(folders) != 1:
        raise ConfigError(
            "`reward-synth stress` takes one folder, of a run, a candidate or a bundle, not "
            f"{len(folders)}."
        )

    from reward_synth.train.setup import configure_jax

    configure_jax(cache_folder() / "xla")
    subject = _find(folders[0])
    found = stress(subject, **settings)
    write_stress(found, subject.folder)
    if (subject.folder / "deploy.json").is_file():
        _renew(subject.folder)
    print(f"{subject.name} of {subject.task.name}, {found.env_steps:,} environment steps")
    print("\n".join(f"  {line}" for line in found.summary))
    print(shorten(subject.folder / "stress.svg"))
    return 0


def stress(subject: Subject, *, episodes: int, seed: int, threads: int) -> Stress:
    """Return a policy's stress test."""
    from reward_synth.deploy.sweep import measured_spread, sweep

    spread = subject.spread
    if spread is None:
        spread = measured_spread(subject.task, subject.act, seed)
    return sweep(
        subject.task,
        subject.act,
        spread,
        policy=subject.name,
        seed=seed,
        episodes=episodes,
        threads=threads,
    )


def write_stress(found: Stress, folder: Path) -> None:
    """Write stress.json and stress.svg."""
    from reward_synth.report.stress import stress_plot

    write_text(folder / "stress.json", json.dumps(found.to_json(), indent=1, allow_nan=False))
    write_text(folder / "stress.svg", stress_plot({found.policy: found}))


def _find(folder: Path) -> Subject:
    if (folder / "deploy.json").is_file():
        return _bundle(folder)
    if is_run(folder):
        return winner(folder)
    run = run_of(folder)
    if run is None:
        raise ExportError(
            f"{shorten(folder)} is neither a run, nor a candidate of one such as gen_00/cand_03, "
            "nor a bundle."
        )
    return trained(run, folder, f"candidate {'/'.join(folder.parts[-2:])}")


def _renew(bundle: Path) -> None:
    """Show the results in a bundle's card, and seal it with them."""
    from reward_synth.deploy.seal import seal
    from reward_synth.report.card import write_card

    description = json.loads((bundle / "deploy.json").read_text(encoding="utf-8"))
    write_card(bundle, description)
    seal(bundle, description)


def winner(run: Path) -> Subject:
    """Return what a run has found: the median training of the final comparison, if there is one.

    Raises:
      RunError, ExportError: the run has found nothing yet, or its task has changed.
    """
    from reward_synth.search.store import Store

    with Store.read(run) as store:
        result, best = store.get("result"), store.get("best")
        folders = {c.id: c.folder for c in store.candidates()}
    place = median_training(run) if result else None
    if place is not None:
        number = place.name.removeprefix("seed_")
        return trained(run, place, f"the winner {result['best']}, final training {number}")
    if best is None:
        raise RunError(f"the run in {shorten(run)} has not ended: name one of its candidates.")
    return trained(run, run / folders[best], f"the winner {best}")


def trained(run: Path, place: Path, name: str) -> Subject:
    """Return the policy in a folder of a run; results go to that folder.

    Raises:
      ExportError: there is no policy, or the run's task has changed.
    """
    from reward_synth.deploy.sweep import act_of, spread_of
    from reward_synth.search.store import Store
    from reward_synth.train.policy import Policy

    if not (place / "policy.npz").is_file():
        raise ExportError(f"{shorten(place)} has no policy.npz: it was not trained to the end.")
    with Store.read(run) as store:
        task = task_of(
            store.get("task_folder"),
            store.get("task")["name"],
            store.get("task_fingerprint"),
            "when the policy was trained",
        )
    policy: Policy = Policy.load(place / "policy.npz")
    return Subject(task, act_of(policy), spread_of(policy), name, place)


def _bundle(folder: Path) -> Subject:
    """Return the policy of a bundle, as onnxruntime runs it.

    Raises:
      ConfigError: the extra is missing.
      ExportError: the bundle is damaged, or its task is not as it was.
    """
    if find_spec("onnxruntime") is None:
        raise ConfigError(
            "a bundle's policy needs the deploy extra: pip install 'reward-synth[deploy]'."
        )
    import numpy as np

    from reward_synth.deploy.runtime import BundleError, load_bundle
    from reward_synth.deploy.same_task import check_same
    from reward_synth.task import load_task

    try:
        bundle = load_bundle(folder)
    except BundleError as error:
        raise ExportError(f"{shorten(folder)}: {error} `reward-synth verify` says more.") from error
    task = load_task(bundle.description["task"]["name"])
    name = bundle.description["policy"]["input"]

    def act(observation: np.ndarray) -> np.ndarray:
        (action,) = bundle.policy.run(None, {name: observation.astype("float32")})
        return np.asarray(action)

    check_same(task, bundle, act)
    return Subject(task, act, None, "the bundle's policy", folder)
