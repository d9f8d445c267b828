"""``reward-synth export``: a trained policy as a bundle for a robot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

from reward_synth.cli.arguments import Parser, run_of
from reward_synth.cli.export import check_candidate
from reward_synth.cli.outcome import resume_hint, shorten
from reward_synth.cli.trained import task_of
from reward_synth.cli.verify import tell
from reward_synth.errors import ConfigError, ExportError
from reward_synth.rollout.finals import final_trainings
from reward_synth.run_folder import is_run

if TYPE_CHECKING:
    from reward_synth.deploy.bundle import Trained
    from reward_synth.search.candidate import Candidate
    from reward_synth.search.store import Store


def export_policy(arguments: Sequence[str]) -> int:
    """Write a bundle, verify it, and print where it is.

    Returns:
      0 if the bundle is sound, 1 if it is not.

    Raises:
      ConfigError: an argument is wrong, or the extra is missing.
      ExportError: there is no such policy, or it cannot be exported.
      RunError: the run was written by another version.
      TaskError: the run's task is gone, or broken.
    """
    which, output, robot = _parse(arguments)
    if not which.is_dir():
        raise ConfigError(
            f"there is no folder {which}: give a run's, such as outputs/hopper/<run>, or a "
            "candidate's in it, such as outputs/hopper/<run>/gen_00/cand_03."
        )
    folder = output or which / "deploy"
    if folder.exists():
        raise ConfigError(f"{folder} exists: name another with --output, or remove it.")
    from reward_synth.deploy.bundle import require, write_bundle
    from reward_synth.report.card import write_card
    from reward_synth.search.seeds import derive_seed

    trained = find(which)
    require()
    provenance = trained.provenance
    print(
        f"{trained.task.name}: {provenance['training']}, of {provenance['candidate']} by "
        f"{provenance['author']}"
    )
    write_bundle(trained, folder, derive_seed(provenance["seed"], "deploy"), write_card, robot)
    sound = tell(folder)
    print(shorten(folder.resolve()))
    return 0 if sound else 1


def _parse(arguments: Sequence[str]) -> tuple[Path, Path | None, dict[str, str] | None]:
    parser = Parser()
    parser.add_argument("--joints")
    parser.add_argument("--output", type=Path)
    options, rest = parser.read(arguments)
    if len(rest) != 1:
        raise ConfigError(
            f"`reward-synth export` takes one run's or candidate's folder, not {len(rest)}."
        )
    output = options.output.expanduser() if options.output else None
    return Path(rest[0]).expanduser(), output, _joints(options.joints)


def _joints(text: str | None) -> dict[str, str] | None:
    """Return the robot's names with the simulation's, in the order given."""
    if text is None:
        return None
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(name and of for name, _, of in pairs) or len({p[0] for p in pairs}) < len(pairs):
        raise ConfigError(
            "--joints takes the robot's joints in its order, each with the simulation's name: "
            "--joints FR_hip=hip_1,FL_hip=hip_2."
        )
    return {name: of for name, _, of in pairs}


def find(path: Path) -> Trained:
    """Return the policy of a run or of a candidate in one, from what is in the folders.

    Raises:
      ExportError: there is none.
      RunError: the run was written by another version.
      TaskError: its task is gone, or broken.
    """
    from reward_synth.search.store import Store

    folder = path.resolve()
    whole = is_run(folder)
    run = folder if whole else run_of(folder)
    if run is None:
        raise ExportError(
            f"{path} is neither a run nor a candidate of one: give outputs/<task>/<run>, or "
            "gen_00/cand_03 in it."
        )
    with Store.read(run) as store:
        if whole:
            return _winner(store, run)
        return _candidate(store, run, "/".join(folder.parts[-2:]))


def _winner(store: Store, run: Path) -> Trained:
    """The training of median fitness among those of the final comparison: not the luckiest."""
    result, best = store.get("result"), store.get("best")
    candidates = {c.id: c for c in store.candidates()}
    if result is None or "found" not in result["scores"]:
        if best is None:
            raise ExportError(
                f"the run in {shorten(run)} has not ended: let it go on, or export one of its "
                f"candidates. {resume_hint(run)}"
            )
        raise ExportError(
            f"the run in {shorten(run)} has no final comparison: export what it stood by, "
            f"{shorten(run / candidates[best].folder)}, or let it go on. {resume_hint(run)}"
        )
    order = final_trainings(run)
    if not order:
        raise ExportError(f"{shorten(run / 'final' / 'found')} holds no policy any more.")
    chosen = order[len(order) // 2]
    comparison = {
        name: _estimate(result["scores"][name])
        for name in ("found", "expert", "sparse")
        if result["scores"].get(name)
    }
    training = f"the final training {chosen.name}, the median of {len(order)}"
    video = run / "final" / "found" / "rollout.mp4"
    return _trained(
        store, run, candidates[result["best"]], chosen, training, result["steps"], comparison, video
    )


def _estimate(score: dict[str, Any]) -> dict[str, Any]:
    trainings = len(score["trainings"])
    bounds = {"low": score["low"], "high": score["high"]} if trainings > 1 else {}
    return {"mean": score["fitness"], **bounds, "trainings": trainings}


def _candidate(store: Store, run: Path, place: str) -> Trained:
    candidate = {c.folder: c for c in store.candidates()}.get(place)
    if candidate is None:
        raise ExportError(f"the run in {shorten(run)} knows of no candidate {place}.")
    folder = run / place
    check_candidate(candidate, folder)
    if candidate.score is None or not (folder / "policy.npz").is_file():
        why = "was left behind before its training ended" if candidate.cut else "is not trained yet"
        raise ExportError(f"{candidate.id} {why}: export one that was trained to the end.")
    from reward_synth.train.history import read_history

    steps = int(read_history(folder)[-1]["steps"])
    training = "its first training in the search"
    return _trained(store, run, candidate, folder, training, steps, {}, folder / "rollout.mp4")


def _trained(
    store: Store,
    run: Path,
    candidate: Candidate,
    folder: Path,
    training: str,
    steps: int,
    comparison: dict[str, dict[str, Any]],
    video: Path,
) -> Trained:
    from reward_synth.deploy.bundle import Trained
    from reward_synth.search.config import config_from_json
    from reward_synth.search.proposals import load_traced
    from reward_synth.train.policy import Policy

    config = config_from_json(store.get("config") or {})
    task = task_of(
        store.get("task_folder"),
        store.get("task")["name"],
        store.get("task_fingerprint"),
        f"when the run in {shorten(run)} began",
    )
    try:
        policy = Policy.load(folder / "policy.npz")
        reward = load_traced(candidate, run)
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise ExportError(f"{shorten(folder)}: its files cannot be read ({error}).") from error
    assert candidate.program is not None
    worlds = config.randomise.over(task.randomisation)
    transform = config.train.transform
    notes = f"In training its terms were composed by {transform}." if transform != "none" else ""
    provenance = {
        "run": run.name,
        "candidate": candidate.id,
        "author": candidate.author,
        "training": training,
        "steps": steps,
        "trainer": config.trainer,
        "transform": transform,
        "worlds": worlds.words if worlds else "",
        "seed": config.seed,
        "rationale": candidate.program.rationale,
        "reward": candidate.program.source,
        "notes": notes,
    }
    film = video if video.is_file() else None
    return Trained(task, policy, reward, provenance, comparison, film)
