"""From a trained policy to a bundle: a folder that runs on a robot, and says what it is."""

from __future__ import annotations

import platform
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jax
import numpy as np

from reward_synth import __version__
from reward_synth.deploy import describe
from reward_synth.deploy.carried import carry
from reward_synth.deploy.robot import Joint, driven_joints
from reward_synth.errors import ConfigError, ExportError
from reward_synth.feedback.scores import interval, share_interval
from reward_synth.files import atomic_write, save_arrays
from reward_synth.records import Rejection, TracedReward
from reward_synth.reward.rewards import Reward, traced_reward
from reward_synth.rollout.episodes import Rollouts, evaluate, violations
from reward_synth.sim.cpu import CpuBackend
from reward_synth.task import batched
from reward_synth.task.task import Task
from reward_synth.train.policy import Policy

OBSERVE, JUDGE, GOLDEN = "observe.onnx", "judge.onnx", "golden.npz"
EXTRA = "{} needs the deploy extra: pip install 'reward-synth[deploy]'."
_PACKAGES = ("jsonschema", "onnx", "onnxruntime")

EPISODES = 100  # behind the card's numbers
GOLDEN_EPISODES = 20  # the first of them, which verify runs again
GOLDEN_PAIRS = 100
HORIZON = 50  # control steps, at the most, over which positions are held against the trainer's
_SHORTEST = 5  # that make a comparison
_PARITY = 1e-5  # of actions; both sides compute in float32
_POSITION_TOLERANCE = 1e-3  # m or rad, within the horizon
_RETURN_TOLERANCE = 0.01  # of the mean's size, at the least
_FAR = 5.0  # standard deviations of observations that half of the golden pairs are drawn with


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A policy with what is known of where it came from.

    Attributes:
      task: that it does.
      policy: the policy.
      reward: that it was trained on, as it was written.
      provenance: run, candidate, training, seeds and so on, for deploy.json.
      comparison: mean fitness of policies trained from scratch, by the reward's name; each with
        "mean", "low", "high" and "trainings". Empty if the run made none.
      video: of an episode, or None.
    """

    task: Task
    policy: Policy
    reward: TracedReward
    provenance: Mapping[str, Any]
    comparison: Mapping[str, Mapping[str, Any]]
    video: Path | None


def require() -> None:
    """Check that the extra is installed.

    Raises:
      ConfigError: it is not, with the command that installs it.
    """
    if any(find_spec(package) is None for package in _PACKAGES):
        raise ConfigError(EXTRA.format("reward-synth export"))


WriteCard = Callable[[Path, Mapping[str, Any]], None]


def write_bundle(
    trained: Trained,
    folder: Path,
    seed: int,
    write_card: WriteCard,
    robot: Mapping[str, str] | None = None,
) -> None:
    """Write a bundle; the folder appears when it is whole.

    Args:
      trained: what goes into it.
      folder: that is not there yet.
      seed: of the episodes that the policy is tested in.
      write_card: writes the card into a folder, from what is there and deploy.json's content.
      robot: in the robot's order, its names of the joints, each with the simulation's; None
        takes over order and names.

    Raises:
      ExportError: the task, its robot or the policy cannot be exported, with the reason.
    """
    require()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as place:
        made = Path(place) / "bundle"
        made.mkdir()
        _write(trained, made, seed, write_card, robot)
        made.rename(folder)


def _write(
    trained: Trained,
    folder: Path,
    seed: int,
    write_card: WriteCard,
    robot: Mapping[str, str] | None,
) -> None:
    # These need the extra, and this module is imported to ask for it.
    from reward_synth.deploy.policy_onnx import policy_model
    from reward_synth.deploy.seal import seal
    from reward_synth.deploy.tracing import judge_model, observe_model

    task, model_file = carry(trained.task, folder)
    reward = traced_reward(trained.reward, task)
    if isinstance(reward, Rejection):
        raise ExportError(f"the reward cannot be read: {reward.reason}")
    driven = driven_joints(task.model)
    mapped = robot if robot is not None else {joint.name: joint.name for joint in driven}
    _check_map(mapped, driven)
    rollouts, golden = _test(task, trained.policy, reward, seed)
    with atomic_write(folder / GOLDEN) as file:
        save_arrays(file, golden, compressed=True)
    observe, terms = observe_model(task)
    description: dict[str, Any] = {
        "format": 1,
        "task": {
            "name": task.name,
            "sentence": task.description.sentence,
            "fingerprint": task.fingerprint,
        },
        "timing": describe.timing(task),
        "action": describe.ACTION,
        "joints": describe.joints(driven),
        "robot": {"joints": [{"name": name, "simulation": of} for name, of in mapped.items()]},
        "fields": describe.fields(task, driven, terms),
        "observation": {"file": OBSERVE, "terms": describe.terms(terms)},
        "policy": describe.POLICY,
        "simulation": describe.simulation(task, model_file, JUDGE),
        "golden": {
            "file": GOLDEN,
            "tolerance": _PARITY,
            "horizon": HORIZON,
            "position_tolerance": _POSITION_TOLERANCE,
            "return_tolerance": _tolerances(golden),
            **_golden_pairs(task, trained.policy, rollouts, seed),
        },
        "evidence": {**_evidence(task, rollouts, seed), "comparison": dict(trained.comparison)},
        "provenance": {**trained.provenance, "versions": _versions()},
    }
    network = policy_model(trained.policy, describe.metadata(description))
    judge = judge_model(task, trained.reward)
    for name, model in ((describe.POLICY["file"], network), (OBSERVE, observe), (JUDGE, judge)):
        (folder / name).write_bytes(model.SerializeToString())
    if trained.video is not None:
        shutil.copyfile(trained.video, folder / "video.mp4")
    seal(folder, description)
    seen, description["golden"]["horizon"] = _rehearsed(folder, golden)
    for joint, watch in zip(description["joints"], describe.watches(driven, seen), strict=True):
        joint["watch"] = watch
    write_card(folder, description)
    seal(folder, description)


def _rehearsed(folder: Path, golden: Mapping[str, np.ndarray]) -> tuple[np.ndarray, int]:
    """Run the episodes that verify will run, with the runtime, as verify will.

    Returns:
      (2, n, J) joint positions and velocities, which are what the runtime is to watch for. And
      for how many control steps positions stay within a tenth of their tolerance: where contacts
      are many, two computations of the same episode part sooner.

    Raises:
      ExportError: the runtime's episodes are not the trainer's.
    """
    from reward_synth.deploy.closed_loop import apart, golden_episodes
    from reward_synth.deploy.runtime import Controller, load_bundle

    bundle = load_bundle(folder)
    episodes = golden_episodes(bundle, Controller(bundle, watch=False), golden)
    steps = apart(episodes, golden) <= 0.1 * _POSITION_TOLERANCE
    horizon = len(steps) - 1 if steps.all() else int(np.argmin(steps)) - 1
    if horizon < min(_SHORTEST, len(steps) - 1):
        raise ExportError(
            f"the exported policy's episodes leave the trainer's after {horizon} steps: the task "
            "does something that a bundle does not carry. Please report it."
        )
    return np.concatenate([episode.joints for episode in episodes], axis=1), horizon


def _check_map(mapped: Mapping[str, str], driven: Sequence[Joint]) -> None:
    names = sorted(joint.name for joint in driven)
    if sorted(mapped.values()) != names:
        raise ExportError(
            f"--joints must name each of the simulation's {', '.join(names)} once, and names "
            f"{', '.join(mapped.values())}."
        )


def _test(
    task: Task, policy: Policy, reward: Reward, seed: int
) -> tuple[Rollouts, dict[str, np.ndarray]]:
    """Return the trainer's own episodes, and what verify is to hold its episodes against."""
    (rollouts,) = evaluate(task, [policy], [reward], [seed], EPISODES)
    backend = CpuBackend(task, jax.random.split(jax.random.key(seed), EPISODES))
    backend.reset()  # to the same states, of which rollouts keep no velocities
    first = slice(GOLDEN_EPISODES)
    return rollouts, {
        "initial_qpos": backend.qpos[first].copy(),
        "initial_qvel": backend.qvel[first].copy(),
        "qpos": rollouts.qpos[: HORIZON + 1, first],
        "length": rollouts.length[first],
        "fitness": rollouts.episode_fitness[first].astype(np.float64),
        "reward": rollouts.episode_return[first].astype(np.float64),
        "success": rollouts.success[first],
    }


def _tolerances(golden: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Return how far the mean of verify's episodes may be from the mean of the trainer's.

    They begin alike, but where a robot hits the ground a difference of one bit grows until
    two episodes share no more than their distribution: so two standard errors of the mean, and
    a hundredth of it where episodes hardly differ.
    """
    return {
        name: max(
            2.0 * float(np.std(golden[name], ddof=1)) / GOLDEN_EPISODES**0.5,
            _RETURN_TOLERANCE * abs(float(np.mean(golden[name]))),
            1e-6,
        )
        for name in ("fitness", "reward")
    }


def _golden_pairs(
    task: Task, policy: Policy, rollouts: Rollouts, seed: int
) -> dict[str, list[list[float]]]:
    """Return observations and the actions of the trainer's network.

    Half of the observations are of its episodes. The others are drawn far outside of them, to
    where the normaliser clips.
    """
    steps = rollouts.transitions
    half = GOLDEN_PAIRS // 2
    chosen = np.linspace(0, len(steps) - 1, half).astype(int)
    usual = np.asarray(batched.observe(task, steps.state[chosen]))
    drawn = np.random.default_rng(seed).normal(size=(GOLDEN_PAIRS - half, usual.shape[1]))
    statistics = policy.observations
    far = np.asarray(statistics.mean) + _FAR * drawn * np.sqrt(np.asarray(statistics.variance))
    observations = np.concatenate([usual, far]).astype(np.float32)
    actions = np.asarray(policy.act(jax.numpy.asarray(observations)))
    return {"observations": _rows(observations), "actions": _rows(actions)}


def _rows(values: np.ndarray) -> list[list[float]]:
    """Return float32 numbers with as many digits as they have, which is all that JSON needs."""
    return [[float(str(number)) for number in row] for row in values.astype(np.float32)]


def _evidence(task: Task, rollouts: Rollouts, seed: int) -> dict[str, Any]:
    """Return how well the policy does on initial states that it was not chosen by."""
    fitness, successes = rollouts.episode_fitness, int(rollouts.success.sum())
    low, high = interval(fitness)
    success_low, success_high = share_interval(successes, len(fitness))
    return {
        "episodes": len(fitness),
        "seed": seed,
        "fitness": {"mean": float(fitness.mean()), "low": low, "high": high},
        "success": {
            "mean": successes / len(fitness),
            "low": success_low,
            "high": success_high,
        },
        "reward": float(rollouts.episode_return.mean()),
        "length": float(rollouts.length.mean()),
        "worst_fitness": float(fitness.min()),
        "limits": [asdict(found) for found in violations(task, [rollouts])],
    }


def _versions(packages: Sequence[str] = ("jax", "mujoco", "numpy", "onnx", "onnxruntime")) -> dict:
    """Return the versions of what made the bundle."""
    return {
        "reward-synth": __version__,
        "python": platform.python_version(),
        **{package: version(package) for package in packages},
    }
